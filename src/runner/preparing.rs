//! Making components ready: loaded from disk where that was compiled before, else compiled.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;

use super::Runner;
use super::component_cache::Work;
use super::error::PrepareError;
use super::precompiled::{ComponentCounts, Precompiled};
use super::worlds::{self, Prepared};
use crate::model::{ContentHash, FileDigest, StreamHasher, TargetWorld};

/// A component that stays loaded until this is dropped.
pub struct HeldComponent(#[expect(dead_code, reason = "held")] Arc<Prepared>);

impl Runner {
    /// Compiles and links a component, once per hash however many ask at once.
    ///
    /// A caller that gives up does not stop the work.
    pub async fn prepare(
        &self,
        hash: ContentHash,
        world: TargetWorld,
        wasm: Bytes,
    ) -> Result<(), PrepareError> {
        loop {
            let compile = self.compilation(world, wasm.clone());
            match self.components.prepare(hash, Work::Compile, compile).await {
                // Somebody else was looking for it on disk just now, and did not find it.
                Err(PrepareError::NotCompiled) => {}
                // Somebody else compiled it just now, and not to use it.
                Err(PrepareError::NotLoaded) => {
                    if self.load(hash, world, StreamHasher::digest(&wasm).into()).await? {
                        return Ok(());
                    }
                }
                outcome => return outcome,
            }
        }
    }

    /// Compiles a component that [`Runner::load`] is to find, and takes no memory for it.
    pub async fn compile_for_later(
        &self,
        hash: ContentHash,
        world: TargetWorld,
        wasm: Bytes,
    ) -> Result<(), PrepareError> {
        let compile = self.compilation(world, wasm);
        let compile = || compile().and(Err(PrepareError::NotLoaded));
        match self.components.prepare(hash, Work::Compile, compile).await {
            Err(PrepareError::NotLoaded) => Ok(()),
            outcome => outcome,
        }
    }

    /// Loads and links a component that this appliance compiled before, in this process or
    /// an earlier one; says whether there is one. `component` is the hash of its WebAssembly.
    pub async fn load(
        &self,
        hash: ContentHash,
        world: TargetWorld,
        component: FileDigest,
    ) -> Result<bool, PrepareError> {
        let Some(precompiled) = &self.precompiled else { return Ok(false) };
        loop {
            let (engine, worlds) = (self.engine.clone(), Arc::clone(&self.worlds));
            let precompiled = Arc::clone(precompiled);
            let load = move || {
                let component = precompiled.load(&engine, &component);
                worlds.prepare(&engine, world, &component.ok_or(PrepareError::NotCompiled)?)
            };
            match self.components.prepare(hash, Work::Load, load).await {
                Ok(()) => return Ok(true),
                Err(PrepareError::NotCompiled) => return Ok(false),
                // Somebody else compiled it just now, and not to use it.
                Err(PrepareError::NotLoaded) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Bytes on disk of the compiled form of a component, if one of this engine is there.
    /// Reads a few bytes, and blocks for them.
    pub fn kept_bytes(&self, component: &FileDigest) -> Option<u64> {
        self.precompiled.as_ref()?.kept_bytes(component)
    }

    /// Whether compiled components outlive the process.
    pub fn keeps_compiled(&self) -> bool {
        self.precompiled.is_some()
    }

    /// Removes from disk what was compiled of other components; says how many.
    pub fn sweep_compiled(&self, components: &HashSet<FileDigest>) -> io::Result<usize> {
        self.precompiled.as_ref().map_or(Ok(0), |precompiled| precompiled.retain(components))
    }

    /// How often components were made ready since the start of the process.
    pub fn component_counts(&self) -> ComponentCounts {
        let on_disk = |count: fn(&Precompiled) -> u64| {
            self.precompiled.as_deref().map(count).unwrap_or_default()
        };
        ComponentCounts {
            compiled: self.compiled.load(Relaxed),
            loaded: on_disk(Precompiled::loaded),
            refused: on_disk(Precompiled::refused),
        }
    }

    /// Whether an execution of this bundle would start at once.
    pub fn is_ready(&self, hash: &ContentHash) -> bool {
        self.components.get(hash).is_some()
    }

    /// Keeps the component of this bundle from being released; `None` if it is not loaded.
    pub fn hold(&self, hash: &ContentHash) -> Option<HeldComponent> {
        self.components.get(hash).map(HeldComponent)
    }

    /// Waits until a component was loaded since this was last waited for.
    pub async fn until_loaded(&self) {
        self.components.until_ready().await;
    }

    /// Bytes of memory that the component of this bundle takes; `None` if it is not loaded.
    pub fn loaded_bytes_of(&self, hash: &ContentHash) -> Option<u64> {
        self.components.get(hash).map(|component| component.code_bytes())
    }

    /// The same of all that are loaded.
    pub fn loaded_bytes(&self) -> u64 {
        self.components.bytes()
    }

    /// Why this bundle was refused when it was to be made ready last; `None` if that was not
    /// tried yet, goes on, or succeeded.
    pub fn refusal(&self, hash: &ContentHash) -> Option<PrepareError> {
        self.components.refusal(hash)
    }

    /// Drops the loaded components of bundles that nobody wants. What is held, as by executions
    /// under way, stays, and so does what is kept on disk.
    pub fn retain(&self, is_wanted: impl Fn(&ContentHash) -> bool) {
        self.components.retain(is_wanted);
    }

    fn compilation(
        &self,
        world: TargetWorld,
        wasm: Bytes,
    ) -> impl FnOnce() -> Result<Prepared, PrepareError> + Send + use<> {
        let (engine, worlds) = (self.engine.clone(), Arc::clone(&self.worlds));
        let (precompiled, count) = (self.precompiled.clone(), Arc::clone(&self.compiled));
        let compiler = self.compiler.clone();
        move || {
            let code = compiler.compile(&engine, world, &wasm)?;
            count.fetch_add(1, Relaxed);
            let component = code.load(&engine);
            let component =
                component.map_err(|error| PrepareError::Compile(worlds::describe(&error)))?;
            let prepared = worlds.prepare(&engine, world, &component)?;
            if let Some(precompiled) = precompiled {
                precompiled.keep(&StreamHasher::digest(&wasm).into(), &code);
            }
            Ok(prepared)
        }
    }
}
