//! `/api/v1/setup`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::model::{OperatorName, Scope};
use crate::web::error::ApiError;
use crate::web::extract::JsonBody;

/// The body: the first operator.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetupRequest {
    operator: OperatorName,
    password: SecretString,
}

/// The first operator, and a token that is shown this once.
#[derive(Serialize)]
pub(crate) struct SetupResponse {
    operator: OperatorName,
    token: String,
    scopes: Vec<Scope>,
    expires_at: Timestamp,
}

/// Sets the appliance up. The Bearer is the setup token.
pub(crate) async fn complete_setup(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<SetupRequest>,
) -> Result<(StatusCode, Json<SetupResponse>), ApiError> {
    let sent = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or_else(|| ApiError::unauthenticated("send the setup token as Bearer"))?;
    let done = app.complete_setup(sent, body.operator, body.password, true).await?;
    let created = done.token.ok_or_else(|| ApiError::internal("set-up made no token"))?;
    let response = SetupResponse {
        operator: done.operator.name,
        token: created.secret.expose_secret().to_owned(),
        scopes: created.token.scopes,
        expires_at: created.token.expires_at,
    };
    Ok((StatusCode::CREATED, Json(response)))
}
