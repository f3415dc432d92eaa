//! Logs and traces.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

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
        } else if let Some(word) = misspelt_level(&self.log_level) {
            let message = format!(
                "must be error, warn, info, debug, trace or off, or directives as in \
                 `info,extension=off`, not `{word}`"
            );
            findings.add("telemetry.log_level", message);
        }
        self.otlp.check(findings);
    }
}

/// A word that a filter takes for the only target to be logged: as most often none has this
/// name, there would be no line, errors included.
fn misspelt_level(filter: &str) -> Option<&str> {
    let is_directive = |part: &str| part.contains(['=', '[']) || part.contains("::");
    let is_level = |part: &str| part.parse::<LevelFilter>().is_ok();
    filter.split(',').find(|part| !is_directive(part) && !is_level(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(log_level: &str) -> Vec<String> {
        let config =
            TelemetryConfig { log_level: log_level.to_owned(), ..TelemetryConfig::default() };
        let mut findings = Findings::default();
        config.check(&mut findings);
        findings.0.into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn a_word_that_is_no_level_is_a_problem_and_directives_are_none() {
        for (log_level, word) in
            [("warning", "warning"), ("INFOO", "INFOO"), ("info,warning", "warning")]
        {
            let [problem] = &problems(log_level)[..] else { panic!("{log_level}") };
            assert!(problem.ends_with(&format!("as in `info,extension=off`, not `{word}`")));
        }
        // A space would be a part of the name.
        assert_eq!(problems("info, warn").len(), 1);
        for log_level in [
            "",
            "WARN",
            "off",
            "info,extension=off",
            "info,plugboard=debug,",
            "warn,hyper_util::client",
            "info,[request]",
            "error,[request{tenant.id}]=debug",
        ] {
            assert_eq!(problems(log_level), Vec::<String>::new(), "{log_level}");
        }
    }
}
