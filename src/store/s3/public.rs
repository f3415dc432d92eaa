//! The bucket as senders reach it, and requests there that whoever has them may send.
//!
//! An address allows one request: method, key, query, the headers that are
//! signed, and the time are all part of the signature. What is signed is decided
//! by who gives it out; this file never signs a key on its own account.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method};
use jiff::Timestamp;
use object_store::client::{HttpClient, HttpRequest, HttpResponse};
use object_store::path::Path as Key;

use super::super::StoreError;
use super::bucket_url;
use super::connector::Connector;
use super::signature::{Signed, Signer};
use crate::config::{S3Config, S3Location, Secret};

/// The bucket at its public endpoint.
#[derive(Debug)]
pub(in crate::store) struct Public {
    client: HttpClient,
    /// The address of the bucket, with nothing after it.
    bucket_url: String,
    access_key: Secret,
    secret_key: Secret,
    region: String,
}

/// A request that anyone may send until its time is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRequest {
    pub url: String,
    /// The headers that are signed and that no client sends by itself. The length
    /// of the body is signed, too, and every client says it.
    pub headers: HeaderMap,
}

impl Public {
    pub(super) fn open(config: &S3Config, location: &S3Location) -> Result<Self, StoreError> {
        // A breaker of its own: senders being cut off says nothing about the store.
        let connector = Connector::new(config, location, Arc::new(AtomicBool::new(false)))?;
        Ok(Self {
            client: connector.client(),
            bucket_url: bucket_url(location, config.force_path_style),
            access_key: config.access_key.clone(),
            secret_key: config.secret_key.clone(),
            region: config.region.clone(),
        })
    }

    /// An address that `length` bytes can be sent to, with these headers.
    pub(in crate::store) fn sign_put(
        &self,
        key: &Key,
        query: &[(&str, String)],
        length: u64,
        headers: HeaderMap,
        life: Duration,
    ) -> SignedRequest {
        let mut signed = headers.clone();
        signed.insert(CONTENT_LENGTH, length.into());
        SignedRequest { url: self.sign(Method::PUT, key, query, &signed, life), headers }
    }

    /// An address that an object can be fetched from.
    pub(in crate::store) fn sign_get(
        &self,
        key: &Key,
        query: &[(&str, String)],
        life: Duration,
    ) -> String {
        self.sign(Method::GET, key, query, &HeaderMap::new(), life)
    }

    fn sign(
        &self,
        method: Method,
        key: &Key,
        query: &[(&str, String)],
        headers: &HeaderMap,
        life: Duration,
    ) -> String {
        let url = format!("{}/{key}", self.bucket_url);
        let server = url.split_once("://").map_or(&*url, |(_, rest)| rest);
        let (host, path) = server.split_at(server.find('/').unwrap_or(server.len()));
        let (access_key, secret_key) = (self.access_key.expose(), self.secret_key.expose());
        let signer = Signer { access_key, secret_key, region: &self.region };
        // The machine's time, and not the application's: the server holds it against its
        // own, as it does with what `object_store` signs.
        let at = Timestamp::now();
        let query = signer.query(&Signed { method, host, path, query, headers, at, life });
        format!("{url}?{query}")
    }

    /// Sends a request as a stranger would, once.
    pub(in crate::store) async fn execute(
        &self,
        request: HttpRequest,
    ) -> Result<HttpResponse, StoreError> {
        let sent = self.client.execute(request).await;
        sent.map_err(|error| StoreError::unavailable("reach its public endpoint", error))
    }
}
