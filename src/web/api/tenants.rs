//! `/api/v1/tenants`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::model::{Principal, Tenant, TenantId};
use crate::web::error::ApiError;
use crate::web::extract::JsonBody;

/// Every tenant.
#[derive(Debug, Serialize)]
pub(crate) struct TenantsResponse {
    tenants: Vec<Tenant>,
}

/// The body of `POST /api/v1/tenants`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateTenantRequest {
    id: TenantId,
}

/// Lists the tenants.
pub(crate) async fn list_tenants(
    State(app): State<Arc<App>>,
) -> Result<Json<TenantsResponse>, ApiError> {
    Ok(Json(TenantsResponse { tenants: app.list_tenants().await? }))
}

/// Creates a tenant.
pub(crate) async fn create_tenant(
    State(app): State<Arc<App>>,
    principal: Principal,
    JsonBody(body): JsonBody<CreateTenantRequest>,
) -> Result<(StatusCode, Json<Tenant>), ApiError> {
    Ok((StatusCode::CREATED, Json(app.create_tenant(&principal, body.id).await?)))
}
