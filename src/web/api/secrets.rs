//! `/api/v1/installs/{id}/secrets` and `/api/v1/master-key`. No answer has a value in it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::app::secrets::{BindingRequest, SecretRequest};
use crate::model::{InstallId, Principal, SecretFacts};
use crate::web::confidential::ConfidentialJson;
use crate::web::error::ApiError;
use crate::web::extract::Path;

/// The body of `PUT /api/v1/installs/{id}/secrets/{key}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetSecretRequest {
    value: SecretString,
    expires_at: Option<Timestamp>,
    /// Where it goes without the extension reading it. Absent: those of the value before stay;
    /// empty: the extension reads it.
    hosts: Option<Vec<String>>,
    /// In which header, as `authorization: Bearer {secret}`.
    header: Option<String>,
}

/// The secrets of an install.
#[derive(Debug, Serialize)]
pub(crate) struct SecretsResponse {
    secrets: Vec<SecretResponse>,
}

/// What may be shown of a secret.
#[derive(Debug, Serialize)]
pub(crate) struct SecretResponse {
    #[serde(flatten)]
    facts: SecretFacts,
    expired: bool,
}

/// What changing the master key did.
#[derive(Debug, Serialize)]
pub(crate) struct RotatedResponse {
    key_id: String,
    data_keys: usize,
}

impl SecretResponse {
    fn new(facts: SecretFacts, now: Timestamp) -> Self {
        Self { expired: facts.is_expired(now), facts }
    }
}

/// Lists names and dates.
pub(crate) async fn list_secrets(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path(id): Path<InstallId>,
) -> Result<Json<SecretsResponse>, ApiError> {
    let (found, now) = (app.list_secrets(&principal, id).await?, app.clock.now());
    let secrets = found.into_iter().map(|facts| SecretResponse::new(facts, now)).collect();
    Ok(Json(SecretsResponse { secrets }))
}

/// Keeps a value: 201 new, 200 in place of another.
pub(crate) async fn set_secret(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path((id, name)): Path<(InstallId, String)>,
    ConfidentialJson(body): ConfidentialJson<SetSecretRequest>,
) -> Result<(StatusCode, Json<SecretResponse>), ApiError> {
    let SetSecretRequest { value, expires_at, hosts, header } = body;
    let binding = BindingRequest { hosts, header };
    let request = SecretRequest { name, value, expires_at, binding };
    let kept = app.set_secret(&principal, id, request).await?;
    let status = if kept.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(SecretResponse::new(kept.facts, app.clock.now()))))
}

/// Removes a secret.
pub(crate) async fn delete_secret(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path((id, name)): Path<(InstallId, String)>,
) -> Result<StatusCode, ApiError> {
    app.remove_secret(&principal, id, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes the master key of the appliance.
pub(crate) async fn rotate_master_key(
    State(app): State<Arc<App>>,
    principal: Principal,
) -> Result<Json<RotatedResponse>, ApiError> {
    let rotated = app.rotate_master_key(&principal).await?;
    let (key_id, data_keys) = (rotated.key_id.to_string(), rotated.data_keys);
    Ok(Json(RotatedResponse { key_id, data_keys }))
}
