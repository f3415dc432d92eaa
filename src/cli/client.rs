//! How remote commands reach the appliance: HTTP, the admin socket, or, with no
//! server running, the registry itself through the same routes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use http::Method;
use reqwest::Body;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::failure::{Exit, Failure};
use super::local::Local;
use crate::app::App;

/// A way to send requests to an appliance.
pub struct Client {
    transport: Transport,
}

enum Transport {
    Http {
        client: reqwest::Client,
        base: String,
        token: Option<SecretString>,
    },
    /// No server runs: the routes are called in this process.
    Local(Box<Local>),
}

/// An answer that is not a success.
#[derive(Debug, thiserror::Error)]
#[error("{detail} ({code})")]
pub struct Refusal {
    pub status: u16,
    pub code: String,
    pub detail: String,
    pub hint: Option<String>,
    /// The whole problem, with its report if it has one.
    pub problem: Value,
}

impl Client {
    /// A client for an address, with a token.
    pub fn http(base: &str, token: Option<SecretString>) -> Result<Self, Failure> {
        let client = builder().build().map_err(Failure::unfinished)?;
        let base = base.trim_end_matches('/').to_owned();
        Ok(Self { transport: Transport::Http { client, base, token } })
    }

    /// A client for the admin socket of a running server.
    pub fn socket(socket: &Path) -> Result<Self, Failure> {
        let client = builder().unix_socket(socket).build().map_err(Failure::unfinished)?;
        let base = "http://localhost".to_owned();
        Ok(Self { transport: Transport::Http { client, base, token: None } })
    }

    /// A client for an appliance that was opened in this process.
    pub fn local(app: Arc<App>) -> Self {
        Self { transport: Transport::Local(Box::new(Local::new(app))) }
    }

    /// Sends a request without a body and reads a JSON answer.
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
        let (status, bytes) = match &self.transport {
            Transport::Local(local) => local.call(method, path, body).await?,
            Transport::Http { client, base, token } => {
                let mut request = client.request(method, format!("{base}{path}"));
                if let Some(token) = token {
                    request = request.bearer_auth(token.expose_secret());
                }
                if let Some(body) = body {
                    request = request.json(&body);
                }
                send(request).await?
            }
        };
        read(status, &bytes)
    }

    /// Streams a bundle to `PUT /api/v1/bundles`.
    pub async fn put_bundle(
        &self,
        body: Body,
        size: u64,
        signatures: &[String],
    ) -> Result<Value, Failure> {
        let Transport::Http { client, base, token } = &self.transport else {
            return Err(Failure::usage("publishing needs a running server")
                .hint("start one with `plugboard serve`"));
        };
        let mut request = client
            .put(format!("{base}/api/v1/bundles"))
            .header("content-type", "application/zstd")
            .header("content-length", size);
        for signature in signatures {
            request = request.header("plugboard-signature", signature);
        }
        if let Some(token) = token {
            request = request.bearer_auth(token.expose_secret());
        }
        let (status, bytes) = send(request.body(body)).await?;
        read(status, &bytes)
    }
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("plugboard/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(std::time::Duration::from_secs(10))
}

async fn send(request: reqwest::RequestBuilder) -> Result<(u16, Bytes), Failure> {
    let unreachable = |error: reqwest::Error| {
        let text = anyhow::Error::new(error.without_url()).context("could not reach the appliance");
        Failure::unfinished(text).hint("is the server running, and is the address right?")
    };
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status().as_u16();
    Ok((status, response.bytes().await.map_err(unreachable)?))
}

fn read<T: DeserializeOwned>(status: u16, bytes: &[u8]) -> Result<T, Failure> {
    if (200..300).contains(&status) {
        let bytes = if bytes.is_empty() { b"null" } else { bytes };
        let answer = serde_json::from_slice(bytes).context("the answer is not what was expected");
        return answer.map_err(Failure::unfinished);
    }
    let problem: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let text = |name: &str| problem[name].as_str().map(str::to_owned);
    let refusal = Refusal {
        status,
        code: text("code").unwrap_or_else(|| format!("http_{status}")),
        detail: text("detail").unwrap_or_else(|| format!("the server answered {status}")),
        hint: text("hint"),
        problem,
    };
    let (exit, hint) = (exit_of(status), refusal.hint.clone());
    Err(Failure { exit, error: refusal.into(), hint })
}

/// What a repeat may mend ends with [`Exit::Unfinished`].
fn exit_of(status: u16) -> Exit {
    if status == 429 || status >= 500 { Exit::Unfinished } else { Exit::Refused }
}

/// The admin socket of a data folder.
pub fn admin_socket(data_dir: &Path) -> PathBuf {
    data_dir.join("admin.sock")
}
