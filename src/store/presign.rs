//! Addresses at the store's public endpoint, for one upload or one download each.
//!
//! Uploads are signed for a key below `_staging` that is made of a random id and
//! used once. The key of a published bundle is signed for reading only: whoever
//! could send to it could replace what was verified.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::layout::Place;
use super::s3::{Public, S3, SignedRequest};
use super::{BundleStore, StoreError};
use crate::model::{ContentHash, ExtensionVersion, FactState, StoreCapability, Upload, UploadId};

pub(super) const CHECKSUM: HeaderName = HeaderName::from_static("x-amz-checksum-sha256");

/// The headers that a sender chose for a bundle: those that are signed are the only ones it
/// can be sent to the store with.
#[derive(Clone, Debug)]
pub struct SentAs {
    pub content_type: HeaderValue,
    pub cache_control: Option<HeaderValue>,
}

impl BundleStore {
    /// Whether addresses are given out: a probe has seen that they allow what was
    /// signed and nothing else.
    pub fn presigns(&self) -> bool {
        self.can(StoreCapability::PublicEndpoint)
    }

    fn can(&self, capability: StoreCapability) -> bool {
        self.facts().is_some_and(|facts| facts.state(capability) == FactState::Works)
    }

    fn public(&self) -> Result<&Public, StoreError> {
        let public = self.inner.backend.as_s3().and_then(S3::public);
        public.ok_or_else(|| {
            StoreError::unavailable("sign an address", "`store.s3.public_endpoint` is not set")
        })
    }

    /// An address that the bundle of an upload can be sent to in one request.
    pub fn presign_upload(
        &self,
        upload: &Upload,
        sent_as: &SentAs,
        life: Duration,
    ) -> Result<SignedRequest, StoreError> {
        let SentAs { content_type, cache_control } = sent_as;
        let mut headers = if_absent(self.can(StoreCapability::CreateOnly));
        headers.insert(CONTENT_TYPE, content_type.clone());
        if let Some(cache_control) = cache_control {
            headers.insert(CACHE_CONTROL, cache_control.clone());
        }
        // Where the store looks, other bytes do not even arrive.
        if let Some(hash) = &upload.declared_hash
            && self.can(StoreCapability::Checksums)
        {
            headers.insert(CHECKSUM, checksum(hash));
        }
        let key = self.inner.layout.staged(upload.id);
        Ok(self.public()?.sign_put(&key, &[], upload.length, headers, life))
    }

    /// An address that one part of an upload can be sent to.
    pub fn presign_part(
        &self,
        id: UploadId,
        upload_id: &str,
        number: u32,
        length: u64,
        life: Duration,
    ) -> Result<SignedRequest, StoreError> {
        let query = [("partNumber", number.to_string()), ("uploadId", upload_id.to_owned())];
        let key = self.inner.layout.staged(id);
        Ok(self.public()?.sign_put(&key, &query, length, HeaderMap::new(), life))
    }

    /// An address that a published bundle can be fetched from, to be saved as `file_name`.
    pub fn presign_download(
        &self,
        version: &ExtensionVersion,
        file_name: &str,
        life: Duration,
    ) -> Result<String, StoreError> {
        let key = self.inner.layout.archive(Place::Published, &version.content_hash);
        let query = [
            ("response-content-type", "application/zstd".to_owned()),
            ("response-content-disposition", format!("attachment; filename=\"{file_name}\"")),
        ];
        Ok(self.public()?.sign_get(&key, &query, life))
    }
}

/// What [`CHECKSUM`] says of a content with this hash.
pub(super) fn checksum(hash: &ContentHash) -> HeaderValue {
    HeaderValue::try_from(BASE64.encode(hash.as_bytes())).expect("base64 is plain text")
}

/// `If-None-Match: *`, where the store minds it: an address is then good for one object.
pub(super) fn if_absent(enforced: bool) -> HeaderMap {
    let any = HeaderValue::from_static("*");
    enforced.then_some((IF_NONE_MATCH, any)).into_iter().collect()
}
