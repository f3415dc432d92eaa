//! Changing an install's settings, held against the manifest's JSON Schema.

use serde_json::{Map, Value};

use super::install::InstallError;
use super::{App, Denied};
use crate::model::{AuditAction, Install, InstallId, ManifestProblem, Principal, ScopeKind};

/// The most bytes of settings of one install, as JSON.
const MAX_SETTINGS_BYTES: usize = 64 * 1024;

/// Why settings were not changed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureError {
    #[error("{0} declares no settings")]
    NoSettings(String),
    #[error("the settings are {found} bytes; {limit} are allowed")]
    TooLarge { found: usize, limit: usize },
    #[error("the settings do not fit the extension's schema")]
    Invalid(Vec<ManifestProblem>),
    #[error(transparent)]
    Install(#[from] InstallError),
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
        let manifest = &live.version.manifest;
        if manifest.settings.is_none() {
            return Err(ConfigureError::NoSettings(live.install.name.to_string()));
        }
        let found = serde_json::to_vec(&settings).map_or(usize::MAX, |bytes| bytes.len());
        if found > MAX_SETTINGS_BYTES {
            return Err(ConfigureError::TooLarge { found, limit: MAX_SETTINGS_BYTES });
        }
        manifest.check_settings(&settings).map_err(ConfigureError::Invalid)?;
        let change = move |install: &mut Install| {
            let differs = install.settings != settings;
            install.settings = settings;
            differs
        };
        Ok(self.change_install(principal, AuditAction::SettingsChanged, id, change).await?)
    }
}
