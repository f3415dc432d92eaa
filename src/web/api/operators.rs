//! `/api/v1/operators`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::model::{Operator, OperatorName, Principal};
use crate::web::error::ApiError;
use crate::web::extract::{JsonBody, Path};

/// An operator without the password hash.
#[derive(Debug, Serialize)]
pub(crate) struct OperatorResponse {
    name: OperatorName,
    created_at: Timestamp,
    password_changed_at: Timestamp,
}

/// Every operator.
#[derive(Debug, Serialize)]
pub(crate) struct OperatorsResponse {
    operators: Vec<OperatorResponse>,
}

/// The body of `POST /api/v1/operators`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateOperatorRequest {
    name: OperatorName,
    password: SecretString,
}

/// The body of `PUT /api/v1/operators/{name}/password`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResetPasswordRequest {
    password: SecretString,
}

impl From<Operator> for OperatorResponse {
    fn from(operator: Operator) -> Self {
        let Operator { name, created_at, password_changed_at, .. } = operator;
        Self { name, created_at, password_changed_at }
    }
}

/// Lists the operators.
pub(crate) async fn list_operators(
    State(app): State<Arc<App>>,
) -> Result<Json<OperatorsResponse>, ApiError> {
    let operators = app.list_operators().await?;
    Ok(Json(OperatorsResponse { operators: operators.into_iter().map(Into::into).collect() }))
}

/// Creates an operator.
pub(crate) async fn create_operator(
    State(app): State<Arc<App>>,
    principal: Principal,
    JsonBody(body): JsonBody<CreateOperatorRequest>,
) -> Result<(StatusCode, Json<OperatorResponse>), ApiError> {
    let operator = app.create_operator(principal.actor(), body.name, body.password).await?;
    Ok((StatusCode::CREATED, Json(operator.into())))
}

/// Replaces an operator's password; all their sessions end.
pub(crate) async fn reset_password(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path(name): Path<OperatorName>,
    JsonBody(body): JsonBody<ResetPasswordRequest>,
) -> Result<StatusCode, ApiError> {
    if app.reset_password(principal.actor(), name.clone(), body.password).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::not_found(format!("there is no operator {name}")))
    }
}
