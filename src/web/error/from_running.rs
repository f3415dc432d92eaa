//! The errors of installs and of what runs and is served of them, as HTTP: every variant named.

use axum::http::{StatusCode, header};

use super::ApiError;
use crate::app::assets::AssetError;
use crate::app::compile::CompileError;
use crate::app::configure::ConfigureError;
use crate::app::dispatch::DispatchError;
use crate::app::idempotency::KeyError;
use crate::app::install::InstallError;
use crate::app::state::KeepingError;
use crate::registry::RegistryError;
use crate::runner::{ExecuteError, PrepareError};
use crate::web::gateway::allow;
use crate::web::gateway::rate_fields::{self, RATELIMIT};

const CONFLICT: StatusCode = StatusCode::CONFLICT;
const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;

impl From<CompileError> for ApiError {
    fn from(error: CompileError) -> Self {
        match error {
            CompileError::Prepare(PrepareError::Stopped) => stopped(),
            CompileError::Prepare(error) => {
                let detail = format!("the component is not usable on this appliance: {error}");
                let hint = match &error {
                    PrepareError::TooCostly(excess) => format!(
                        "ask the publisher for a smaller component, or raise `{}`",
                        excess.setting()
                    ),
                    PrepareError::Compile(_)
                    | PrepareError::Link(_)
                    | PrepareError::NotCompiled
                    | PrepareError::NotLoaded
                    | PrepareError::Stopped => {
                        "ask the publisher for a version built for this appliance's worlds".into()
                    }
                };
                Self::client(UNPROCESSABLE, "component_unusable", detail).hint(hint)
            }
            CompileError::Store(error) => error.into(),
        }
    }
}

/// The log has why, and another try may do.
fn stopped() -> ApiError {
    let detail = PrepareError::Stopped.to_string();
    ApiError::client(StatusCode::SERVICE_UNAVAILABLE, "busy", detail).retry_after(5)
}

impl From<KeepingError> for ApiError {
    fn from(error: KeepingError) -> Self {
        let detail = error.to_string();
        match error {
            KeepingError::UnknownInstall(_) => {
                Self::client(StatusCode::NOT_FOUND, "not_installed", detail)
                    .hint("GET /api/v1/state lists what is kept, also of what is uninstalled")
            }
            KeepingError::Denied(denied) => denied.into(),
            KeepingError::State(cause) => cause.into(),
            KeepingError::Registry(cause) => cause.into(),
        }
    }
}

impl From<InstallError> for ApiError {
    fn from(error: InstallError) -> Self {
        let detail = error.to_string();
        match error {
            InstallError::UnknownVersion { .. } => {
                Self::not_found(detail).hint("publish the version first: `plugboard publish`")
            }
            InstallError::Yanked(_) => Self::client(CONFLICT, "version_yanked", detail)
                .hint("take another version; `plugboard unyank` allows this one again"),
            InstallError::UnknownInstall(_) => {
                Self::client(StatusCode::NOT_FOUND, "not_installed", detail)
            }
            InstallError::AlreadyInstalled { .. } => {
                Self::client(CONFLICT, "already_installed", detail)
                    .hint("use `plugboard upgrade`, or PUT /api/v1/installs/{id}/version")
            }
            InstallError::GrantNotRequested(_) => {
                Self::client(UNPROCESSABLE, "grant_not_requested", detail)
                    .hint("grant only what the manifest lists under `capabilities`")
            }
            InstallError::HostNotRequested(_) => {
                Self::client(UNPROCESSABLE, "host_not_requested", detail)
                    .hint("grant only what the manifest lists under `egress`")
            }
            InstallError::TooManyHosts { .. } => {
                Self::client(UNPROCESSABLE, "too_many_hosts", detail)
                    .hint("name a domain with its sub-domains once, as `*.example.com`")
            }
            InstallError::GrantsGrow(grown) => {
                let hint =
                    "send `confirm: true` when a person has agreed (`--yes` on the command line)";
                Self::client(CONFLICT, "grants_grow", detail).hint(hint).extra("grants", grown)
            }
            InstallError::Changed(_) => Self::client(CONFLICT, "install_changed", detail)
                .hint("look at what it is now, and try again if that is still right"),
            InstallError::NoPrevious(_) => Self::client(CONFLICT, "no_previous_version", detail),
            InstallError::NotPurged(cause) => Self::from(cause)
                .hint("remove it with DELETE /api/v1/installs/{id}/state, or wait for the sweep"),
            InstallError::Compile(error) => error.into(),
            InstallError::Denied(denied) => denied.into(),
            // The version was removed between the look at it and the commit.
            InstallError::Registry(RegistryError::MissingVersion { .. }) => Self::not_found(detail),
            InstallError::Registry(cause) => cause.into(),
        }
    }
}

impl From<ConfigureError> for ApiError {
    fn from(error: ConfigureError) -> Self {
        let detail = error.to_string();
        match error {
            ConfigureError::NoSettings(_) => Self::client(UNPROCESSABLE, "no_settings", detail),
            ConfigureError::TooLarge { limit, .. } => {
                Self::client(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
                    .extra("limit_bytes", limit)
            }
            ConfigureError::Invalid(problems) => {
                Self::client(UNPROCESSABLE, "invalid_settings", detail).extra("problems", problems)
            }
            ConfigureError::Install(error) => error.into(),
        }
    }
}

impl ApiError {
    pub(in crate::web) fn from_dispatch(error: DispatchError) -> Self {
        let detail = error.to_string();
        match error {
            DispatchError::NotInstalled(_) => {
                Self::client(StatusCode::NOT_FOUND, "not_installed", detail)
            }
            DispatchError::Unauthenticated => Self::unauthenticated(detail),
            DispatchError::Forbidden(name) => {
                Self::lacks_scope(&format!("ext:invoke:{name}"), detail)
            }
            DispatchError::CrossSite => Self::cross_site(),
            DispatchError::EndpointNotFound(_) => {
                Self::client(StatusCode::NOT_FOUND, "endpoint_not_found", detail)
                    .hint("an extension answers only what its manifest lists under `api.endpoints`")
            }
            DispatchError::MethodNotAllowed(methods) => {
                Self::client(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
                    .header(header::ALLOW, &allow(&methods))
            }
            DispatchError::NoComponent(_) => {
                Self::client(StatusCode::NOT_FOUND, "endpoint_not_found", detail)
            }
            DispatchError::Preparing(_) => {
                Self::client(StatusCode::SERVICE_UNAVAILABLE, "busy", detail).retry_after(5)
            }
            DispatchError::TooManyCalls(refused) => {
                let setting = refused.policy.setting();
                let mut error = Self::client(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail)
                    .retry_after(refused.retry_after_s)
                    .hint(format!("`{setting}` is how often, `gateway.call_burst_s` how much of it at once"));
                error.headers.extend(rate_fields::refused(&refused).map(|left| (RATELIMIT, left)));
                error
            }
            DispatchError::Key(error) => error.into(),
            DispatchError::Compile(CompileError::Prepare(PrepareError::Stopped)) => stopped(),
            DispatchError::Failing { left_alone, .. } => {
                Self::client(StatusCode::SERVICE_UNAVAILABLE, "extension_failing", detail)
                    .retry_after(left_alone.wait_s())
                    .hint("the page of the extension and the log say why it fails; enabling it again, or another version, begins anew")
            }
            DispatchError::Compile(CompileError::Prepare(error)) => {
                let detail = "the extension's component cannot be used";
                Self::server(StatusCode::BAD_GATEWAY, "extension_failed", detail, error)
            }
            DispatchError::Compile(CompileError::Store(error)) => error.into(),
            DispatchError::Execute(error) => error.into(),
        }
    }
}

impl From<KeyError> for ApiError {
    fn from(error: KeyError) -> Self {
        let detail = error.to_string();
        match error {
            KeyError::Reused => Self::client(UNPROCESSABLE, "idempotency_key_reused", detail)
                .hint("take a new key for a new request; a repeat has the same bytes"),
            KeyError::InUse(_) => {
                Self::client(CONFLICT, "idempotency_key_in_use", detail).retry_after(1)
            }
            KeyError::NotKept => Self::client(CONFLICT, "idempotency_answer_not_kept", detail)
                .hint("it was streamed or too large; ask the extension what came of it"),
        }
    }
}

impl From<ExecuteError> for ApiError {
    fn from(error: ExecuteError) -> Self {
        let detail = error.to_string();
        let failed = |detail: &str, error: ExecuteError| {
            Self::server(StatusCode::BAD_GATEWAY, "extension_failed", detail, error)
        };
        match error {
            ExecuteError::Busy | ExecuteError::NotPrepared => {
                Self::client(StatusCode::SERVICE_UNAVAILABLE, "busy", detail)
                    .retry_after(1)
                    .hint("`runner.slots` is how many calls run at once")
            }
            ExecuteError::InstallBusy | ExecuteError::TenantBusy => {
                Self::client(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail)
                    .retry_after(1)
                    .hint("`runner.slots_per_install` and `runner.slots_per_tenant` are how many calls run at once")
            }
            ExecuteError::Deadline(_)
            | ExecuteError::Idle(_)
            | ExecuteError::RequestTooSlow(_) => {
                Self::client(StatusCode::GATEWAY_TIMEOUT, "extension_timeout", detail)
            }
            ExecuteError::Cpu(_) => {
                Self::client(StatusCode::GATEWAY_TIMEOUT, "extension_timeout", detail)
                    .hint("`runner.cpu_ms` is what one call may use of a processor")
            }
            ExecuteError::CpuSpent { retry_after, .. } => {
                let seconds = retry_after.as_millis().div_ceil(1_000);
                Self::client(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail)
                    .retry_after(u64::try_from(seconds).unwrap_or(u64::MAX))
                    .hint("`runner.cpu_percent_per_install` is what an install may use over time")
            }
            ExecuteError::Memory(_) => {
                failed("the extension needs more memory than it may have", error)
            }
            ExecuteError::Trap(_) => failed("the extension stopped with an error", error),
            ExecuteError::BadResponse(_) => {
                failed("the extension's answer is not well formed", error)
            }
            ExecuteError::ResponseTooLarge { .. } => failed(&detail, error),
            ExecuteError::RequestTooLarge { limit } => Self::too_large("the body", limit, None),
            ExecuteError::RequestBrokeOff(_) => Self::malformed(detail),
            ExecuteError::Gone | ExecuteError::Stopped => Self::internal(error),
        }
    }
}

impl From<AssetError> for ApiError {
    fn from(error: AssetError) -> Self {
        match error {
            AssetError::NotFound => Self::not_found(error.to_string()),
            AssetError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_changes_an_install_while_another_does_is_told_to_look_again() {
        let name = "com.example.reports".parse().unwrap();

        let error = ApiError::from(InstallError::Changed(name));

        assert_eq!((error.status, error.code), (CONFLICT, "install_changed"));
        assert!(error.hint.is_some_and(|hint| hint.contains("look at what it is now")));
    }
}
