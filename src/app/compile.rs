//! Compiling components before anybody calls them.

use std::sync::Arc;

use super::App;
use crate::model::ExtensionVersion;
use crate::runner::{PrepareError, Runner};
use crate::store::{BundleStore, StoreError};

/// Why a component is not ready to run.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The component is not usable on this appliance.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// Its bytes could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl App {
    /// Waits until the component of `version` is compiled and linked; at once
    /// for one that is, or that has none.
    pub async fn prepare(&self, version: &ExtensionVersion) -> Result<(), CompileError> {
        prepare(&self.runner, &self.bundles, version).await
    }

    /// Starts to compile the component of `version` and does not wait.
    pub(crate) fn prepare_in_background(&self, version: &Arc<ExtensionVersion>) {
        let (runner, bundles) = (Arc::clone(&self.runner), self.bundles.clone());
        let version = Arc::clone(version);
        tokio::spawn(async move {
            if let Err(error) = prepare(&runner, &bundles, &version).await {
                tracing::warn!(
                    extension.name = %version.name,
                    extension.version = %version.version,
                    "The component of {} {} is not usable: {error}", version.name, version.version,
                );
            }
        });
    }

    /// Compiles what is enabled, so that a restart costs no caller a wait.
    pub fn prepare_enabled(&self) {
        let live = self.registry.live();
        for install in live.installs().filter(|install| install.install.enabled) {
            self.prepare_in_background(&install.version);
        }
    }
}

async fn prepare(
    runner: &Runner,
    bundles: &BundleStore,
    version: &ExtensionVersion,
) -> Result<(), CompileError> {
    let Some(world) = version.world else { return Ok(()) };
    if runner.is_ready(&version.content_hash) {
        return Ok(());
    }
    let wasm = bundles.component(version).await?;
    Ok(runner.prepare(version.content_hash, world, wasm).await?)
}
