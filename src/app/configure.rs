//! Changing an install's settings, held against the manifest's JSON Schema.

use serde_json::{Map, Value};

use super::install::InstallError;
use super::{App, Denied};
use crate::model::{AuditAction, Install, InstallId, Principal, ScopeKind};

/// The most bytes of settings of one install, as JSON.
const MAX_SETTINGS_BYTES: usize = 64 * 1024;

/// Why settings were not changed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureError {
    #[error("{0} declares no settings")]
    NoSettings(String),
    #[error("the settings are {found} bytes; {MAX_SETTINGS_BYTES} are allowed")]
    TooLarge { found: usize },
    #[error("the settings do not fit the extension's schema: {}", .0.iter().map(|p| format!("{}: {}", p.path, p.message)).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<SettingsProblem>),
    /// The manifest's schema was checked at publish, so this is our failure.
    #[error("the extension's schema cannot be used: {0}")]
    Schema(String),
    #[error(transparent)]
    Install(#[from] InstallError),
}

/// One value that does not fit.
#[derive(Clone, Debug, serde::Serialize)]
pub struct SettingsProblem {
    /// A JSON pointer; empty for the settings as a whole.
    pub path: String,
    pub message: String,
}

impl From<Denied> for ConfigureError {
    fn from(denied: Denied) -> Self {
        Self::Install(InstallError::Denied(denied))
    }
}

impl App {
    /// Replaces the settings of an install.
    pub async fn configure(
        &self,
        principal: &Principal,
        id: InstallId,
        settings: Map<String, Value>,
    ) -> Result<Install, ConfigureError> {
        let live = self.own_install(principal, ScopeKind::InstallWrite, id)?;
        let Some(schema) = &live.version.manifest.settings else {
            return Err(ConfigureError::NoSettings(live.install.name.to_string()));
        };
        let found = serde_json::to_vec(&settings).map_or(usize::MAX, |bytes| bytes.len());
        if found > MAX_SETTINGS_BYTES {
            return Err(ConfigureError::TooLarge { found });
        }
        check_settings(schema, &Value::Object(settings.clone()))?;
        let change = move |install: &mut Install| install.settings = settings;
        Ok(self.change_install(principal, AuditAction::SettingsChanged, id, change).await?)
    }
}

/// Holds `settings` against `schema`, and collects everything that does not fit.
fn check_settings(schema: &Value, settings: &Value) -> Result<(), ConfigureError> {
    let validator = jsonschema::validator_for(schema)
        .map_err(|error| ConfigureError::Schema(error.to_string()))?;
    let problems: Vec<_> = validator
        .iter_errors(settings)
        .map(|error| SettingsProblem {
            path: error.instance_path().to_string(),
            message: error.to_string(),
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(ConfigureError::Invalid(problems)) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_value_that_does_not_fit_is_named() {
        let schema = json!({
            "type": "object",
            "properties": {"n": {"type": "integer"}, "s": {"type": "string"}},
            "additionalProperties": false,
        });

        let problems = match check_settings(&schema, &json!({"n": "x", "s": 1})) {
            Err(ConfigureError::Invalid(problems)) => problems,
            other => panic!("{other:?}"),
        };

        let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, ["/n", "/s"]);
        assert!(check_settings(&schema, &json!({"n": 1, "s": "x"})).is_ok());
        assert!(check_settings(&schema, &json!({"other": 1})).is_err());
    }
}
