//! Compiling components before anybody calls them.

mod start;

use std::cmp::Reverse;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use self::start::Start;
use super::App;
use super::master_key::MasterKey;
use crate::config::RunnerConfig;
use crate::model::{ContentHash, ExtensionVersion};
use crate::registry::Live;
use crate::runner::{CompiledFolder, PrepareError, Runner, RunnerParts, confinement};
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
    RunnerParts { folder, compiler: Some(compiler), ..RunnerParts::default() }
}

/// Says in the log what this kernel does not keep a compiler from.
pub fn note_confinement() {
    if let Some(missing) = confinement().missing() {
        tracing::warn!("{missing}");
    }
}

impl App {
    /// Waits until the component of `version` is ready: loaded, if it was compiled before,
    /// else compiled. At once for one that is ready, or that has none.
    pub async fn prepare(&self, version: &ExtensionVersion) -> Result<(), CompileError> {
        let _waiting = self.waiting.join();
        prepare(&self.runner, &self.bundles, &self.waiting.turns, version).await?;
        self.release_beyond_limit(Some(version.content_hash));
        Ok(())
    }

    /// Starts to compile the component of `version` and does not wait.
    pub(crate) fn prepare_in_background(&self, version: &Arc<ExtensionVersion>) {
        let (runner, bundles) = (Arc::clone(&self.runner), self.bundles.clone());
        let (turns, version) = (Arc::clone(&self.waiting.turns), Arc::clone(version));
        tokio::spawn(async move {
            if let Err(error) = prepare(&runner, &bundles, &turns, &version).await {
                warn_of(&version, &error);
            }
        });
    }

    /// Gives back the memory of components that no tenant has enabled: of versions that are only
    /// published, and of those that were upgraded, disabled, uninstalled or removed. Of the rest
    /// those called last stay, as many as `runner.loaded_bytes` have room for. Where one is
    /// wanted again it is loaded from disk.
    pub fn release_components(&self) {
        self.release_all_but(None);
    }

    /// The same, if those that are loaded have more than `runner.loaded_bytes`. `wanted` stays.
    pub fn release_beyond_limit(&self, wanted: Option<ContentHash>) {
        if self.runner.loaded_bytes() > self.config.runner.loaded_bytes {
            self.release_all_but(wanted);
        }
    }

    /// One that is larger than all the room stays as long as no other is loaded: else it could
    /// never be called.
    fn release_all_but(&self, wanted: Option<ContentHash>) {
        let enabled = in_order_of_use(&self.registry.live());
        let enabled = enabled.into_iter().map(|version| version.content_hash);
        let mut kept = HashSet::new();
        let mut bytes = 0;
        for hash in wanted.into_iter().chain(enabled.filter(|hash| Some(*hash) != wanted)) {
            let Some(own) = self.runner.loaded_bytes_of(&hash) else { continue };
            bytes += own;
            if bytes > self.config.runner.loaded_bytes && !kept.is_empty() {
                break;
            }
            kept.insert(hash);
        }
        self.runner.retain(|hash| kept.contains(hash));
    }

    /// Makes ready what is enabled, in the background and one after the other: what was
    /// called last comes first. See [`Start`].
    pub fn prepare_enabled(&self) {
        let start = Start {
            runner: Arc::clone(&self.runner),
            bundles: self.bundles.clone(),
            waiting: self.waiting.clone(),
            preload_bytes: self.config.runner.preload_bytes.min(self.config.runner.loaded_bytes),
            compiled_bytes: self.config.runner.compiled_bytes,
        };
        tokio::spawn(start.prepare(in_order_of_use(&self.registry.live())));
    }
}

/// Those who wait for a component. A start lets them go first.
#[derive(Clone, Debug)]
pub struct Waiting {
    count: watch::Sender<usize>,
    /// A permit per compilation: who waits for one has not read the component yet.
    turns: Arc<Semaphore>,
}

/// One of them, until it is dropped.
struct Waiter<'a>(&'a Waiting);

impl Waiting {
    /// Nobody waits yet.
    pub fn new(config: &RunnerConfig) -> Self {
        let turns = Arc::new(Semaphore::new(config.compile_threads));
        Self { count: watch::Sender::default(), turns }
    }

    fn join(&self) -> Waiter<'_> {
        self.count.send_modify(|waiting| *waiting += 1);
        Waiter(self)
    }

    /// How many wait.
    pub(super) fn count(&self) -> usize {
        *self.count.borrow()
    }

    async fn until_none(&self) {
        // The sender is ours, so it is there.
        self.count.subscribe().wait_for(|waiting| *waiting == 0).await.ok();
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.count.send_modify(|waiting| *waiting -= 1);
    }
}

/// The versions with a component that some tenant has enabled, each once: what was called
/// last comes first.
fn in_order_of_use(live: &Live) -> Vec<Arc<ExtensionVersion>> {
    let mut installs: Vec<_> = live
        .installs()
        .filter(|install| install.install.enabled && install.version.component().is_some())
        .map(|install| (install.last_use.second(), &install.version))
        .collect();
    // Stable: what was never called stays in the order of tenants and names.
    installs.sort_by_key(|(second, _)| Reverse(*second));
    let mut seen = HashSet::new();
    let each_once = installs.into_iter().filter(|(_, version)| seen.insert(version.content_hash));
    each_once.map(|(_, version)| Arc::clone(version)).collect()
}

fn warn_of(version: &ExtensionVersion, error: &CompileError) {
    tracing::warn!(
        extension.name = %version.name,
        extension.version = %version.version,
        "The component of {} {} is not usable: {error}", version.name, version.version,
    );
}

async fn prepare(
    runner: &Runner,
    bundles: &BundleStore,
    turns: &Arc<Semaphore>,
    version: &ExtensionVersion,
) -> Result<(), CompileError> {
    let (Some(world), Some(component)) = (version.world, version.component()) else {
        return Ok(());
    };
    let hash = version.content_hash;
    if runner.is_ready(&hash) || runner.load(hash, world, component.sha256).await? {
        return Ok(());
    }
    // Everybody who waited for the load comes here, and the first of them does it for all. A
    // refusal that is there before is no answer: who prepares, tries again.
    let was_refused = runner.refusal(&hash).is_some();
    let turn = Arc::clone(turns).acquire_owned().await.expect("the semaphore is never closed");
    if runner.is_ready(&hash) {
        return Ok(());
    }
    if let Some(refusal) = runner.refusal(&hash).filter(|_| !was_refused) {
        return Err(refusal.into());
    }
    let wasm = bundles.component(version).await?;
    Ok(runner.prepare(hash, world, Bytes::from_owner(InTurn(wasm, turn))).await?)
}

/// A component that is compiled. Its turn ends when nobody has its bytes any more: the
/// compilation goes on, and has them, when who asked for it gives up.
struct InTurn(Bytes, #[expect(dead_code, reason = "held")] OwnedSemaphorePermit);

impl AsRef<[u8]> for InTurn {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::model::TargetWorld;

    #[tokio::test]
    async fn a_compilation_that_nobody_waits_for_any_more_keeps_its_turn() {
        let config = RunnerConfig { slots: 8, ..RunnerConfig::default() };
        let runner = Runner::new(&config, RunnerParts::default()).unwrap();
        let turns = Arc::new(Semaphore::new(1));
        let turn = Arc::clone(&turns).try_acquire_owned().unwrap();
        let wasm = Bytes::from_owner(InTurn(Bytes::from_static(b"not a component"), turn));

        let hash = ContentHash::of(b"bundle");
        let given_up = runner.prepare(hash, TargetWorld::Extension, wasm).now_or_never();

        assert_eq!((given_up, turns.available_permits()), (None, 0));
        // It is over.
        drop(turns.acquire().await);
        assert_eq!(turns.available_permits(), 1);
    }

    #[tokio::test]
    async fn a_start_goes_on_when_nobody_waits_any_more() {
        let waiting = Waiting::new(&RunnerConfig::default());
        assert_eq!(waiting.until_none().now_or_never(), Some(()));

        let (first, second) = (waiting.join(), waiting.join());
        let mut going_on = Box::pin(waiting.until_none());
        assert_eq!((&mut going_on).now_or_never(), None);
        drop(first);
        assert_eq!((&mut going_on).now_or_never(), None);
        drop(second);

        assert_eq!(going_on.now_or_never(), Some(()));
    }
}
