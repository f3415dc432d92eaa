//! The worlds a component can live in: the one place that tells them apart.

mod absent;
mod extension;
mod wasi;
mod wasi_http;

use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store};
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use super::bindings::ExtensionPre;
use super::error::{CallError, PrepareError};
use super::execution::AnswerLimits;
use super::host::{Host, escape};
use super::invocation::GuestRequest;
use super::reply::Reply;
use super::response::GuestResponse;
use crate::model::TargetWorld;

/// The host functions of each world.
pub(super) struct Worlds {
    extension: Linker<Host>,
    wasi_http: Linker<Host>,
}

/// A compiled component with its imports resolved and its exports found.
pub(super) enum Prepared {
    Extension(ExtensionPre<Host>),
    WasiHttp(ProxyPre<Host>),
}

impl Worlds {
    pub(super) fn new(engine: &Engine) -> wasmtime::Result<Self> {
        let mut wasi_http = Linker::new(engine);
        wasi::add_to_linker(&mut wasi_http)?;
        // Existing extensions are often built with WASI though they need none.
        let mut extension = wasi_http.clone();
        extension::add_to_linker(&mut extension)?;
        Ok(Self { extension, wasi_http })
    }

    /// Proves that a component links.
    pub(super) fn prepare(
        &self,
        engine: &Engine,
        world: TargetWorld,
        component: &Component,
    ) -> Result<Prepared, PrepareError> {
        self.link(engine, world, component).map_err(|error| PrepareError::Link(describe(&error)))
    }

    fn link(
        &self,
        engine: &Engine,
        world: TargetWorld,
        component: &Component,
    ) -> wasmtime::Result<Prepared> {
        let linker = match world {
            TargetWorld::Extension => &self.extension,
            TargetWorld::WasiHttp => &self.wasi_http,
        };
        let instance = absent::complete(engine, linker, component)?.instantiate_pre(component)?;
        Ok(match world {
            TargetWorld::Extension => Prepared::Extension(ExtensionPre::new(instance)?),
            TargetWorld::WasiHttp => Prepared::WasiHttp(ProxyPre::new(instance)?),
        })
    }
}

impl Prepared {
    pub(super) fn world(&self) -> TargetWorld {
        match self {
            Self::Extension(_) => TargetWorld::Extension,
            Self::WasiHttp(_) => TargetWorld::WasiHttp,
        }
    }

    /// Bytes of memory that its machine code and what comes with it take.
    pub(super) fn code_bytes(&self) -> u64 {
        let component = match self {
            Self::Extension(pre) => pre.instance_pre().component(),
            Self::WasiHttp(pre) => pre.instance_pre().component(),
        };
        let image = component.image_range();
        image.end.addr().saturating_sub(image.start.addr()) as u64
    }

    /// Instantiates the component in `store`, and that is all.
    pub(super) async fn instantiate(&self, store: &mut Store<Host>) -> wasmtime::Result<()> {
        match self {
            Self::Extension(pre) => pre.instantiate_async(store).await.map(drop),
            Self::WasiHttp(pre) => pre.instantiate_async(store).await.map(drop),
        }
    }

    /// Instantiates the component in `store` and has it answer `request`; `None` if the
    /// answer has gone to `reply` already, piece by piece.
    pub(super) async fn call(
        &self,
        store: &mut Store<Host>,
        request: Box<GuestRequest>,
        limits: &AnswerLimits,
        reply: &mut Reply,
    ) -> Result<Option<GuestResponse>, CallError> {
        match self {
            Self::Extension(pre) => {
                extension::call(pre, store, request, limits.max_bytes).await.map(Some)
            }
            // It needs much more room, which every call of the other world would keep.
            Self::WasiHttp(pre) => {
                Box::pin(wasi_http::call(pre, store, request, limits, reply)).await
            }
        }
    }
}

/// The chain of causes on one line; names in it are the publisher's.
pub(super) fn describe(error: &wasmtime::Error) -> String {
    escape(&format!("{error:#}")).into_owned()
}
