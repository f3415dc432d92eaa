//! `PUT /api/ext-bundles/uploads/{id}?…&signature=…`: the address that
//! `initiate-upload` gives out.
//!
//! There is one handler and one function that decides, on everything the
//! request says: what was not signed is refused, and not ignored.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::receiving::{Unreceived, receive};
use crate::app::App;
use crate::app::uploads::{AddressError, UploadAddress};
use crate::model::Principal;
use crate::web::error::ApiError;

/// The path before the id of the upload.
const PATH: &str = "/api/ext-bundles/uploads/";

/// An address in full, as it is given out.
pub(super) fn url(app: &App, address: &UploadAddress) -> String {
    let target = target(&Method::PUT, &path(address));
    let signature = app.sign_upload_address(&target, address);
    format!("{}{}?{}", app.public_origin(), path(address), query(address, &signature))
}

/// Who a request to a signed address acts for.
pub(in crate::web) fn open(app: &App, request: &Request) -> Result<Principal, ApiError> {
    let headers = request.headers();
    // Two ways to say who one is are two readings of one request.
    let foreign = |name: &http::HeaderName| {
        *name == header::AUTHORIZATION || name == "x-api-key" || name.as_str().starts_with("x-amz-")
    };
    if let Some(name) = headers.keys().find(|name| foreign(name)) {
        return Err(refused(&format!("this address does not go with the header `{name}`")));
    }
    if headers.get(header::IF_NONE_MATCH) != Some(&HeaderValue::from_static("*")) {
        return Err(refused("this address goes with the header `if-none-match: *`"));
    }
    let (address, signature) = read(request).ok_or(AddressError::Forged)?;
    let target = target(request.method(), request.uri().path());
    Ok(app.open_upload_address(&target, &address, &signature)?)
}

/// Takes the bundle that the address was given out for.
pub(in crate::web) async fn send_bundle(
    State(app): State<Arc<App>>,
    principal: Principal,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let (address, _) = read(&request).ok_or(AddressError::Forged)?;
    let UploadAddress { upload: id, length, declared_hash, .. } = address;
    check_length(request.headers(), length)?;
    let checksum = declared_hash.map(|hash| *hash.as_bytes());
    let received = receive(&app, &principal, id, request.into_body(), checksum).await;
    received.map(|()| StatusCode::OK).map_err(|error| match error {
        Unreceived::Length { said, found } => length_mismatch(said, found),
        Unreceived::Used => used(),
        Unreceived::Broken => {
            ApiError::malformed("the bundle broke off").hint("ask for a new address")
        }
        Unreceived::HashMismatch => {
            let detail = "the bundle that arrived does not have the declared hash";
            ApiError::client(StatusCode::BAD_REQUEST, "HASH_MISMATCH", detail)
        }
        Unreceived::Other(error) => error,
    })
}

/// What a request to a signed address says; `None` unless it is spelled as it was given out.
fn read(request: &Request) -> Option<(UploadAddress, String)> {
    let raw = request.uri().query()?;
    let mut found = raw.split('&').map(|pair| pair.split_once('='));
    let mut next = |wanted: &str| {
        let (name, value) = found.next()??;
        (name == wanted).then_some(value)
    };
    let expires_at = next("expires")?.parse().ok()?;
    let length = next("length")?.parse().ok()?;
    let declared_hash = match next("sha256")? {
        "" => None,
        hex => Some(format!("sha256:{hex}").parse().ok()?),
    };
    let token = next("token")?.parse().ok()?;
    let signature = next("signature")?.to_owned();
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let address = UploadAddress {
        upload: request.uri().path().strip_prefix(PATH)?.parse().ok()?,
        token,
        expires_at,
        length,
        declared_hash,
        content_type: text(header::CONTENT_TYPE).unwrap_or_default().to_owned(),
        cache_control: text(header::CACHE_CONTROL).map(str::to_owned),
    };
    // Written again it is the same: nothing was added, left out, or said twice.
    (query(&address, &signature) == raw).then_some((address, signature))
}

fn path(address: &UploadAddress) -> String {
    format!("{PATH}{}", address.upload)
}

fn query(address: &UploadAddress, signature: &str) -> String {
    let UploadAddress { token, expires_at, length, declared_hash, .. } = address;
    let hash = declared_hash.map(|hash| hash.hex()).unwrap_or_default();
    format!(
        "expires={expires_at}&length={length}&sha256={hash}&token={token}&signature={signature}"
    )
}

fn target(method: &Method, path: &str) -> String {
    format!("{method} {path}")
}

fn check_length(headers: &HeaderMap, length: u64) -> Result<(), ApiError> {
    let Some(said) = headers.get(header::CONTENT_LENGTH) else { return Ok(()) };
    match said.to_str().ok().and_then(|said| said.parse::<u64>().ok()) {
        Some(said) if said == length => Ok(()),
        said => Err(length_mismatch(length, said.unwrap_or_default())),
    }
}

fn length_mismatch(length: u64, found: u64) -> ApiError {
    let detail = format!("this address is for {length} bytes, and the body has {found}");
    ApiError::client(StatusCode::BAD_REQUEST, "LENGTH_MISMATCH", detail)
        .hint("ask for a new address with the right size")
}

fn used() -> ApiError {
    let detail = "this address has been used: it is good for one bundle";
    ApiError::client(StatusCode::PRECONDITION_FAILED, "ADDRESS_USED", detail)
        .hint("ask for a new address")
}

fn refused(detail: &str) -> ApiError {
    ApiError::client(StatusCode::FORBIDDEN, "ADDRESS_REFUSED", detail)
        .hint("send exactly what `initiate-upload` said")
}

impl From<AddressError> for ApiError {
    fn from(error: AddressError) -> Self {
        let detail = error.to_string();
        match error {
            AddressError::Forged => refused(&detail),
            AddressError::Expired(_) => {
                Self::client(StatusCode::FORBIDDEN, "ADDRESS_EXPIRED", detail)
                    .hint("ask for a new address")
            }
            AddressError::TokenGone => {
                Self::client(StatusCode::FORBIDDEN, "ADDRESS_REFUSED", detail)
                    .hint("ask for a new address with another token")
            }
        }
    }
}
