//! The words of the tus protocol, version 1.0.0 (<https://tus.io/protocols/resumable-upload>).

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

use crate::model::{ContentHash, Upload};
use crate::web::error::ApiError;

/// The only version there is.
pub(in crate::web) const VERSION: &str = "1.0.0";
pub(in crate::web) const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const VERSIONS: HeaderName = HeaderName::from_static("tus-version");
const EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
const MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
const CHECKSUM_ALGORITHM: HeaderName = HeaderName::from_static("tus-checksum-algorithm");
const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const LENGTH: HeaderName = HeaderName::from_static("upload-length");
const EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const METADATA: &str = "upload-metadata";
const CHECKSUM: &str = "upload-checksum";
/// SHA-1 costs as much as SHA-256 here and promises less.
const ALGORITHM: &str = "sha256";
/// The media type of a part.
const PART: &str = "application/offset+octet-stream";
/// Bytes of one value of the metadata, decoded.
const MAX_METADATA_BYTES: usize = 1024;

/// The client speaks the version we do.
pub(in crate::web) struct Tus;

/// What the metadata of a new upload says that we understand.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) filename: String,
    pub(super) content_type: Option<String>,
    pub(super) declared_hash: Option<ContentHash>,
}

impl<S: Send + Sync> FromRequestParts<S> for Tus {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match parts.headers.get(RESUMABLE) {
            Some(version) if version == VERSION => Ok(Self),
            sent => {
                let detail = match sent.and_then(|version| version.to_str().ok()) {
                    Some(version) => format!("version {version} of tus is not spoken here"),
                    None => "the header Tus-Resumable is missing".to_owned(),
                };
                let status = StatusCode::PRECONDITION_FAILED;
                Err(ApiError::client(status, "unsupported_tus_version", detail)
                    .header(VERSIONS, VERSION)
                    .hint(format!("send `Tus-Resumable: {VERSION}`")))
            }
        }
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for Tus {
    type Rejection = ApiError;

    /// Reading as JSON needs no protocol, but a wrong version is one.
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, ApiError> {
        if parts.headers.contains_key(RESUMABLE) || parts.method == http::Method::HEAD {
            return <Self as FromRequestParts<S>>::from_request_parts(parts, state).await.map(Some);
        }
        Ok(None)
    }
}

/// What the server can do, for `OPTIONS`.
pub(super) fn abilities(max_bundle_bytes: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let extensions = "creation,creation-with-upload,checksum,termination,expiration";
    headers.insert(VERSIONS, HeaderValue::from_static(VERSION));
    headers.insert(EXTENSION, HeaderValue::from_static(extensions));
    headers.insert(MAX_SIZE, HeaderValue::from(max_bundle_bytes));
    headers.insert(CHECKSUM_ALGORITHM, HeaderValue::from_static(ALGORITHM));
    headers
}

/// Where an upload is and how far.
pub(super) fn state_of(upload: &Upload) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(OFFSET, HeaderValue::from(upload.offset));
    headers.insert(LENGTH, HeaderValue::from(upload.length));
    // An intermediary that kept an offset would make a client send bytes twice.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(expires) = http_date(upload.expires_at) {
        headers.insert(EXPIRES, expires);
    }
    headers
}

fn http_date(at: Timestamp) -> Option<HeaderValue> {
    let text = DateTimePrinter::new().timestamp_to_rfc9110_string(&at).ok()?;
    HeaderValue::try_from(text).ok()
}

/// `Upload-Length`, which a client must know: bundles are files.
pub(super) fn length(headers: &HeaderMap) -> Result<u64, ApiError> {
    number(headers, &LENGTH).map_err(|error| error.hint("send the size of the bundle in bytes"))
}

/// `Upload-Offset`.
pub(super) fn offset(headers: &HeaderMap) -> Result<u64, ApiError> {
    number(headers, &OFFSET).map_err(|error| error.hint("ask for the offset with HEAD"))
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Result<u64, ApiError> {
    let text = headers.get(name).and_then(|value| value.to_str().ok());
    // Digits only: `parse` would also take a sign.
    let plain = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    plain
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| ApiError::malformed(format!("the header {name} is no number of bytes")))
}

/// Whether the body is a part, by its media type.
pub(super) fn is_part(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|sent| sent == PART)
}

/// Refuses a body of another media type: a form or JSON must not become bytes of a bundle.
pub(super) fn check_part(headers: &HeaderMap) -> Result<(), ApiError> {
    if is_part(headers) {
        return Ok(());
    }
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let detail = format!("the body of a part has the media type {PART}");
    Err(ApiError::client(status, "unsupported_media_type", detail)
        .hint(format!("send `Content-Type: {PART}`")))
}

/// `Upload-Checksum: sha256 <base64>`, if there is one.
pub(super) fn checksum(headers: &HeaderMap) -> Result<Option<[u8; 32]>, ApiError> {
    let Some(value) = headers.get(CHECKSUM) else { return Ok(None) };
    let refused = |detail: &str| {
        ApiError::malformed(detail)
            .header(CHECKSUM_ALGORITHM, ALGORITHM)
            .hint("send `Upload-Checksum: sha256 ` and the base64 of the digest of the part")
    };
    let text = value.to_str().unwrap_or_default();
    let Some((algorithm, digest)) = text.split_once(' ') else {
        return Err(refused("Upload-Checksum is not an algorithm and a digest"));
    };
    if algorithm != ALGORITHM {
        return Err(refused("Upload-Checksum names an algorithm that is not spoken here"));
    }
    let digest = STANDARD.decode(digest).ok().and_then(|bytes| bytes.try_into().ok());
    digest.map(Some).ok_or_else(|| refused("Upload-Checksum is not the base64 of 32 bytes"))
}

/// `Upload-Metadata`: keys and base64 values. What we do not know is left alone.
pub(super) fn metadata(headers: &HeaderMap) -> Result<Metadata, ApiError> {
    let mut found = Metadata::default();
    let Some(line) = headers.get(METADATA) else { return Ok(found) };
    let malformed = || ApiError::malformed("Upload-Metadata is not a list of keys and base64");
    let line = line.to_str().map_err(|_| malformed())?;
    for pair in line.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
        let value = STANDARD.decode(value.trim()).map_err(|_| malformed())?;
        if value.len() > MAX_METADATA_BYTES {
            let (what, limit) = (format!("the metadata `{key}`"), MAX_METADATA_BYTES as u64);
            return Err(ApiError::too_large(&what, limit, Some(value.len() as u64)));
        }
        let value = String::from_utf8(value).map_err(|_| malformed())?;
        match key {
            "filename" => found.filename = value,
            "filetype" if !value.is_empty() => found.content_type = Some(value),
            "sha256" => found.declared_hash = Some(declared_hash(&value)?),
            _ => {}
        }
    }
    Ok(found)
}

/// With the prefix of a content hash, or as `sha256sum` prints it.
fn declared_hash(text: &str) -> Result<ContentHash, ApiError> {
    let prefixed = if text.contains(':') { text.to_owned() } else { format!("sha256:{text}") };
    prefixed.parse().map_err(|_| {
        ApiError::malformed("the metadata `sha256` is not 64 lower case hex digits")
            .hint("send the base64 of what `sha256sum` prints")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let value = HeaderValue::from_str(value).unwrap();
        HeaderMap::from_iter([(HeaderName::from_static(name), value)])
    }

    #[test]
    fn metadata_is_keys_and_base64_and_unknown_keys_are_left_alone() {
        let hash = ContentHash::of(b"abc");
        let line = format!(
            "filename {}, sha256 {},filetype YQ==,note,other eA==",
            STANDARD.encode("hello.tar.zst"),
            STANDARD.encode(hash.hex()),
        );

        let found = metadata(&headers(METADATA, &line)).unwrap();

        let filename = "hello.tar.zst".to_owned();
        let content_type = Some("a".to_owned());
        assert_eq!(found, Metadata { filename, content_type, declared_hash: Some(hash) });
    }

    #[test]
    fn metadata_that_is_not_base64_or_no_hash_is_refused() {
        for line in ["filename %", "sha256 YWJj", "filename /w=="] {
            let refused = metadata(&headers(METADATA, line)).unwrap_err();
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{line}");
        }
    }

    #[test]
    fn a_number_has_only_digits() {
        assert_eq!(length(&headers("upload-length", "12")).unwrap(), 12);
        for text in ["", "+1", "-1", "1e3", "99999999999999999999"] {
            assert!(length(&headers("upload-length", text)).is_err(), "{text}");
        }
    }

    #[test]
    fn a_checksum_is_sha256_and_32_bytes() {
        let digest = STANDARD.encode([7; 32]);
        let line = format!("sha256 {digest}");
        assert_eq!(checksum(&headers(CHECKSUM, &line)).unwrap(), Some([7; 32]));
        for line in [format!("sha1 {digest}"), "sha256 YWJj".to_owned(), "sha256".to_owned()] {
            assert!(checksum(&headers(CHECKSUM, &line)).is_err(), "{line}");
        }
    }
}
