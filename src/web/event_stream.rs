//! Lines as they come: a body of server-sent events (HTML, section 9.2).

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;

use crate::app::logs::{Following, Told};

/// Says that somebody is still there, to proxies that would hang up otherwise.
const QUIET: &str = ": nothing new\n\n";

/// An event with its data, which is JSON and so has no line feed.
pub(super) fn event(id: Option<u64>, name: &str, data: &serde_json::Value) -> String {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    let name = if name.is_empty() { String::new() } else { format!("event: {name}\n") };
    format!("{id}{name}data: {data}\n\n")
}

/// A response that goes on as long as lines come. `write` says in text what is told.
pub(super) fn respond<W>(following: Following, write: W) -> Response
where
    W: Fn(&Told) -> String + Send + 'static,
{
    // At once: whoever asks learns that it is answered, also where nothing is written.
    let opened = (following, write, true);
    let events = stream::unfold(opened, |(mut following, write, is_first)| async move {
        if is_first {
            let text = Bytes::from_static(QUIET.as_bytes());
            return Some((Ok::<_, std::convert::Infallible>(text), (following, write, false)));
        }
        loop {
            let text = match following.next().await? {
                Told::Quiet => QUIET.to_owned(),
                told @ (Told::Line(_) | Told::Missed(_) | Told::End(_)) => write(&told),
            };
            if !text.is_empty() {
                return Some((Ok(Bytes::from(text)), (following, write, false)));
            }
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache, no-transform"),
    ];
    (headers, Body::from_stream(events)).into_response()
}
