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
use object_store::aws::AmazonS3;
use object_store::client::{HttpClient, HttpRequest, HttpResponse};
use object_store::path::Path as Key;
use object_store::signer::{SignedUrlOptions, Signer};

use super::super::StoreError;
use super::builder;
use super::connector::Connector;
use crate::config::{S3Config, S3Location};

/// The bucket at its public endpoint.
#[derive(Debug)]
pub(in crate::store) struct Public {
    signer: AmazonS3,
    client: HttpClient,
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
        let client = connector.client();
        let signer = builder(config, location, connector).build();
        let signer = signer.map_err(|error| StoreError::object("use its settings", error))?;
        Ok(Self { signer, client })
    }

    /// An address that `length` bytes can be sent to, with these headers.
    pub(in crate::store) async fn sign_put(
        &self,
        key: &Key,
        query: &[(&str, String)],
        length: u64,
        headers: HeaderMap,
        life: Duration,
    ) -> Result<SignedRequest, StoreError> {
        let mut options = SignedUrlOptions::default()
            .with_query(query.iter().map(|(name, value)| (*name, value.clone())))
            .with_signed_header(CONTENT_LENGTH, length.into());
        for (name, value) in &headers {
            options = options.with_signed_header(name.clone(), value.clone());
        }
        let url = self.sign(Method::PUT, key, life, &options).await?;
        Ok(SignedRequest { url, headers })
    }

    /// An address that an object can be fetched from.
    pub(in crate::store) async fn sign_get(
        &self,
        key: &Key,
        query: &[(&str, String)],
        life: Duration,
    ) -> Result<String, StoreError> {
        let query = query.iter().map(|(name, value)| (*name, value.clone()));
        let options = SignedUrlOptions::default().with_query(query);
        self.sign(Method::GET, key, life, &options).await
    }

    async fn sign(
        &self,
        method: Method,
        key: &Key,
        life: Duration,
        options: &SignedUrlOptions,
    ) -> Result<String, StoreError> {
        let signed = self.signer.signed_url_opts(method, key, life, options).await;
        signed.map(String::from).map_err(|error| StoreError::object("sign an address", error))
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
