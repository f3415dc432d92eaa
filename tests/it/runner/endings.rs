//! What is told of an execution when it ends.

use futures_util::{StreamExt, stream};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use plugboard::runner::{Observer, Outcome, Upload};

use super::*;

/// Every end that was told, in order.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<End>>>);

/// How it ended, what it took, and why it failed.
type End = (Outcome, Usage, Option<String>);

impl Told {
    fn observer(&self) -> Observer {
        let told = self.clone();
        Observer::new(move |ended, _mark| {
            let reason = ended.error.map(ToString::to_string);
            told.0.lock().unwrap().push((ended.outcome, *ended.usage, reason));
        })
    }

    /// The one end there is, once it is told.
    async fn only(&self) -> End {
        let started = Instant::now();
        while self.0.lock().unwrap().is_empty() && started.elapsed() < PATIENT {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let told = self.0.lock().unwrap();
        assert_eq!(told.len(), 1, "{told:?}");
        told[0].clone()
    }
}

async fn end_of(stage: &Stage, invocation: Invocation) -> End {
    let told = Told::default();
    let observed = Invocation { observer: told.observer(), ..invocation };
    stage.execute(observed).await.ok();
    told.only().await
}

#[tokio::test]
async fn an_execution_that_answers_says_what_it_took() {
    let stage = Stage::extension("echoes").await;
    let mut posted = stage.get("/");
    posted.request.body = RequestBody::Whole(Bytes::from_static(b"hello"));

    let (outcome, usage, reason) = end_of(&stage, posted).await;

    assert_eq!((outcome, reason), (Outcome::Answered, None));
    assert_eq!((usage.request_bytes, usage.response_bytes), (5, 5));
    assert!(usage.peak_memory_bytes >= 64 * 1024, "{usage:?}");
    assert!(usage.duration > Duration::ZERO, "{usage:?}");
}

#[tokio::test]
async fn calls_to_the_host_are_told() {
    let stage = Stage::extension("floods_log").await;

    let (_, usage, _) = end_of(&stage, stage.get("/")).await;

    assert_eq!(usage.host_calls, 5_000);
}

#[tokio::test]
async fn an_execution_that_fails_says_why_and_what_it_took() {
    for (guest, expected) in [
        ("hoards", Outcome::Memory),
        ("traps", Outcome::Trap),
        ("loops", Outcome::Deadline),
        ("injects", Outcome::BadResponse),
    ] {
        let stage = Stage::extension(guest).await;
        let limited = Invocation { deadline: Duration::from_millis(300), ..stage.get("/") };

        let (outcome, usage, reason) = end_of(&stage, limited).await;

        assert_eq!(outcome, expected, "{guest}");
        assert!(reason.is_some(), "{guest}");
        assert!(usage.peak_memory_bytes >= 64 * 1024, "{guest}: {usage:?}");
        assert!(usage.cpu > Duration::ZERO, "{guest}: {usage:?}");
    }
    let hoards = Stage::extension("hoards").await;
    let (_, usage, _) = end_of(&hoards, hoards.get("/")).await;
    assert!(usage.peak_memory_bytes > 14 * 1024 * 1024, "{usage:?}");
}

#[tokio::test]
async fn a_stream_is_told_at_its_end_with_the_bytes_that_went_through() {
    let stage = Stage::proxy("streams").await;
    let mut echo = stage.get("/echo");
    let body = Full::new(Bytes::from(vec![7; 100_000]));
    echo.request.body = RequestBody::Stream(Upload::new(body, 200_000));
    echo.max_response_bytes = 200_000;

    let (outcome, usage, _) = end_of(&stage, echo).await;

    assert_eq!(outcome, Outcome::Answered);
    assert_eq!((usage.request_bytes, usage.response_bytes), (100_000, 100_000));
}

#[tokio::test]
async fn a_stream_at_the_end_of_its_time_is_cut_off_and_no_failure() {
    let stage = Stage::proxy("streams").await;
    let stream = StreamLimits { total: Duration::from_millis(300), idle: PATIENT };
    let ticks = Invocation { stream, ..stage.get("/ticks") };

    let (outcome, usage, _) = end_of(&stage, ticks).await;

    assert_eq!(outcome, Outcome::CutOff);
    assert!(!outcome.is_failure());
    assert!(usage.response_bytes > 0 && usage.response_bytes % 6 == 0, "{usage:?}");
}

#[tokio::test]
async fn an_execution_is_told_also_when_whoever_waits_for_it_goes() {
    let (ticks, loops) = (Stage::proxy("streams").await, Stage::extension("loops").await);
    let (streamed, dropped) = (Told::default(), Told::default());

    let observed = Invocation { observer: streamed.observer(), ..ticks.get("/ticks") };
    drop(ticks.runner.execute(observed).await.unwrap());
    let observed = Invocation { observer: dropped.observer(), ..loops.get("/") };
    let given_up = tokio::time::timeout(Duration::from_millis(50), loops.execute(observed)).await;

    assert!(given_up.is_err());
    assert_eq!(streamed.only().await.0, Outcome::Caller);
    let (outcome, usage, _) = dropped.only().await;
    assert_eq!(outcome, Outcome::Caller);
    assert!(usage.peak_memory_bytes >= 64 * 1024, "{usage:?}");
}

/// A body of which five bytes come, and then nothing.
fn half() -> RequestBody {
    let piece = Ok::<_, io::Error>(Frame::data(Bytes::from_static(b"hello")));
    let body = stream::once(async { piece }).chain(stream::pending());
    RequestBody::Stream(Upload::new(StreamBody::new(body), 100))
}

#[tokio::test]
async fn the_bytes_of_a_body_are_told_however_late_the_guest_is() {
    let (loops, counts) = (Stage::extension("loops").await, Stage::proxy("streams").await);
    let whole = RequestBody::Whole(Bytes::from_static(b"hello"));

    for (stage, path, body) in [(&loops, "/", whole), (&counts, "/counts", half())] {
        let total = Duration::from_millis(300);
        let stream = StreamLimits { total, idle: PATIENT };
        let mut late = Invocation { deadline: total, stream, ..stage.get(path) };
        late.request.body = body;

        let (outcome, usage, _) = end_of(stage, late).await;

        assert!(matches!(outcome, Outcome::Deadline | Outcome::Caller), "{outcome:?}");
        assert_eq!(usage.request_bytes, 5, "{path}");
    }
}

#[tokio::test]
async fn the_bytes_of_a_body_are_told_also_when_whoever_sent_them_goes() {
    let (stage, told) = (Stage::extension("loops").await, Told::default());
    let mut loops = Invocation { observer: told.observer(), ..stage.get("/") };
    loops.request.body = RequestBody::Whole(Bytes::from_static(b"hello"));

    let given_up = tokio::time::timeout(Duration::from_millis(50), stage.execute(loops)).await;

    assert!(given_up.is_err());
    let (outcome, usage, _) = told.only().await;
    assert_eq!((outcome, usage.request_bytes), (Outcome::Caller, 5));
}
