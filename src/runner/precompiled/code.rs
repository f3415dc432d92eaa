//! Compiled code that may be executed.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use wasmtime::Engine;
use wasmtime::component::Component;

/// The compiled form of a component, made by our compiler and changed by nobody since.
///
/// Whoever makes one says so: [`Code::load`] relies on it.
pub(in super::super) struct Code(Bytes);

impl Code {
    /// What the compiler made in this process.
    pub(in super::super) fn of_component(component: &Component) -> wasmtime::Result<Self> {
        Ok(Self(component.serialize()?.into()))
    }

    /// What a process of ours wrote that was asked to compile.
    pub(in super::super) fn of_compiler(code: impl Into<Bytes>) -> Self {
        Self(code.into())
    }

    /// What lies in a file that was sealed here, as `Seal::open` found in this very buffer.
    pub(super) fn sealed(buffer: Vec<u8>, range: Range<usize>) -> Self {
        Self(Bytes::from(buffer).slice(range))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The component, ready to be linked. Fails if it is of another engine.
    #[expect(unsafe_code, reason = "loading compiled code is trusting it: see the safety comment")]
    pub(in super::super) fn load(&self, engine: &Engine) -> wasmtime::Result<Component> {
        // SAFETY: wasmtime asks that the bytes come from its own serialization and were not
        // changed. There are three ways to a `Code`: the output of `Component::serialize`,
        // the output of `Engine::precompile_component` from the standard output of a process
        // of this program, and a buffer whose keyed hash says that it was sealed here, which
        // is done to the other two only. A process that tries code out is given the second
        // by the one that asked for it, and has nothing to lose. The buffer is memory of
        // ours, not a file that could change meanwhile.
        unsafe { Component::deserialize(engine, &self.0) }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({} bytes)", self.0.len())
    }
}
