//! Sending a large bundle in parts, over a network that breaks and a server that restarts.
//!
//! The server says how far it is, and the next part begins there; so nothing is
//! sent twice but the part that broke off. An upload that an earlier call left
//! behind is gone on with, and a bundle that is published already is not sent.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream;
use http::Method;
use reqwest::Body;
use serde::Deserialize;
use serde_json::json;

use super::PublishAnswer;
use super::source::Source;
use super::upload::CHUNK_BYTES;
use crate::cli::client::Client;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Output, Progress};
use crate::model::{ContentHash, UploadId};

/// Bundles above this are sent in parts, of this size where nothing breaks.
pub(super) const PART_BYTES: u64 = 8 * 1024 * 1024;
/// The smallest part: where everything breaks, small steps still get on.
const MIN_PART_BYTES: u64 = 256 * 1024;
/// The first pause after a failure, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(10)];
/// Failures in a row, without a byte of progress, after which a person should know.
const MAX_FAILURES: u32 = 12;

/// An upload as the server tells it.
#[derive(Debug, Deserialize)]
struct Row {
    id: UploadId,
    length: u64,
    offset: u64,
    declared_hash: Option<ContentHash>,
    finished: bool,
    /// Whether its bytes go to the store: those are somebody else's to send.
    to_store: bool,
    /// There when the bytes are not needed.
    published: Option<PublishAnswer>,
}

#[derive(Debug, Deserialize)]
struct Rows {
    uploads: Vec<Row>,
}

/// A bundle on its way.
struct Sending<'a> {
    client: &'a Client,
    source: &'a Source,
    hash: ContentHash,
    /// Whether the hash is that of the bundle, and not only what a signature says.
    hash_is_sure: bool,
    progress: Arc<Progress>,
    /// The upload, once there is one.
    id: Option<UploadId>,
    /// How far the server was at last.
    offset: u64,
    /// Half after a failure, twice after a success: a server that is killed has
    /// lost the part that it was receiving.
    part_bytes: u64,
}

/// Sends the bundle in parts until it is published, or until going on makes no sense.
pub(super) async fn send(
    client: &Client,
    source: &Source,
    output: Output,
) -> Result<PublishAnswer, Failure> {
    let (hash, hash_is_sure) = source.address().await?;
    let title = format!("Sending {}", source.title);
    let progress = Arc::new(Progress::start(output, &title, source.size));
    let (id, offset, part_bytes) = (None, 0, PART_BYTES);
    let mut sending =
        Sending { client, source, hash, hash_is_sure, progress, id, offset, part_bytes };
    let (mut failures, mut reached) = (0, 0);
    loop {
        let failure = match sending.attempt().await {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        if sending.offset > reached {
            (failures, reached) = (0, sending.offset);
        }
        failures += 1;
        sending.part_bytes = (sending.part_bytes / 2).max(MIN_PART_BYTES);
        if failures > MAX_FAILURES || !sending.may_go_on(&failure) {
            return Err(failure);
        }
        let pause = pause_after(failures);
        if !output.is_json() {
            output.note(&format!("{}; going on in {:.1} s", failure.error, pause.as_secs_f32()));
        }
        tokio::time::sleep(pause).await;
    }
}

impl Sending<'_> {
    /// From where the server is to the end, as long as nothing breaks.
    async fn attempt(&mut self) -> Result<PublishAnswer, Failure> {
        let mut row = match self.id {
            Some(id) => self.client.get::<Row>(&path_of(id)).await?,
            None => self.begin().await?,
        };
        if row.published.is_some() && !self.is_hash_right().await? {
            // Something else is published that the signature is of.
            row = self.begin().await?;
        }
        if let Some(answer) = row.published {
            return Ok(answer);
        }
        self.id = Some(row.id);
        self.reached(row.offset);
        let path = path_of(row.id);
        while self.offset < self.source.size {
            let end = self.source.size.min(self.offset + self.part_bytes);
            self.send_part(&path, end).await?;
            self.part_bytes = (self.part_bytes * 2).min(PART_BYTES);
            self.reached(end);
        }
        let signatures = self.source.signatures.iter().map(|envelope| STANDARD.encode(envelope));
        let body = json!({ "signatures": signatures.collect::<Vec<_>>() });
        self.client.call(Method::POST, &format!("{path}/publish"), Some(body)).await
    }

    /// Whether the bundle has the hash that a signature says, before that is relied on.
    async fn is_hash_right(&mut self) -> Result<bool, Failure> {
        if self.hash_is_sure {
            return Ok(true);
        }
        let stated = std::mem::replace(&mut self.hash, self.source.content_hash().await?);
        self.hash_is_sure = true;
        Ok(self.hash == stated)
    }

    /// The upload that an earlier call left unfinished, or a new one.
    async fn begin(&self) -> Result<Row, Failure> {
        let Rows { uploads } = self.client.get("/api/v1/uploads").await?;
        let left_behind = uploads.into_iter().find(|row| {
            let is_this = row.declared_hash == Some(self.hash) && row.length == self.source.size;
            is_this && !row.finished && !row.to_store
        });
        if let Some(row) = left_behind {
            return Ok(row);
        }
        let name = STANDARD.encode(self.source.file_name());
        let digest = STANDARD.encode(self.hash.hex());
        let headers = [
            ("tus-resumable", "1.0.0".to_owned()),
            ("upload-length", self.source.size.to_string()),
            ("upload-metadata", format!("filename {name},sha256 {digest}")),
        ];
        self.client.send_streamed(Method::POST, "/api/v1/uploads", &headers, Body::from("")).await
    }

    async fn send_part(&self, path: &str, end: u64) -> Result<(), Failure> {
        let part = self.source.part(self.offset, end).await?;
        let seen = Arc::clone(&self.progress);
        let chunks = (0..part.len()).step_by(CHUNK_BYTES).map(move |begin| {
            let chunk = part.slice(begin..part.len().min(begin + CHUNK_BYTES));
            seen.advance(chunk.len() as u64);
            Ok::<_, Infallible>(chunk)
        });
        let headers = [
            ("tus-resumable", "1.0.0".to_owned()),
            ("content-type", "application/offset+octet-stream".to_owned()),
            ("content-length", (end - self.offset).to_string()),
            ("upload-offset", self.offset.to_string()),
        ];
        let body = Body::wrap_stream(stream::iter(chunks));
        self.client.send_streamed(Method::PATCH, path, &headers, body).await
    }

    fn reached(&mut self, offset: u64) {
        self.offset = offset;
        self.progress.move_to(offset);
    }

    /// Whether another attempt can end otherwise. Forgets an upload that is gone.
    fn may_go_on(&mut self, failure: &Failure) -> bool {
        let Some(refusal) = failure.refusal() else { return failure.exit == Exit::Unfinished };
        match (refusal.status, refusal.code.as_str()) {
            // It expired, was given up or lost its bytes. What begins anew begins at nothing.
            (404 | 410, _) if self.id.is_some() => {
                self.id = None;
                self.offset = 0;
                true
            }
            (409, code) => ["offset_mismatch", "upload_incomplete"].contains(&code),
            (423 | 429 | 502..=504, _) => true,
            _ => false,
        }
    }
}

fn path_of(id: UploadId) -> String {
    format!("/api/v1/uploads/{id}")
}

/// Twice as long after each failure, and not the same for everybody: a server that
/// comes back must not meet all its clients at once.
fn pause_after(failures: u32) -> Duration {
    let [first, longest] = PAUSES;
    let pause = first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(longest);
    let mut byte = [0];
    // Without randomness the pause is the longest of its kind.
    getrandom::fill(&mut byte).ok();
    pause.mul_f64(1.0 - f64::from(byte[0]) / 512.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_differ() {
        let within = |failures, least, most| {
            let pause = pause_after(failures).as_millis();
            assert!((least..=most).contains(&pause), "{failures}: {pause}");
        };

        within(1, 125, 250);
        within(2, 250, 500);
        within(12, 5_000, 10_000);
        within(u32::MAX, 5_000, 10_000);
    }
}
