//! Sending a bundle, and showing how far it is.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::StreamExt;
use reqwest::Body;
use tokio_util::io::ReaderStream;

use super::PublishAnswer;
use super::resumable::{self, PART_BYTES};
use super::source::Source;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, Progress};

/// Bytes read and sent at a time.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;

/// Sends the bundle: a large one in parts, a small one in one request, once.
pub(super) async fn send(
    client: &Client,
    source: &Source,
    output: Output,
) -> Result<PublishAnswer, Failure> {
    if source.size > PART_BYTES {
        return resumable::send(client, source, output).await;
    }
    let archive = tokio::fs::File::from_std(source.archive()?);
    let progress =
        Arc::new(Progress::start(output, &format!("Sending {}", source.title), source.size));
    let seen = Arc::clone(&progress);
    let chunks = ReaderStream::with_capacity(archive, CHUNK_BYTES).inspect(move |chunk| {
        seen.advance(chunk.as_ref().map_or(0, |chunk: &Bytes| chunk.len() as u64));
    });
    let signatures: Vec<_> =
        source.signatures.iter().map(|envelope| STANDARD.encode(envelope)).collect();
    let answer = client.put_bundle(Body::wrap_stream(chunks), source.size, &signatures).await;
    progress.finish();
    answer
}
