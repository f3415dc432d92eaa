//! Compiling components before anybody calls them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::App;
use super::master_key::MasterKey;
use crate::config::RunnerConfig;
use crate::model::ExtensionVersion;
use crate::runner::{CompiledFolder, PrepareError, Runner, RunnerParts};
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

/// What the runner of an appliance has: `compiler` is this program.
pub fn runner_parts(
    config: &RunnerConfig,
    data_dir: &Path,
    master_key: &MasterKey,
    compiler: PathBuf,
) -> RunnerParts {
    let folder = (config.compiled_bytes > 0).then(|| CompiledFolder {
        path: data_dir.join("cache").join("compiled"),
        key: master_key.derive("plugboard cwasm v1"),
        max_bytes: config.compiled_bytes,
    });
    RunnerParts { folder, compiler: Some(compiler) }
}

impl App {
    /// Waits until the component of `version` is ready: loaded, if it was compiled before,
    /// else compiled. At once for one that is ready, or that has none.
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
    let (Some(world), Some(component)) = (version.world, version.component()) else {
        return Ok(());
    };
    let hash = version.content_hash;
    if runner.is_ready(&hash) || runner.load(hash, world, component.sha256).await? {
        return Ok(());
    }
    let wasm = bundles.component(version).await?;
    Ok(runner.prepare(hash, world, wasm).await?)
}
