//! What a start makes ready beside answering.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::{CompileError, Waiting, prepare, warn_of};
use crate::model::ExtensionVersion;
use crate::runner::Runner;
use crate::store::BundleStore;

/// The components of a start.
///
/// They are loaded until `preload_bytes` are used up. From then on each waits for its first
/// call, which loads it; what was never compiled, or for another version of this program,
/// is compiled here, so that few calls have to wait for that. It goes no further than
/// `compiled_bytes`: beyond them, one would be removed for another. Where none are kept on
/// disk, a first call compiles what did not fit.
pub(super) struct Start {
    pub(super) runner: Arc<Runner>,
    pub(super) bundles: BundleStore,
    pub(super) waiting: Waiting,
    pub(super) preload_bytes: u64,
    pub(super) compiled_bytes: u64,
}

impl Start {
    pub(super) async fn prepare(self, versions: Vec<Arc<ExtensionVersion>>) {
        let mut kept = 0;
        for version in versions {
            self.waiting.until_none().await;
            let before = self.kept_bytes(&version).await;
            let expected = before.unwrap_or_default();
            if kept + expected > self.compiled_bytes && self.runner.keeps_compiled() {
                return;
            }
            let loaded = self.runner.loaded_bytes();
            let has_room = loaded < self.preload_bytes && loaded + expected <= self.preload_bytes;
            let was_ready = self.runner.is_ready(&version.content_hash);
            let result = if has_room {
                prepare(&self.runner, &self.bundles, &self.waiting.turns, &version).await
            } else if before.is_none() && self.runner.keeps_compiled() {
                self.compile_for_later(&version).await
            } else {
                Ok(())
            };
            if let Err(error) = result {
                warn_of(&version, &error);
                continue;
            }
            kept += match before {
                Some(bytes) => bytes,
                None => self.kept_bytes(&version).await.unwrap_or_default(),
            };
            // How much one takes is not known before, if it was not kept.
            if before.is_none() && !was_ready && self.runner.loaded_bytes() > self.preload_bytes {
                self.runner.retain(|hash| *hash != version.content_hash);
                if !self.runner.keeps_compiled() {
                    return;
                }
            }
        }
    }

    async fn kept_bytes(&self, version: &ExtensionVersion) -> Option<u64> {
        let (runner, component) = (Arc::clone(&self.runner), version.component()?.sha256);
        spawn_blocking(move || runner.kept_bytes(&component)).await.ok()?
    }

    async fn compile_for_later(&self, version: &ExtensionVersion) -> Result<(), CompileError> {
        let (Some(world), hash) = (version.world, version.content_hash) else { return Ok(()) };
        if self.runner.is_ready(&hash) {
            return Ok(());
        }
        let wasm = self.bundles.component(version).await?;
        Ok(self.runner.compile_for_later(hash, world, wasm).await?)
    }
}
