//! `/api/v1/trust/keys`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::app::trust::TrustRequest;
use crate::model::{KeyId, NameGlob, Principal, TrustedKey};
use crate::web::error::ApiError;
use crate::web::extract::{JsonBody, Path};

/// Every key that counts.
#[derive(Debug, Serialize)]
pub(crate) struct TrustedKeysResponse {
    keys: Vec<TrustedKey>,
}

/// The body of `POST /api/v1/trust/keys`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrustKeyRequest {
    /// A PEM block `PUBLIC KEY`, or the base64 in it.
    public_key: String,
    name: String,
    /// Extension names this key may sign: `*`, a name, or `prefix.*`.
    scopes: Vec<NameGlob>,
}

/// Lists the keys of trust bundle and registry.
pub(crate) async fn list_trusted_keys(
    State(app): State<Arc<App>>,
    principal: Principal,
) -> Result<Json<TrustedKeysResponse>, ApiError> {
    Ok(Json(TrustedKeysResponse { keys: app.list_trusted_keys(&principal)? }))
}

/// Trusts a key.
pub(crate) async fn trust_key(
    State(app): State<Arc<App>>,
    principal: Principal,
    JsonBody(body): JsonBody<TrustKeyRequest>,
) -> Result<(StatusCode, Json<TrustedKey>), ApiError> {
    let TrustKeyRequest { public_key, name, scopes } = body;
    let request = TrustRequest { public_key, name, scopes };
    Ok((StatusCode::CREATED, Json(app.trust_key(&principal, request).await?)))
}

/// Stops trusting a key.
pub(crate) async fn remove_trusted_key(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path(id): Path<KeyId>,
) -> Result<StatusCode, ApiError> {
    app.remove_key(&principal, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
