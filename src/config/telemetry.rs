//! Logs and traces.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use super::{OtlpConfig, problems::Findings};

/// The target of what extensions log, in a filter: `info,extension=off`.
pub const EXTENSION_TARGET: &str = "extension";

/// `[telemetry]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// `human` or `json`.
    pub log_format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or a tracing filter.
    pub log_level: String,
    /// Spans of calls, sent to a collector by OTLP over HTTP.
    pub otlp: OtlpConfig,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        let otlp = OtlpConfig::default();
        Self { log_format: LogFormat::Human, log_level: "info".to_owned(), otlp }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    #[default]
    Human,
    Json,
}

impl TelemetryConfig {
    pub(super) fn check(&self, findings: &mut Findings) {
        if let Err(error) = EnvFilter::try_new(&self.log_level) {
            findings.add("telemetry.log_level", format!("is not a tracing filter: {error}"));
        }
        self.otlp.check(findings);
    }
}
