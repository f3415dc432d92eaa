//! Limits of an upload, and whose time it takes.

use futures_util::{FutureExt, stream};
use http_body_util::{Full, StreamBody};

use super::*;

#[tokio::test]
async fn a_body_at_the_limit_passes_and_one_byte_more_does_not() {
    let body = || Full::new(Bytes::from_static(b"hello"));

    assert_eq!(Upload::new(body(), 5).collect().await.unwrap().to_bytes(), "hello");
    let over = Upload::new(body(), 4);
    let watch = over.watch();
    assert!(matches!(over.collect().await, Err(HttpError::HttpRequestBodySize(_))));
    assert_eq!(watch.fault(), Some(UploadFault::TooLarge { limit: 4 }));
}

#[tokio::test]
async fn trailers_end_the_body_and_stay_outside() {
    let frames = [
        Ok::<_, HttpError>(Frame::data(Bytes::from_static(b"hello"))),
        Ok(Frame::trailers(http::HeaderMap::new())),
    ];

    let read = Upload::new(StreamBody::new(stream::iter(frames)), 5).collect().await.unwrap();

    assert!(read.trailers().is_none());
    assert_eq!(read.to_bytes(), "hello");
}

#[tokio::test]
async fn the_time_spent_waiting_for_the_client_is_known() {
    let pause = Duration::from_millis(30);
    let late = stream::once(async move {
        tokio::time::sleep(pause).await;
        Ok::<_, HttpError>(Frame::data(Bytes::from_static(b"late")))
    });
    let upload = Upload::new(StreamBody::new(late), 5);
    let watch = upload.watch();

    assert_eq!(watch.waited(), Duration::ZERO);
    upload.collect().await.unwrap();

    assert!(watch.waited() >= pause / 2, "{:?}", watch.waited());
}

#[tokio::test]
async fn who_turns_to_something_else_does_not_wait_for_the_client() {
    let never = StreamBody::new(stream::pending::<Result<Frame<Bytes>, HttpError>>());
    let mut upload = Upload::new(never, 5);
    let watch = upload.watch();
    assert!(upload.frame().now_or_never().is_none());

    watch.turn_away();
    let waited = watch.waited();
    std::thread::sleep(Duration::from_millis(10));

    assert_eq!(watch.waited(), waited);
}
