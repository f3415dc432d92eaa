//! Who existing clients are: a token in `x-api-key`, and the tenant they name.

use axum::http::{HeaderMap, StatusCode, header};

use crate::app::App;
use crate::app::dispatch::Caller;
use crate::model::Principal;
use crate::web::error::ApiError;
use crate::web::guard::bearer;

/// A token as existing clients send it. Their `x-alga-admin` has no effect.
pub(in crate::web) fn authenticate(app: &App, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let Some(key) = headers.get("x-api-key") else {
        return match headers.get(header::AUTHORIZATION) {
            Some(value) => bearer(app, headers, value.to_str().unwrap_or_default()),
            None => Ok(Caller::Anonymous),
        };
    };
    let token = key.to_str().ok().and_then(|key| app.authenticate_token(key.trim()));
    match token {
        Some(token) => Ok(Caller::Known(Principal::Token(token))),
        None => Err(ApiError::unknown_token()),
    }
}

/// A tenant is only ever the token's: a client that means another must hear of it.
pub(in crate::web) fn check_tenant(
    principal: &Principal,
    headers: &HeaderMap,
) -> Result<(), ApiError> {
    let own = principal.tenant();
    let mut named = headers.get_all("x-tenant-id").iter();
    if named.all(|named| named == own.as_str()) {
        return Ok(());
    }
    let detail = format!("`x-tenant-id` names another tenant than this token's, {own}");
    Err(ApiError::client(StatusCode::FORBIDDEN, "TENANT_MISMATCH", detail)
        .hint("leave the header out, or use a token of that tenant"))
}
