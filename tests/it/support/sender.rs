//! Whoever has a signed address: plain requests, without credentials.

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::header::{HeaderMap, HeaderName};
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::test_app::Answer;

/// A request to an address.
pub(crate) struct Sending {
    method: Method,
    url: String,
    headers: HeaderMap,
    body: BoxBody<Bytes, std::io::Error>,
}

/// A PUT of `content` with these headers; its length is said by itself.
pub(crate) fn put(url: &str, headers: &HeaderMap, content: &[u8]) -> Sending {
    let body = Full::new(Bytes::copy_from_slice(content));
    Sending {
        method: Method::PUT,
        url: url.to_owned(),
        headers: headers.clone(),
        body: body.map_err(|never| match never {}).boxed(),
    }
}

pub(crate) fn get(url: &str) -> Sending {
    put(url, &HeaderMap::new(), b"").method(Method::GET)
}

/// Headers that an answer told its reader to send.
pub(crate) fn told(headers: &Value) -> HeaderMap {
    let pair = |(name, value): (&String, &Value)| {
        (name.parse::<HeaderName>().unwrap(), value.as_str().unwrap().parse().unwrap())
    };
    headers.as_object().unwrap().iter().map(pair).collect()
}

impl Sending {
    pub(crate) fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    /// The same bytes without saying how many.
    pub(crate) async fn chunked(mut self) -> Self {
        let content = self.body.collect().await.unwrap().to_bytes();
        let one = futures_util::stream::iter([Ok(Frame::data(content))]);
        self.body = BodyExt::boxed(StreamBody::new(one));
        self
    }

    pub(crate) async fn send(self) -> Answer {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let mut request = Request::builder().method(self.method).uri(&self.url);
        request.headers_mut().unwrap().extend(self.headers);
        let answer = client.request(request.body(self.body).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }
}
