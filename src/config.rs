//! The settings: every key, its default, where it can come from.
//!
//! A module takes its own table (`Runner::new(&config.runner)`); this module
//! knows no machine.

mod auth;
mod egress;
mod ext_ui;
mod gateway;
mod registry;
mod runner;
mod server;
mod signing;
mod store;
mod telemetry;

pub use auth::AuthConfig;
pub use egress::EgressConfig;
pub use ext_ui::ExtUiConfig;
pub use gateway::GatewayConfig;
pub use registry::RegistryConfig;
pub use runner::RunnerConfig;
pub use server::{ServerConfig, TlsConfig};
pub use signing::{SigningConfig, SigningPolicy};
pub use store::{S3Config, StoreConfig};
pub use telemetry::{LogFormat, TelemetryConfig};

use serde::{Deserialize, Serialize};

/// Everything that can be set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub server: ServerConfig,
    pub auth: AuthConfig,
    pub registry: RegistryConfig,
    pub store: StoreConfig,
    pub signing: SigningConfig,
    pub runner: RunnerConfig,
    pub egress: EgressConfig,
    pub gateway: GatewayConfig,
    pub ext_ui: ExtUiConfig,
    pub telemetry: TelemetryConfig,
}
