//! Every route, in one table.

use std::sync::Arc;

use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, any, on};

use super::access::Access::{
    self, Always, ApiKey, Endpoint, Metrics, OperatorStepUp, Page, Public, Scope, ScopeStepUp,
    SignedAddress,
};
use super::api::{
    attachments, audit, bundles, downloads, egress, extensions, installs, learning, limits, logs,
    operators, quarantine, removal, schema, secrets, setup, state, tenants, tokens, trust_keys,
    uploads, usage,
};
use super::ext_ui::show_asset;
use super::pages;
use super::{compat, gateway, health, static_files};
use crate::app::App;
use crate::model::ScopeKind::{
    AuditRead, BundlePublish, InstallRead, InstallWrite, TokenWrite, TrustWrite,
};

/// One row of the table.
pub struct Route {
    /// As HTTP spells it; `*` for every method.
    pub method: &'static str,
    pub path: &'static str,
    pub access: Access,
    pub(super) handler: MethodRouter<Arc<App>>,
}

fn route<H, T>(method: &'static str, path: &'static str, access: Access, handler: H) -> Route
where
    H: Handler<T, Arc<App>>,
    T: 'static,
{
    let filter = match method {
        // axum answers HEAD from the GET handler.
        "GET" => MethodFilter::GET,
        "POST" => MethodFilter::POST,
        "PUT" => MethodFilter::PUT,
        "PATCH" => MethodFilter::PATCH,
        "DELETE" => MethodFilter::DELETE,
        "OPTIONS" => MethodFilter::OPTIONS,
        "*" => return Route { method, path, access, handler: any(handler) },
        // The guard knows a row by this text: one it does not mean would pass unguarded.
        _ => unreachable!("{method} is no method of the table"),
    };
    Route { method, path, access, handler: on(filter, handler) }
}

/// Every route of the appliance.
pub fn table() -> Vec<Route> {
    let mut table = serving();
    table.extend(ext_ui());
    table.extend(publishing());
    table.extend(uploading());
    table.extend(calling());
    table.extend(confidences());
    table.extend(versions());
    table.extend(administration());
    table.extend(compatibility());
    table.extend(pages());
    table
}

/// What `server.ext_ui_listen` answers.
pub fn ext_ui() -> Vec<Route> {
    vec![route("GET", "/ext-ui/{name}/{hash}/{*path}", Public, show_asset)]
}

fn serving() -> Vec<Route> {
    vec![
        route("GET", "/healthz", Always, health::show_health),
        route("GET", "/readyz", Always, health::show_readiness),
        route("GET", "/metrics", Metrics, health::show_metrics),
        route("GET", "/static/{*path}", Always, static_files::show_static_file),
        route("*", "/api/ext/{extension}", Endpoint, gateway::dispatch),
        route("*", "/api/ext/{extension}/", Endpoint, gateway::dispatch),
        route("*", "/api/ext/{extension}/{*path}", Endpoint, gateway::dispatch),
        route("*", "/api/ext-proxy/{extension}", Endpoint, gateway::dispatch_proxy),
        route("*", "/api/ext-proxy/{extension}/", Endpoint, gateway::dispatch_proxy),
        route("*", "/api/ext-proxy/{extension}/{*path}", Endpoint, gateway::dispatch_proxy),
    ]
}

fn publishing() -> Vec<Route> {
    vec![
        route("POST", "/api/v1/setup", Always, setup::complete_setup),
        route("GET", "/api/v1/manifest.schema.json", Public, schema::show_manifest_schema),
        route("PUT", "/api/v1/bundles", Scope(BundlePublish), bundles::publish_bundle),
        route("POST", "/api/v1/bundles", Scope(BundlePublish), bundles::publish_bundle_form),
        route("GET", "/api/v1/extensions", Scope(InstallRead), extensions::list_extensions),
        route("GET", "/api/v1/extensions/{name}", Scope(InstallRead), extensions::get_extension),
        route(
            "GET",
            "/api/v1/extensions/{name}/versions/{version}",
            Scope(InstallRead),
            extensions::get_extension_version,
        ),
        route("GET", "/api/v1/installs", Scope(InstallRead), installs::list_installs),
        route("POST", "/api/v1/installs", Scope(InstallWrite), installs::create_install),
        route("GET", "/api/v1/installs/{id}", Scope(InstallRead), installs::get_install),
        route("DELETE", "/api/v1/installs/{id}", Scope(InstallWrite), installs::delete_install),
        route("GET", "/api/v1/state", Scope(InstallRead), state::list_state),
        route("GET", "/api/v1/installs/{id}/state", Scope(InstallWrite), state::export_state),
        route("POST", "/api/v1/installs/{id}/state", Scope(InstallWrite), state::import_state),
        route("DELETE", "/api/v1/installs/{id}/state", Scope(InstallWrite), state::purge_state),
        route("GET", "/api/v1/installs/{id}/logs", Scope(InstallRead), logs::list_lines),
        route("GET", "/api/v1/installs/{id}/usage", Scope(InstallRead), usage::get_install_usage),
        route(
            "POST",
            "/api/v1/installs/{id}/enable",
            Scope(InstallWrite),
            installs::enable_install,
        ),
        route(
            "POST",
            "/api/v1/installs/{id}/disable",
            Scope(InstallWrite),
            installs::disable_install,
        ),
        route(
            "PUT",
            "/api/v1/installs/{id}/version",
            Scope(InstallWrite),
            installs::change_version,
        ),
        route(
            "PUT",
            "/api/v1/installs/{id}/settings",
            Scope(InstallWrite),
            installs::change_settings,
        ),
    ]
}

/// What installs may call.
fn calling() -> Vec<Route> {
    use pages::{egress as page, learning as lesson};
    const HOSTS: &str = "/api/v1/installs/{id}/egress";
    const LEARNING: &str = "/api/v1/installs/{id}/egress/learning";
    const STOP: &str = "/api/v1/installs/{id}/egress/learning/stop";
    const ACCEPT: &str = "/api/v1/installs/{id}/egress/learning/accept";
    const PAGE: &str = "/admin/installs/{id}/egress";
    vec![
        route("GET", HOSTS, Scope(InstallRead), egress::get_install_egress),
        route("PUT", HOSTS, Scope(InstallWrite), egress::grant_hosts),
        route("POST", LEARNING, Scope(InstallWrite), learning::start_learning),
        route("POST", STOP, Scope(InstallWrite), learning::stop_learning),
        route("POST", ACCEPT, Scope(InstallWrite), learning::accept_learned),
        route("GET", PAGE, Page, page::show_egress),
        route("POST", PAGE, Page, page::submit_egress),
        route("POST", "/admin/installs/{id}/egress/learning", Page, lesson::submit_learning),
        route(
            "POST",
            "/admin/installs/{id}/egress/learning/stop",
            Page,
            lesson::submit_learning_stop,
        ),
        route("POST", "/admin/installs/{id}/egress/learning/accept", Page, lesson::submit_learned),
    ]
}

/// Secrets of an install, and the key they are sealed with.
fn confidences() -> Vec<Route> {
    const ALL: &str = "/api/v1/installs/{id}/secrets";
    const ONE: &str = "/api/v1/installs/{id}/secrets/{key}";
    const ROTATE: &str = "/api/v1/master-key/rotate";
    vec![
        route("GET", ALL, Scope(InstallRead), secrets::list_secrets),
        route("PUT", ONE, Scope(InstallWrite), secrets::set_secret),
        route("DELETE", ONE, Scope(InstallWrite), secrets::delete_secret),
        route("POST", ROTATE, OperatorStepUp, secrets::rotate_master_key),
    ]
}

fn uploading() -> Vec<Route> {
    use uploads::presigned;
    vec![
        route("GET", "/api/v1/limits", Scope(BundlePublish), limits::show_limits),
        route("OPTIONS", "/api/v1/uploads", Scope(BundlePublish), uploads::describe_uploads),
        route("GET", "/api/v1/uploads", Scope(BundlePublish), uploads::list_uploads),
        route("POST", "/api/v1/uploads", Scope(BundlePublish), uploads::create_upload),
        route("GET", "/api/v1/uploads/{id}", Scope(BundlePublish), uploads::get_upload),
        route("PATCH", "/api/v1/uploads/{id}", Scope(BundlePublish), uploads::append_upload),
        route("DELETE", "/api/v1/uploads/{id}", Scope(BundlePublish), uploads::abort_upload),
        route(
            "POST",
            "/api/v1/uploads/presigned",
            Scope(BundlePublish),
            presigned::create_presigned_upload,
        ),
        route(
            "GET",
            "/api/v1/uploads/{id}/parts",
            Scope(BundlePublish),
            presigned::list_upload_parts,
        ),
        route(
            "POST",
            "/api/v1/uploads/{id}/parts",
            Scope(BundlePublish),
            presigned::sign_upload_parts,
        ),
        route(
            "POST",
            "/api/v1/uploads/{id}/publish",
            Scope(BundlePublish),
            uploads::publish_upload,
        ),
    ]
}

/// What hangs on one published version.
fn versions() -> Vec<Route> {
    const ONE: &str = "/api/v1/extensions/{name}/versions/{version}";
    const YANK: &str = "/api/v1/extensions/{name}/versions/{version}/yank";
    const UNYANK: &str = "/api/v1/extensions/{name}/versions/{version}/unyank";
    const BUNDLE: &str = "/api/v1/extensions/{name}/versions/{version}/bundle";
    const MANIFEST: &str = "/api/v1/extensions/{name}/versions/{version}/manifest";
    const SIGNATURES: &str = "/api/v1/extensions/{name}/versions/{version}/signatures";
    const SIGNATURE: &str = "/api/v1/extensions/{name}/versions/{version}/signatures/{id}";
    const ATTACHMENTS: &str = "/api/v1/extensions/{name}/versions/{version}/attachments";
    const ATTACHMENT: &str = "/api/v1/extensions/{name}/versions/{version}/attachments/{kind}";
    vec![
        route("DELETE", ONE, Scope(BundlePublish), removal::remove_version),
        route("POST", YANK, Scope(BundlePublish), removal::yank_version),
        route("POST", UNYANK, Scope(BundlePublish), removal::unyank_version),
        route("GET", BUNDLE, Scope(InstallRead), downloads::get_bundle),
        route("GET", MANIFEST, Scope(InstallRead), downloads::get_manifest),
        route("GET", SIGNATURES, Scope(InstallRead), downloads::list_signatures),
        route("POST", SIGNATURES, Scope(BundlePublish), downloads::add_signature),
        route("GET", SIGNATURE, Scope(InstallRead), downloads::get_signature),
        route("GET", ATTACHMENTS, Scope(InstallRead), attachments::list_attachments),
        route("GET", ATTACHMENT, Scope(InstallRead), attachments::get_attachment),
        route("PUT", ATTACHMENT, Scope(BundlePublish), attachments::put_attachment),
        route("DELETE", ATTACHMENT, Scope(BundlePublish), attachments::delete_attachment),
    ]
}

fn administration() -> Vec<Route> {
    vec![
        route("GET", "/api/v1/quarantine", Scope(BundlePublish), quarantine::list_quarantined),
        route(
            "GET",
            "/api/v1/quarantine/{hash}",
            Scope(BundlePublish),
            quarantine::get_quarantined,
        ),
        route(
            "DELETE",
            "/api/v1/quarantine/{hash}",
            Scope(TrustWrite),
            quarantine::delete_quarantined,
        ),
        route(
            "POST",
            "/api/v1/quarantine/{hash}/signatures",
            Scope(BundlePublish),
            quarantine::attach_signatures,
        ),
        route(
            "POST",
            "/api/v1/quarantine/{hash}/approve",
            ScopeStepUp(TrustWrite),
            quarantine::approve_quarantined,
        ),
        route("GET", "/api/v1/trust/keys", Scope(TrustWrite), trust_keys::list_trusted_keys),
        route("POST", "/api/v1/trust/keys", ScopeStepUp(TrustWrite), trust_keys::trust_key),
        route(
            "DELETE",
            "/api/v1/trust/keys/{id}",
            ScopeStepUp(TrustWrite),
            trust_keys::remove_trusted_key,
        ),
        route("GET", "/api/v1/tokens", Scope(TokenWrite), tokens::list_tokens),
        route("POST", "/api/v1/tokens", ScopeStepUp(TokenWrite), tokens::create_token),
        route("DELETE", "/api/v1/tokens/{id}", Scope(TokenWrite), tokens::revoke_token),
        route("GET", "/api/v1/audit", Scope(AuditRead), audit::list_audit_events),
        route("GET", "/api/v1/operators", OperatorStepUp, operators::list_operators),
        route("POST", "/api/v1/operators", OperatorStepUp, operators::create_operator),
        route(
            "PUT",
            "/api/v1/operators/{name}/password",
            OperatorStepUp,
            operators::reset_password,
        ),
        route("GET", "/api/v1/tenants", OperatorStepUp, tenants::list_tenants),
        route("POST", "/api/v1/tenants", OperatorStepUp, tenants::create_tenant),
    ]
}

/// What existing clients call (docs/API.md, "Existing clients").
fn compatibility() -> Vec<Route> {
    const DEBUG: &str = "/api/ext-debug/stream";
    vec![
        route("GET", DEBUG, Scope(InstallRead), compat::stream_debug_events),
        route("POST", DEBUG, Scope(InstallRead), compat::poll_debug_events),
        route("POST", "/api/ext-bundles/upload-proxy", ApiKey(BundlePublish), compat::proxy_bundle),
        route("POST", "/api/ext-bundles/finalize", ApiKey(BundlePublish), compat::finalize_bundle),
        route("POST", "/api/ext-bundles/abort", ApiKey(BundlePublish), compat::abort_bundle),
        route(
            "POST",
            "/api/ext-bundles/initiate-upload",
            ApiKey(BundlePublish),
            compat::initiate_bundle,
        ),
        route("PUT", "/api/ext-bundles/uploads/{id}", SignedAddress, compat::send_bundle),
        route(
            "POST",
            "/api/v1/extensions/install",
            ApiKey(InstallWrite),
            compat::install_extension,
        ),
        route(
            "POST",
            "/api/v1/extensions/uninstall",
            ApiKey(InstallWrite),
            compat::uninstall_extension,
        ),
        route("POST", "/api/v1/extensions/update", ApiKey(InstallWrite), compat::update_extension),
    ]
}

fn pages() -> Vec<Route> {
    use pages::{
        attachments, audit, extension, extensions, installs, open, removal, secrets, setup,
        sign_in, step_up, storage, upload,
    };
    const ATTACHMENTS: &str = "/admin/extensions/{name}/versions/{version}/attachments";
    const YANK: &str = "/admin/extensions/{name}/versions/{version}/yank";
    const UNYANK: &str = "/admin/extensions/{name}/versions/{version}/unyank";
    const REMOVE_SECRET: &str = "/admin/installs/{id}/secrets/{key}/remove";
    const REMOVE: &str = "/admin/extensions/{name}/versions/{version}/remove";
    vec![
        route("GET", "/", Public, sign_in::show_start),
        route("GET", "/setup", Always, setup::show_setup),
        route("POST", "/setup", Always, setup::submit_setup),
        route("GET", "/sign-in", Public, sign_in::show_sign_in),
        route("POST", "/sign-in", Public, sign_in::submit_sign_in),
        route("GET", "/sign-in/{secret}", Public, sign_in::follow_sign_in_link),
        route("POST", "/sign-out", Page, sign_in::submit_sign_out),
        route("GET", "/admin/step-up", Page, step_up::show_step_up),
        route("POST", "/admin/step-up", Page, step_up::submit_step_up),
        route("GET", "/admin/extensions", Page, extensions::show_extensions),
        route("GET", "/admin/extensions/{name}", Page, extension::show_extension),
        route("GET", "/admin/extensions/{name}/versions", Page, extension::show_extension_versions),
        route("GET", "/admin/extensions/{name}/settings", Page, extension::show_extension_settings),
        route("GET", "/admin/extensions/{name}/secrets", Page, secrets::show_extension_secrets),
        route("GET", "/admin/extensions/{name}/logs", Page, pages::logs::show_extension_logs),
        route("GET", "/admin/extensions/{name}/files", Page, extension::show_extension_files),
        route("GET", ATTACHMENTS, Page, attachments::show_attachments),
        route("GET", YANK, Page, removal::confirm_yank),
        route("POST", YANK, Page, removal::submit_yank),
        route("POST", UNYANK, Page, removal::submit_unyank),
        route("GET", REMOVE, Page, removal::confirm_remove),
        route("POST", REMOVE, Page, removal::submit_remove),
        route("GET", "/admin/upload", Page, upload::show_upload),
        route("POST", "/admin/upload", Page, upload::submit_upload),
        route("POST", "/admin/installs", Page, installs::submit_install),
        route("POST", "/admin/installs/{id}/enable", Page, installs::submit_enable),
        route("GET", "/admin/installs/{id}/disable", Page, installs::confirm_disable),
        route("POST", "/admin/installs/{id}/disable", Page, installs::submit_disable),
        route("GET", "/admin/installs/{id}/upgrade", Page, installs::show_upgrade),
        route("POST", "/admin/installs/{id}/upgrade", Page, installs::submit_upgrade),
        route("POST", "/admin/installs/{id}/settings", Page, installs::submit_settings),
        route("POST", "/admin/installs/{id}/secrets", Page, secrets::submit_secret),
        route("GET", REMOVE_SECRET, Page, secrets::confirm_remove_secret),
        route("POST", REMOVE_SECRET, Page, secrets::submit_remove_secret),
        route("GET", "/admin/installs/{id}/uninstall", Page, installs::confirm_uninstall),
        route("POST", "/admin/installs/{id}/uninstall", Page, installs::submit_uninstall),
        route("GET", "/admin/open/{id}", Page, open::show_open),
        route("GET", "/admin/audit", Page, audit::show_audit),
        route("GET", "/admin/storage", Page, storage::show_storage),
    ]
}
