//! Which bodies are whole.

use http_body_util::Full;
use plugboard::runner::Upload;

use super::*;

#[tokio::test]
async fn an_answer_that_is_complete_at_once_is_whole() {
    let stage = Stage::proxy("http").await;

    let answer = stage.runner.execute(stage.get("/answers")).await.unwrap();

    assert!(matches!(answer.body, GuestBody::Whole(body) if body == "hello"));
}

#[tokio::test]
async fn a_world_with_whole_bodies_takes_no_stream() {
    let stage = Stage::extension("echoes").await;
    let mut posted = stage.get("/");
    posted.request.body = RequestBody::Stream(Upload::new(Full::new(Bytes::new()), 10));

    let outcome = stage.execute(posted).await;

    assert!(matches!(outcome, Err(ExecuteError::Trap(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_guest_that_computes_on_after_its_headers_is_stopped() {
    let stage = Stage::proxy("http").await;
    let total = Duration::from_millis(200);
    let stream = StreamLimits { total, idle: PATIENT };

    let answer = stage.runner.execute(Invocation { stream, ..stage.get("/loops") }).await.unwrap();

    let GuestBody::Stream(stream) = answer.body else { panic!("{answer:?}") };
    let ended = stream.collect().await;
    assert!(matches!(ended, Err(ExecuteError::Deadline(limit)) if limit == total), "{ended:?}");
}
