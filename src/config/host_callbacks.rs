//! The operator's own application, which extensions may ask through the host.

use std::collections::BTreeMap;
use std::path::PathBuf;

use figment::{error::Kind, value::Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Origin, Secret, problems::Findings, secret::read_secret_file, store::web_url};
use crate::model::TenantId;

/// The one table whose keys are not known beforehand.
pub(super) const TENANTS: &str = "host_callbacks.tenants";

/// What a base must be, for the error message.
const MUST_BE_URL: &str = "must be a URL without user, query and fragment, as \
                           `https://app.example.net/api/internal/ext-clients`";
const MUST_BE_TOKEN: &str = "must be letters, digits and signs in one line, without a space";

/// `[host_callbacks]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HostCallbacksConfig {
    /// `UI_PROXY_BASE_URL`: what `ui-proxy` puts its routes behind; empty: there are no routes.
    pub ui_proxy_base_url: String,
    /// The URL that invoices go to, with `/install/<install id>` behind it; empty: refused.
    pub invoicing_url: String,
    /// The URL that clients are read at, with `/install/<install id>` behind it; empty: refused.
    pub clients_url: String,
    /// The URL that services are read at, with `/install/<install id>` behind it; empty: refused.
    pub services_url: String,
    /// What the application knows the appliance by: sent as `x-runner-auth`. Never shown.
    pub token: Secret,
    /// A file that holds the token; or the credential `host_callbacks.token`.
    pub token_file: PathBuf,
    /// A PEM file with the authority of the application's certificate, beside those of the system.
    pub ca_file: PathBuf,
    /// `UI_PROXY_TIMEOUT_MS`: milliseconds for all of a call of `ui-proxy`.
    pub ui_proxy_timeout_ms: u64,
    /// Milliseconds for all of a call of the others.
    pub timeout_ms: u64,
    /// Calls at the same time in the whole appliance; others wait, within their time.
    pub parallel: usize,
    /// `[host_callbacks.tenants.NAME]`: the four URLs and a token for one tenant, in place of these.
    #[schemars(with = "BTreeMap<String, TenantCallbacks>")]
    pub tenants: BTreeMap<TenantId, TenantCallbacks>,
}

/// `[host_callbacks.tenants.NAME]`: what is not set here is refused to that tenant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TenantCallbacks {
    pub ui_proxy_base_url: String,
    pub invoicing_url: String,
    pub clients_url: String,
    pub services_url: String,
    pub token: Secret,
    pub token_file: PathBuf,
}

impl Default for HostCallbacksConfig {
    fn default() -> Self {
        Self {
            ui_proxy_base_url: String::new(),
            invoicing_url: String::new(),
            clients_url: String::new(),
            services_url: String::new(),
            token: Secret::default(),
            token_file: PathBuf::new(),
            ca_file: PathBuf::new(),
            ui_proxy_timeout_ms: 5_000,
            timeout_ms: 30_000,
            parallel: 64,
            tenants: BTreeMap::new(),
        }
    }
}

impl HostCallbacksConfig {
    /// What holds for tenants that have no table of their own.
    pub fn general(&self) -> TenantCallbacks {
        TenantCallbacks {
            ui_proxy_base_url: self.ui_proxy_base_url.clone(),
            invoicing_url: self.invoicing_url.clone(),
            clients_url: self.clients_url.clone(),
            services_url: self.services_url.clone(),
            token: self.token.clone(),
            token_file: self.token_file.clone(),
        }
    }

    /// What holds for a tenant.
    pub fn of(&self, tenant: &TenantId) -> TenantCallbacks {
        self.tenants.get(tenant).cloned().unwrap_or_else(|| self.general())
    }

    /// Reads the `token_file` keys into the tokens they stand for.
    pub(super) fn read_secret_files(&mut self, findings: &mut Findings) {
        let read = read_secret_file(&mut self.token, &self.token_file, "host_callbacks.token");
        if let Err(message) = read {
            findings.add("host_callbacks.token_file", message);
        }
        for (tenant, own) in &mut self.tenants {
            let beside = format!("{TENANTS}.{tenant}.token");
            if let Err(message) = read_secret_file(&mut own.token, &own.token_file, &beside) {
                findings.add(TENANTS, format!("{tenant}.token_file: {message}"));
            }
        }
    }

    pub(super) fn check(&self, findings: &mut Findings) {
        for (key, url) in [
            ("host_callbacks.ui_proxy_base_url", &self.ui_proxy_base_url),
            ("host_callbacks.invoicing_url", &self.invoicing_url),
            ("host_callbacks.clients_url", &self.clients_url),
            ("host_callbacks.services_url", &self.services_url),
        ] {
            findings.expect(is_base(url), key, MUST_BE_URL);
        }
        findings.expect(is_token(&self.token), "host_callbacks.token", MUST_BE_TOKEN);
        for (tenant, own) in &self.tenants {
            for (name, url) in own.urls() {
                if !is_base(url) {
                    findings.add(TENANTS, format!("{tenant}.{name} {MUST_BE_URL}"));
                }
            }
            if !is_token(&own.token) {
                findings.add(TENANTS, format!("{tenant}.token {MUST_BE_TOKEN}"));
            }
        }
    }

    /// The servers that are asked, for whichever tenant. Those that are not set are empty.
    pub(super) fn all_urls(&self) -> Vec<String> {
        let general = self.general();
        let urls = self.tenants.values().chain([&general]).flat_map(TenantCallbacks::urls);
        urls.map(|(_, url)| url.to_owned()).collect()
    }

    /// The servers that get a token in clear, over a network.
    pub(super) fn exposed_origins(&self) -> Vec<String> {
        let general = self.general();
        let with_token = self.tenants.values().chain([&general]).filter(|at| !at.token.is_empty());
        let origins = with_token.flat_map(|at| at.urls().map(|(_, url)| web_url(url)));
        let mut exposed: Vec<_> = origins
            .flatten()
            .map(|url| url.origin().ascii_serialization())
            .filter(|at| at.parse::<Origin>().is_ok_and(|at| !at.is_https() && !at.is_loopback()))
            .collect();
        exposed.sort();
        exposed.dedup();
        exposed
    }
}

impl TenantCallbacks {
    fn urls(&self) -> [(&'static str, &str); 4] {
        [
            ("ui_proxy_base_url", &self.ui_proxy_base_url),
            ("invoicing_url", &self.invoicing_url),
            ("clients_url", &self.clients_url),
            ("services_url", &self.services_url),
        ]
    }
}

fn is_base(url: &str) -> bool {
    url.is_empty() || web_url(url).is_some()
}

/// Whether it can be the value of a header. Empty: none is sent.
fn is_token(token: &Secret) -> bool {
    token.expose().bytes().all(|b| b.is_ascii_graphic())
}

/// What is wrong with a `[host_callbacks.tenants]`. Never what a value was: it may be a token.
pub(super) fn check_tenants(tenants: &Value) -> Result<(), String> {
    const TABLE: &str = "is a table: write [host_callbacks.tenants.NAME]";
    let tenants = tenants.as_dict().ok_or(TABLE)?;
    for (name, table) in tenants {
        name.parse::<TenantId>().map_err(|error| format!("`{name}`: {error}"))?;
        table.as_dict().ok_or(TABLE)?;
        table.deserialize::<TenantCallbacks>().map_err(|error| {
            if let Kind::UnknownField(field, names) = error.kind {
                return format!("{name}.{field} is not a setting: there are {}", names.join(", "));
            }
            format!("{name}: each of its settings must be a text in quotes")
        })?;
    }
    Ok(())
}
