//! `/api/v1/tokens`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::app::tokens::TokenRequest;
use crate::model::{ClaimedUser, Principal, Scope, TenantId, Token, TokenId, UserClaims};
use crate::web::error::ApiError;
use crate::web::extract::{JsonBody, Path};

/// The body of `POST /api/v1/tokens`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateTokenRequest {
    name: String,
    scopes: Vec<Scope>,
    /// Absent: the caller's own.
    tenant: Option<TenantId>,
    /// Days until it expires; absent: `auth.token_default_days`.
    days: Option<u32>,
    /// Whom it stands for when it calls extensions; absent: nobody.
    user: Option<ClaimedUser>,
}

/// A token without anything secret.
#[derive(Debug, Serialize)]
pub(crate) struct TokenResponse {
    id: TokenId,
    name: String,
    tenant: TenantId,
    scopes: Vec<Scope>,
    created_at: Timestamp,
    created_by: String,
    expires_at: Timestamp,
    last_used_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<UserClaims>,
}

/// A new token; `token` is shown this once.
#[derive(Serialize)]
pub(crate) struct CreatedTokenResponse {
    token: String,
    #[serde(flatten)]
    row: TokenResponse,
}

/// Every token of the caller's tenant.
#[derive(Debug, Serialize)]
pub(crate) struct TokensResponse {
    tokens: Vec<TokenResponse>,
}

impl From<Token> for TokenResponse {
    fn from(token: Token) -> Self {
        let Token {
            id,
            name,
            tenant,
            scopes,
            created_at,
            created_by,
            expires_at,
            last_used_at,
            user,
            ..
        } = token;
        Self { id, name, tenant, scopes, created_at, created_by, expires_at, last_used_at, user }
    }
}

/// Lists tokens.
pub(crate) async fn list_tokens(
    State(app): State<Arc<App>>,
    principal: Principal,
) -> Result<Json<TokensResponse>, ApiError> {
    let tokens = app.list_tokens(&principal).await?;
    Ok(Json(TokensResponse { tokens: tokens.into_iter().map(Into::into).collect() }))
}

/// Makes a token.
pub(crate) async fn create_token(
    State(app): State<Arc<App>>,
    principal: Principal,
    JsonBody(body): JsonBody<CreateTokenRequest>,
) -> Result<(StatusCode, Json<CreatedTokenResponse>), ApiError> {
    let CreateTokenRequest { name, scopes, tenant, days, user } = body;
    let tenant = tenant.unwrap_or_else(|| principal.tenant());
    let request = TokenRequest { name, tenant, scopes, days, user };
    let created = app.create_token(&principal, request).await?;
    let token = created.secret.expose_secret().to_owned();
    Ok((StatusCode::CREATED, Json(CreatedTokenResponse { token, row: created.token.into() })))
}

/// Revokes a token at once.
pub(crate) async fn revoke_token(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    app.revoke_token(&principal, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
