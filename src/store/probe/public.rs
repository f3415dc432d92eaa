//! Whether the public endpoint does for senders what was signed, and nothing else.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use object_store::client::HttpRequestBody;
use uuid::Uuid;

use super::super::error::innermost;
use super::super::presign::if_absent;
use super::super::s3::{Public, SignedRequest};
use super::{Probe, SIGNED_FOR, Tried};
use crate::model::{FactState, StoreCapability};

impl Probe<'_> {
    /// Sends a small random object as a sender would, then tries to send what was not agreed.
    pub(super) async fn public_endpoint(&self, public: &Public) -> Tried {
        let content = Bytes::from(format!("plugboard probe: {}", Uuid::new_v4()));
        let create_only = self.seen(StoreCapability::CreateOnly);
        let key = self.key("public");
        let mut headers = if_absent(create_only);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        let length = content.len() as u64;
        let signed = public.sign_put(&key, &[], length, headers, SIGNED_FOR);

        // What must not work comes first: where it works there is no object yet that refuses it.
        let longer = Bytes::from([&content, &b"!"[..]].concat());
        refused("another length", put(public, &signed, longer).await?)?;
        let elsewhere =
            SignedRequest { url: signed.url.replacen("/public?", "/other?", 1), ..signed.clone() };
        refused("another key", put(public, &elsewhere, content.clone()).await?)?;
        let bare = SignedRequest { headers: HeaderMap::new(), ..signed.clone() };
        refused("other headers", put(public, &bare, content.clone()).await?)?;

        let status = put(public, &signed, content.clone()).await?;
        if !status.is_success() {
            return Err(format!("a signed request was answered with {status}"));
        }
        if create_only {
            refused("the same address twice", put(public, &signed, content.clone()).await?)?;
        }
        let found = fetch(public, &public.sign_get(&key, &[], SIGNED_FOR)).await?;
        Ok(found == content && self.content(&key).await? == content)
    }

    fn seen(&self, capability: StoreCapability) -> bool {
        self.facts
            .iter()
            .any(|fact| fact.capability == capability && fact.state == FactState::Works)
    }
}

async fn put(
    public: &Public,
    signed: &SignedRequest,
    content: Bytes,
) -> Result<StatusCode, String> {
    let mut request = Request::builder().method(Method::PUT).uri(&signed.url);
    for (name, value) in &signed.headers {
        request = request.header(name, value);
    }
    let request = request.body(HttpRequestBody::from(content));
    let answer = public.execute(request.map_err(|error| innermost(&error))?).await;
    Ok(answer.map_err(|error| innermost(&error))?.status())
}

async fn fetch(public: &Public, url: &str) -> Result<Bytes, String> {
    let request = Request::get(url).body(HttpRequestBody::empty());
    let answer = public.execute(request.map_err(|error| innermost(&error))?).await;
    let answer = answer.map_err(|error| innermost(&error))?;
    let status = answer.status();
    if !status.is_success() {
        return Err(format!("a signed request was answered with {status}"));
    }
    answer.into_body().bytes().await.map_err(|error| innermost(&error))
}

/// A request that was not signed must end as the sender's mistake.
fn refused(what: &str, status: StatusCode) -> Result<(), String> {
    if status.is_client_error() {
        Ok(())
    } else {
        Err(format!("{what} was answered with {status} and should have been refused"))
    }
}
