//! The settings: every key, its default, where it can come from.
//!
//! A module takes its own table (`Runner::new(&config.runner)`); this module
//! knows no machine. One file per table of `config.example.toml`; [`load`]
//! puts them together and reports every problem at once.

mod auth;
mod deployment;
mod egress;
mod environment;
mod ext_ui;
mod gateway;
mod host_callbacks;
mod ignored;
mod layer;
mod load;
mod logs;
mod network;
mod origin;
mod otlp;
mod problems;
mod ranges;
mod registry;
mod runner;
mod secret;
mod server;
mod settings;
mod signing;
mod state;
mod store;
mod telemetry;
mod text;
mod uploads;

pub use auth::AuthConfig;
pub use egress::{EgressConfig, InvalidPrivateNetwork, PrivateNetwork};
pub use environment::Environment;
pub use ext_ui::ExtUiConfig;
pub use gateway::GatewayConfig;
pub use host_callbacks::{HostCallbacksConfig, TenantCallbacks};
pub use load::{LoadRequest, Loaded};
pub use logs::LogsConfig;
pub use network::{InvalidNetwork, Network, counted_as};
pub use origin::{InvalidOrigin, Origin};
pub use otlp::OtlpConfig;
pub use problems::{ConfigProblems, Problem};
pub use registry::RegistryConfig;
pub use runner::RunnerConfig;
pub use secret::Secret;
pub use server::{ServerConfig, TlsConfig};
pub use settings::Setting;
pub use signing::{SigningConfig, SigningPolicy};
pub use state::StateConfig;
pub use store::{S3Config, S3Location, StoreConfig};
pub use telemetry::{EXTENSION_TARGET, LogFormat, TelemetryConfig};
pub use uploads::UploadsConfig;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything that can be set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the appliance listens and for whom.
    pub server: ServerConfig,
    /// Sessions, tokens and sign-in.
    pub auth: AuthConfig,
    /// The registry file.
    pub registry: RegistryConfig,
    /// What extensions keep, in a file of its own.
    pub state: StateConfig,
    /// What extensions write to their logs, kept on disk.
    pub logs: LogsConfig,
    /// The bundle store and what a bundle may be.
    pub store: StoreConfig,
    /// What one publisher may send, and how often.
    pub uploads: UploadsConfig,
    /// Whose signatures count.
    pub signing: SigningConfig,
    /// How extensions run.
    pub runner: RunnerConfig,
    /// What extensions may call, and what one call may take.
    pub egress: EgressConfig,
    /// Your own application, which extensions may ask through the appliance.
    pub host_callbacks: HostCallbacksConfig,
    /// Calls to extensions.
    pub gateway: GatewayConfig,
    /// Extension pages.
    pub ext_ui: ExtUiConfig,
    /// Logs and traces.
    pub telemetry: TelemetryConfig,
}

impl Config {
    /// Names and addresses of the servers that the appliance uses itself: it has keys for them,
    /// and extensions reach them as far as it lets them and no further.
    pub fn own_hosts(&self) -> Vec<String> {
        let store = self.store.s3_location().map(|location| location.endpoint);
        let others = [self.store.s3.public_endpoint.clone(), self.telemetry.otlp.endpoint.clone()];
        let urls = store.into_iter().chain(others).chain(self.host_callbacks.all_urls());
        let host = |url: String| {
            let url = store::web_url(&url)?;
            // The dot at the end of a name says only that it is whole.
            Some(url.host_str()?.trim_end_matches('.').to_owned())
        };
        let mut hosts: Vec<_> = urls.filter_map(host).collect();
        hosts.sort();
        hosts.dedup();
        hosts
    }
}
