//! Each use case's errors as HTTP: every variant named, so that the compiler
//! asks for a status when one is added.

use axum::http::{StatusCode, header};

use super::ApiError;
use crate::app::Denied;
use crate::app::assets::AssetError;
use crate::app::compile::CompileError;
use crate::app::configure::ConfigureError;
use crate::app::dispatch::DispatchError;
use crate::app::install::InstallError;
use crate::app::operators::OperatorError;
use crate::app::publish::PublishError;
use crate::app::quarantine::QuarantineError;
use crate::app::setup::SetupError;
use crate::app::sign_in::{PasswordError, SignInError};
use crate::app::tenants::TenantError;
use crate::app::tokens::TokenError;
use crate::app::trust::TrustError;
use crate::app::upload::ReceiveError;
use crate::registry::RegistryError;
use crate::runner::ExecuteError;
use crate::store::StoreError;
use crate::trust::{Check, Report};
use crate::web::gateway::allow;

const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        Self::forbidden(denied.to_string())
    }
}

impl From<RegistryError> for ApiError {
    fn from(cause: RegistryError) -> Self {
        Self::registry(cause)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::TooLarge { limit, received } => {
                Self::too_large("a bundle", limit, Some(received)).hint(
                    "ask an operator to raise `store.max_bundle_bytes`, or make the bundle smaller",
                )
            }
            StoreError::StagedFull { .. } => {
                Self::client(StatusCode::INSUFFICIENT_STORAGE, "disk_full", error.to_string()).hint(
                    "delete or decide about quarantined bundles, or raise `store.max_staged_bytes`",
                )
            }
            StoreError::DiskFull { .. } => {
                Self::client(StatusCode::INSUFFICIENT_STORAGE, "disk_full", error.to_string())
                    .hint("free disk space on the appliance")
            }
            StoreError::Integrity { .. } => {
                let detail = "a stored object does not have the content it was stored with";
                Self::server(StatusCode::BAD_GATEWAY, "integrity", detail, error)
            }
            StoreError::NotFound { .. } => {
                let detail = "a stored object is missing";
                Self::server(StatusCode::BAD_GATEWAY, "integrity", detail, error)
            }
            StoreError::InvalidBase { .. } => Self::internal(error),
            StoreError::Unavailable { .. } => {
                let detail = "the bundle store cannot be reached";
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Self::server(status, "storage_unavailable", detail, error).retry_after(5)
            }
        }
    }
}

impl From<ReceiveError> for ApiError {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Broken(_) => Self::malformed(error.to_string()),
            ReceiveError::NotAdmitted(error) => error.into(),
            ReceiveError::Store(error) => error.into(),
        }
    }
}

impl From<PublishError> for ApiError {
    fn from(error: PublishError) -> Self {
        let detail = error.to_string();
        match error {
            PublishError::Rejected(report) => rejected(&report),
            PublishError::NotChecked(report) => {
                let detail = "the bundle could not be checked to the end; nothing was kept";
                Self::client(StatusCode::SERVICE_UNAVAILABLE, "not_checked", detail)
                    .retry_after(5)
                    .hint("send the same bundle again")
                    .extra("report", report)
            }
            PublishError::VersionTaken { .. } => {
                Self::client(StatusCode::CONFLICT, "version_taken", detail)
                    .hint("raise the version in manifest.json; a published version never changes")
            }
            PublishError::ManifestMismatch => {
                Self::client(StatusCode::BAD_REQUEST, "manifest_mismatch", detail)
                    .hint("send the manifest that is in the bundle, or none")
            }
            PublishError::ManifestText(_) => Self::malformed(detail),
            PublishError::VersionRemoved { .. } => {
                Self::client(StatusCode::CONFLICT, "version_removed", detail)
                    .hint("raise the version in manifest.json")
            }
            PublishError::Denied(denied) => denied.into(),
            PublishError::Store(error) => error.into(),
            PublishError::Registry(cause) => cause.into(),
            PublishError::Cancelled(cause) => Self::internal(cause),
        }
    }
}

/// A bad signature is someone's attempt (403); everything else is a bad bundle (422).
fn rejected(report: &Report) -> ApiError {
    let failed = report.failures().next();
    let check = failed.map(|row| row.check);
    let (status, code) = match check {
        Some(Check::Signature | Check::Trust) => (StatusCode::FORBIDDEN, "bad_signature"),
        Some(
            Check::Transport
            | Check::Integrity
            | Check::Archive
            | Check::Manifest
            | Check::Component
            | Check::Policy,
        )
        | None => (UNPROCESSABLE, "invalid_bundle"),
    };
    let found = failed.and_then(|row| row.found.clone()).unwrap_or_default();
    let why = failed.map(|row| row.code.clone()).unwrap_or_default();
    let detail = format!("the bundle is refused: {found} ({why})");
    let error = ApiError::client(status, code, detail).extra("report", report);
    match failed.and_then(|row| row.hint.clone()) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

impl From<QuarantineError> for ApiError {
    fn from(error: QuarantineError) -> Self {
        let detail = error.to_string();
        match error {
            QuarantineError::Unknown(_) => Self::not_found(detail),
            QuarantineError::NoReason => Self::malformed(detail),
            QuarantineError::Publish(error) => error.into(),
            QuarantineError::Store(error) => error.into(),
            QuarantineError::Registry(cause) => cause.into(),
        }
    }
}

impl From<CompileError> for ApiError {
    fn from(error: CompileError) -> Self {
        match error {
            CompileError::Prepare(error) => {
                let detail = format!("the component is not usable on this appliance: {error}");
                Self::client(UNPROCESSABLE, "component_unusable", detail)
                    .hint("ask the publisher for a version built for this appliance's worlds")
            }
            CompileError::Store(error) => error.into(),
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
            InstallError::Yanked(_) => Self::client(StatusCode::CONFLICT, "version_yanked", detail)
                .hint("take another version; `plugboard unyank` allows this one again"),
            InstallError::UnknownInstall(_) => {
                Self::client(StatusCode::NOT_FOUND, "not_installed", detail)
            }
            InstallError::AlreadyInstalled { .. } => {
                Self::client(StatusCode::CONFLICT, "already_installed", detail)
                    .hint("use `plugboard upgrade`, or PUT /api/v1/installs/{id}/version")
            }
            InstallError::GrantNotRequested(_) => {
                Self::client(UNPROCESSABLE, "grant_not_requested", detail)
                    .hint("grant only what the manifest lists under `capabilities`")
            }
            InstallError::GrantsGrow(grown) => Self::client(
                StatusCode::CONFLICT,
                "grants_grow",
                detail,
            )
            .hint("send `confirm: true` when a person has agreed (`--yes` on the command line)")
            .extra("grants", grown),
            InstallError::NoPrevious(_) => {
                Self::client(StatusCode::CONFLICT, "no_previous_version", detail)
            }
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
            ConfigureError::TooLarge { .. } => {
                Self::client(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
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
            DispatchError::Forbidden(_) => Self::forbidden(detail),
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
            DispatchError::Compile(CompileError::Prepare(error)) => {
                let detail = "the extension's component cannot be used";
                Self::server(StatusCode::BAD_GATEWAY, "extension_failed", detail, error)
            }
            DispatchError::Compile(CompileError::Store(error)) => error.into(),
            DispatchError::Execute(error) => error.into(),
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
                Self::client(StatusCode::SERVICE_UNAVAILABLE, "busy", detail).retry_after(1)
            }
            ExecuteError::InstallBusy | ExecuteError::TenantBusy => {
                Self::client(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail).retry_after(1)
            }
            ExecuteError::Deadline(_) => {
                Self::client(StatusCode::GATEWAY_TIMEOUT, "extension_timeout", detail)
            }
            ExecuteError::Memory(_) => {
                failed("the extension needs more memory than it may have", error)
            }
            ExecuteError::Trap(_) => failed("the extension stopped with an error", error),
            ExecuteError::BadResponse(_) => {
                failed("the extension's answer is not well formed", error)
            }
            ExecuteError::ResponseTooLarge { .. } => failed(&detail, error),
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

impl From<PasswordError> for ApiError {
    fn from(error: PasswordError) -> Self {
        let detail = error.to_string();
        match error {
            PasswordError::TooShort(_) | PasswordError::TooLong | PasswordError::TooCommon => {
                Self::client(UNPROCESSABLE, "weak_password", detail)
                    .hint("take four or more words that nobody would put together")
            }
            PasswordError::Busy => {
                Self::client(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail).retry_after(2)
            }
            PasswordError::Hash => Self::internal(error),
            PasswordError::Cancelled(cause) => Self::internal(cause),
        }
    }
}

impl From<SignInError> for ApiError {
    fn from(error: SignInError) -> Self {
        let detail = error.to_string();
        match error {
            SignInError::Wrong => Self::unauthenticated(detail),
            SignInError::TooManyTries { retry_after_s } => {
                Self::client(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail)
                    .retry_after(retry_after_s)
            }
            SignInError::Password(error) => error.into(),
            SignInError::Registry(cause) => cause.into(),
        }
    }
}

impl From<SetupError> for ApiError {
    fn from(error: SetupError) -> Self {
        let detail = error.to_string();
        match error {
            SetupError::Done => Self::client(StatusCode::CONFLICT, "already_set_up", detail)
                .hint("sign in instead"),
            SetupError::WrongToken => Self::unauthenticated(detail)
                .hint("the token is in the log and in `setup-token` in the data folder; a restart makes a new one"),
            SetupError::Password(error) => error.into(),
            SetupError::File(cause) => Self::internal(cause),
            SetupError::Registry(cause) => cause.into(),
        }
    }
}

impl From<OperatorError> for ApiError {
    fn from(error: OperatorError) -> Self {
        let detail = error.to_string();
        match error {
            OperatorError::Exists(_) => {
                Self::client(StatusCode::CONFLICT, "operator_exists", detail)
            }
            OperatorError::Password(error) => error.into(),
            OperatorError::Registry(cause) => cause.into(),
        }
    }
}

impl From<TenantError> for ApiError {
    fn from(error: TenantError) -> Self {
        let detail = error.to_string();
        match error {
            TenantError::Exists(_) => Self::client(StatusCode::CONFLICT, "tenant_exists", detail),
            TenantError::Unknown(_) => Self::not_found(detail),
            TenantError::Registry(cause) => cause.into(),
        }
    }
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        let detail = error.to_string();
        match error {
            TokenError::NoScope | TokenError::BadName | TokenError::BadLifetime { .. } => {
                Self::client(UNPROCESSABLE, "invalid_token_request", detail)
            }
            TokenError::Escalation(_) => Self::forbidden(detail),
            TokenError::Unknown(_) => Self::not_found(detail),
            TokenError::Tenant(error) => error.into(),
            TokenError::Registry(cause) => cause.into(),
        }
    }
}

impl From<TrustError> for ApiError {
    fn from(error: TrustError) -> Self {
        let detail = error.to_string();
        match error {
            TrustError::Key(_) => Self::client(UNPROCESSABLE, "invalid_key", detail)
                .hint("send the public key as `plugboard keygen` wrote it: a PEM block `PUBLIC KEY`, Ed25519"),
            TrustError::NoScope | TrustError::BadName => {
                Self::client(UNPROCESSABLE, "invalid_key_request", detail)
            }
            TrustError::Unknown(_) => Self::not_found(detail)
                .hint("keys of the trust bundle are removed in SIGNING_TRUST_BUNDLE"),
            TrustError::Registry(cause) => cause.into(),
        }
    }
}
