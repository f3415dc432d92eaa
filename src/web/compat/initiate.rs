//! `POST /api/ext-bundles/initiate-upload`: an address to send a bundle to.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::json_body::JsonObject;
use super::{signed_address, staging_key};
use crate::app::App;
use crate::app::uploads::{ADDRESS_LIFE, NewUpload, SendTo, UploadAddress};
use crate::model::{Principal, Upload};
use crate::store::{SentAs, SignedRequest};
use crate::web::error::ApiError;

const DEFAULT_CONTENT_TYPE: &str = "application/octet-stream";

/// Gives out an address for one bundle; none when its bytes are published.
pub(in crate::web) async fn initiate_bundle(
    State(app): State<Arc<App>>,
    principal: Principal,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let body = JsonObject::read(body).await?;
    let filename = body.required_text("filename")?;
    let size = body.size(app.config.store.max_bundle_bytes)?;
    let size = size.ok_or_else(|| ApiError::malformed("`size` is missing, in bytes"))?;
    let declared_hash = body.declared_hash()?;
    let sent_as = SentAs {
        content_type: header(&body, "contentType")?
            .unwrap_or(HeaderValue::from_static(DEFAULT_CONTENT_TYPE)),
        cache_control: header(&body, "cacheControl")?,
    };
    let new = NewUpload {
        length: size,
        declared_hash,
        filename: filename.to_owned(),
        content_type: None,
    };
    let mut answer = json!({ "filename": filename, "size": size });
    if let Some(hash) = declared_hash {
        answer["declaredHash"] = hash.hex().into();
    }
    match app.initiate_upload(&principal, new, &sent_as).await? {
        Some((upload, SendTo::Here)) => {
            answer["upload"] = here(&app, &principal, &upload, &sent_as)?;
        }
        Some((upload, SendTo::Store(request))) => answer["upload"] = at_store(&upload, &request),
        None => {
            answer["upload"] = Value::Null;
            answer["exists"] = true.into();
        }
    }
    Ok(Json(answer))
}

/// A member that the sender is to send as a header.
fn header(body: &JsonObject, name: &str) -> Result<Option<HeaderValue>, ApiError> {
    let Some(text) = body.text(name)? else { return Ok(None) };
    let value = HeaderValue::from_str(text).ok();
    // It becomes part of a signature: no spaces that somebody on the way may take off.
    value
        .filter(|_| !text.is_empty() && text == text.trim())
        .map(Some)
        .ok_or_else(|| ApiError::malformed(format!("`{name}` cannot be the value of a header")))
}

/// An address of this appliance.
fn here(
    app: &App,
    principal: &Principal,
    upload: &Upload,
    sent_as: &SentAs,
) -> Result<Value, ApiError> {
    let Principal::Token(token) = principal else {
        return Err(ApiError::forbidden("addresses are given out to tokens only"));
    };
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let content_type = text(&sent_as.content_type);
    let cache_control = sent_as.cache_control.as_ref().map(text);
    let mut required = json!({ "content-type": content_type, "if-none-match": "*" });
    if let Some(cache_control) = &cache_control {
        required["cache-control"] = cache_control.as_str().into();
    }
    let address = UploadAddress {
        upload: upload.id,
        token: token.id.clone(),
        expires_at: (app.clock.now() + ADDRESS_LIFE).as_second(),
        length: upload.length,
        declared_hash: upload.declared_hash,
        content_type,
        cache_control,
    };
    Ok(told(upload, &signed_address::url(app, &address), &required))
}

/// An address of the store.
fn at_store(upload: &Upload, request: &SignedRequest) -> Value {
    let header = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.to_string(), value.to_str().unwrap_or_default().into())
    };
    let required = request.headers.iter().map(header).collect();
    told(upload, &request.url, &Value::Object(required))
}

fn told(upload: &Upload, url: &str, required_headers: &Value) -> Value {
    json!({
        "key": staging_key::of(upload.id),
        "url": url,
        "method": "PUT",
        "expiresSeconds": ADDRESS_LIFE.as_secs(),
        "requiredHeaders": required_headers,
        "strategy": "staging",
    })
}
