//! How remote commands reach the appliance: HTTP, the admin socket, or, with no
//! server running, the registry itself through the same routes.

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use http::Method;
use reqwest::Body;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::failure::{Exit, Failure};
use super::local::Local;
use crate::app::App;
use crate::config::Origin;

/// How long an answer may take; enabling waits for a component to be compiled.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(5);
/// How long reaching the other side may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A way to send requests to an appliance.
pub struct Client {
    transport: Transport,
}

enum Transport {
    Http(Http),
    /// No server runs: the routes are called in this process.
    Local(Local),
}

/// A server, and what it knows us by.
struct Http {
    client: reqwest::Client,
    base: String,
    /// How people know it.
    place: String,
    token: Option<SecretString>,
}

/// An answer that is not a success.
#[derive(Debug, thiserror::Error)]
#[error("{detail} ({code})")]
pub struct Refusal {
    pub status: u16,
    pub code: String,
    pub detail: String,
    /// The whole problem, with its report if it has one.
    pub problem: Value,
}

/// Reads the address of an appliance.
pub(super) fn address(text: &str) -> Result<Origin, Failure> {
    text.parse().map_err(|_| {
        // What is before the host may be a password, which is not for logs.
        let (_, named) = text.rsplit_once('@').unwrap_or(("", text));
        Failure::usage(format!("{named} is not the address of an appliance"))
            .hint("write it as https://plugboard.example.net, without user and password")
    })
}

impl Client {
    /// A client for an address, with a token.
    pub fn http(base: &str, token: SecretString) -> Result<Self, Failure> {
        let origin = address(base)?;
        // What a proxy is asked for, this machine may not be.
        let builder = if origin.is_loopback() { builder().no_proxy() } else { builder() };
        let base = origin.as_str().to_owned();
        let client = builder.build().map_err(Failure::unfinished)?;
        let place = base.clone();
        Ok(Self { transport: Transport::Http(Http { client, base, place, token: Some(token) }) })
    }

    /// A client for the admin socket of a running server.
    pub fn socket(socket: &Path) -> Result<Self, Failure> {
        let client =
            builder().no_proxy().unix_socket(socket).build().map_err(Failure::unfinished)?;
        let (base, place) = ("http://localhost".to_owned(), socket.display().to_string());
        Ok(Self { transport: Transport::Http(Http { client, base, place, token: None }) })
    }

    /// A client for an appliance that was opened in this process.
    pub fn local(app: Arc<App>) -> Self {
        Self { transport: Transport::Local(Local::new(app)) }
    }

    /// The address that others call the appliance by, where it is known.
    pub fn address(&self) -> Option<&str> {
        match &self.transport {
            Transport::Http(Http { base, token: Some(_), .. }) => Some(base),
            Transport::Http(_) | Transport::Local(_) => None,
        }
    }

    /// Reads a JSON answer.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.call(Method::GET, path, None).await
    }

    /// Sends JSON, or nothing, and reads a JSON answer; an empty one is `null`.
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<T, Failure> {
        let body = body.map(|body| Bytes::from(body.to_string()));
        self.send_bytes(method, path, "application/json", body).await
    }

    /// Sends bytes as they are and reads a JSON answer.
    pub async fn send_bytes<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Option<Bytes>,
    ) -> Result<T, Failure> {
        let (status, bytes) = match &self.transport {
            Transport::Local(local) => local.call(method, path, content_type, body).await?,
            Transport::Http(http) => {
                let mut request = http.request(method, path).timeout(ANSWER_TIMEOUT);
                if let Some(body) = body {
                    request = request.header("content-type", content_type).body(body);
                }
                http.send(request).await?
            }
        };
        read(status, &bytes)
    }

    /// Streams a body with some headers and reads a JSON answer; for a running server.
    pub async fn send_streamed<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, String)],
        body: Body,
    ) -> Result<T, Failure> {
        let http = self.server()?;
        let mut request = http.request(method, path).timeout(ANSWER_TIMEOUT);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let (status, bytes) = http.send(request.body(body)).await?;
        read(status, &bytes)
    }

    /// Streams a body of any length and reads a JSON answer; for a running server.
    pub async fn post_stream<T: DeserializeOwned>(
        &self,
        path: &str,
        content_type: &str,
        body: Body,
    ) -> Result<T, Failure> {
        let http = self.server()?;
        let (status, bytes) = http.send(http.long_post(path, content_type, body)).await?;
        read(status, &bytes)
    }

    /// Writes a body into `out` while it arrives, as long as somebody reads it; for a running
    /// server.
    pub async fn download(&self, path: &str, out: &mut impl Write) -> Result<(), Failure> {
        let http = self.server()?;
        let broken = |error: reqwest::Error| http.unreachable(&error);
        // Without a limit in time: how much there is nobody knows.
        let mut response = http.request(Method::GET, path).send().await.map_err(broken)?;
        let status = response.status().as_u16();
        if status != 200 {
            return read(status, &response.bytes().await.map_err(broken)?);
        }
        while let Some(bytes) = response.chunk().await.map_err(broken)? {
            // At once: whoever reads sees what arrived, and a reader that has gone is noticed.
            match out.write_all(&bytes).and_then(|()| out.flush()) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                done => done?,
            }
        }
        Ok(())
    }

    /// Opens a body that comes piece by piece and may have no end; for a running server.
    pub async fn open(&self, path: &str, accept: &str) -> Result<Pieces<'_>, Failure> {
        let http = self.server()?;
        let broken = |error: reqwest::Error| http.unreachable(&error);
        let request = http.request(Method::GET, path).header("accept", accept);
        let response = request.send().await.map_err(broken)?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(refused(status, &response.bytes().await.map_err(broken)?));
        }
        Ok(Pieces { response, http })
    }

    fn server(&self) -> Result<&Http, Failure> {
        match &self.transport {
            Transport::Http(http) => Ok(http),
            Transport::Local(_) => Err(Failure::usage("this needs a running server")
                .hint("start one with `plugboard serve`")),
        }
    }

    /// Streams a bundle to `PUT /api/v1/bundles`.
    pub async fn put_bundle<T: DeserializeOwned>(
        &self,
        body: Body,
        size: u64,
        signatures: &[String],
    ) -> Result<T, Failure> {
        let http = self.server()?;
        // Without a limit in time: how fast the way there is nobody knows.
        let mut request = http
            .request(Method::PUT, "/api/v1/bundles")
            .header("content-type", "application/zstd")
            .header("content-length", size);
        for signature in signatures {
            request = request.header("plugboard-signature", signature);
        }
        let (status, bytes) = http.send(request.body(body)).await?;
        read(status, &bytes)
    }
}

/// A body that comes piece by piece.
pub struct Pieces<'a> {
    response: reqwest::Response,
    http: &'a Http,
}

impl Pieces<'_> {
    /// The next piece, if there is one.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        self.response.chunk().await.map_err(|error| self.http.unreachable(&error))
    }
}

impl Http {
    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token.expose_secret()),
            None => request,
        }
    }

    /// Without a limit in time: how long the body is, and how fast the way there, nobody knows.
    fn long_post(&self, path: &str, content_type: &str, body: Body) -> reqwest::RequestBuilder {
        self.request(Method::POST, path).header("content-type", content_type).body(body)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<(u16, Bytes), Failure> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status().as_u16();
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        Ok((status, bytes))
    }

    /// The last cause says what happened; those before it say how we found out.
    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let mut cause: &dyn Error = error;
        while let Some(next) = cause.source() {
            cause = next;
        }
        let place = &self.place;
        let (sentence, hint) = if speaks_plain_http(cause) {
            let sentence = format!("the appliance at {place} does not speak TLS");
            (sentence, "it speaks plain HTTP: write http://")
        } else if error.is_connect() {
            let sentence = format!("could not reach the appliance at {place}");
            (sentence, "is it running, and is the address right?")
        } else if error.is_timeout() {
            let sentence = format!("the appliance at {place} did not answer in time");
            (sentence, "trying again is safe")
        } else {
            let sentence = format!("the connection to the appliance at {place} broke off");
            (sentence, "trying again is safe")
        };
        Failure::unfinished(anyhow!("{cause}").context(sentence)).hint(hint)
    }
}

/// Whether the other side began with something else than a TLS record. Told by the words: what
/// they are wrapped in is not for others to open.
fn speaks_plain_http(cause: &dyn Error) -> bool {
    cause.to_string().contains("corrupt message of type InvalidContentType")
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("plugboard/", env!("CARGO_PKG_VERSION")))
        // A redirect could carry the token to somebody else.
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_keepalive(Duration::from_secs(30))
}

fn read<T: DeserializeOwned>(status: u16, bytes: &[u8]) -> Result<T, Failure> {
    if (200..300).contains(&status) {
        let bytes = if bytes.is_empty() { b"null" } else { bytes };
        let answer = serde_json::from_slice(bytes).context("the answer is not what was expected");
        let hint = "is this the address of a Plugboard appliance, of the same version?";
        return answer.map_err(|error| Failure::unfinished(error).hint(hint));
    }
    Err(refused(status, bytes))
}

fn refused(status: u16, bytes: &[u8]) -> Failure {
    let problem: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let text = |name: &str| problem[name].as_str().map(str::to_owned);
    let hint = text("hint");
    let refusal = Refusal {
        status,
        code: text("code").unwrap_or_else(|| format!("http_{status}")),
        detail: text("detail").unwrap_or_else(|| format!("the server answered {status}")),
        problem,
    };
    Failure { exit: exit_of(status), error: refusal.into(), hint }
}

/// What a repeat may mend ends with [`Exit::Unfinished`].
fn exit_of(status: u16) -> Exit {
    if matches!(status, 423 | 429) || status >= 500 { Exit::Unfinished } else { Exit::Refused }
}

#[cfg(test)]
mod tests;
