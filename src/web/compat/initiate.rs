//! `POST /api/ext-bundles/initiate-upload`: an address to send a bundle to.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderValue;
use serde_json::{Value, json};

use super::json_body::JsonObject;
use super::{signed_address, staging_key};
use crate::app::App;
use crate::app::uploads::{ADDRESS_LIFE, NewUpload, UploadAddress};
use crate::model::{ContentHash, Principal, Upload};
use crate::web::error::ApiError;

const DEFAULT_CONTENT_TYPE: &str = "application/octet-stream";

/// The headers that the sender of the bundle is told to send.
struct Headers {
    content_type: String,
    cache_control: Option<String>,
}

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
    let headers = Headers::read(&body)?;
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
    if let Some(upload) = app.initiate_upload(&principal, new).await? {
        answer["upload"] = presigned(&app, &principal, &upload, declared_hash, headers)?;
    } else {
        answer["upload"] = Value::Null;
        answer["exists"] = true.into();
    }
    Ok(Json(answer))
}

impl Headers {
    fn read(body: &JsonObject) -> Result<Self, ApiError> {
        let check = |name: &str, value: &str| {
            if HeaderValue::from_str(value).is_ok() && value == value.trim() && !value.is_empty() {
                Ok(value.to_owned())
            } else {
                Err(ApiError::malformed(format!("`{name}` cannot be the value of a header")))
            }
        };
        let content_type = body.text("contentType")?.unwrap_or(DEFAULT_CONTENT_TYPE);
        let cache_control = body.text("cacheControl")?;
        Ok(Self {
            content_type: check("contentType", content_type)?,
            cache_control: cache_control.map(|v| check("cacheControl", v)).transpose()?,
        })
    }
}

fn presigned(
    app: &App,
    principal: &Principal,
    upload: &Upload,
    declared_hash: Option<ContentHash>,
    headers: Headers,
) -> Result<Value, ApiError> {
    let Principal::Token(token) = principal else {
        return Err(ApiError::forbidden("addresses are given out to tokens only"));
    };
    let mut required = json!({ "content-type": headers.content_type, "if-none-match": "*" });
    if let Some(cache_control) = &headers.cache_control {
        required["cache-control"] = cache_control.as_str().into();
    }
    let address = UploadAddress {
        upload: upload.id,
        token: token.id.clone(),
        expires_at: (app.clock.now() + ADDRESS_LIFE).as_second(),
        length: upload.length,
        declared_hash,
        content_type: headers.content_type,
        cache_control: headers.cache_control,
    };
    Ok(json!({
        "key": staging_key::of(upload.id),
        "url": signed_address::url(app, &address),
        "method": "PUT",
        "expiresSeconds": ADDRESS_LIFE.as_secs(),
        "requiredHeaders": required,
        "strategy": "staging",
    }))
}
