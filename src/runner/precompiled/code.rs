//! Compiled code that may be executed.

use std::fmt;
use std::fs::File;
use std::os::fd::AsRawFd;

use bytes::Bytes;
use wasmtime::Engine;
use wasmtime::component::Component;

/// The compiled form of a component, made by our compiler and changed by nobody since.
///
/// Whoever makes one says so: [`Code::load`] relies on it.
pub(in super::super) struct Code(Place);

/// Where compiled code is.
pub(super) enum Place {
    Bytes(Bytes),
    /// A finished [`MemoryFile`](crate::memory_file::MemoryFile). wasmtime maps it and copies
    /// nothing, neither the code nor the first contents of memories.
    Mapped(File),
}

impl Code {
    /// What the compiler made in this process.
    pub(in super::super) fn of_component(component: &Component) -> wasmtime::Result<Self> {
        Ok(Self(Place::Bytes(component.serialize()?.into())))
    }

    /// What a process of ours wrote that was asked to compile.
    pub(in super::super) fn of_compiler(code: impl Into<Bytes>) -> Self {
        Self(Place::Bytes(code.into()))
    }

    /// What lies in a file that was sealed here, as the opening of its seal found.
    pub(super) fn sealed(place: Place) -> Self {
        Self(place)
    }

    /// What is kept of it; nothing of what is mapped, which has been kept already.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match &self.0 {
            Place::Bytes(bytes) => Some(bytes),
            Place::Mapped(_) => None,
        }
    }

    /// The component, ready to be linked. Fails if it is of another engine.
    #[expect(unsafe_code, reason = "loading compiled code is trusting it: see the safety comment")]
    pub(in super::super) fn load(&self, engine: &Engine) -> wasmtime::Result<Component> {
        // SAFETY: wasmtime asks that the bytes come from its own serialization, and were not
        // and will not be changed. There are three ways to a `Code`: the output of
        // `Component::serialize`, the output of `Engine::precompile_component` from the
        // standard output of a process of this program, and a payload whose keyed hash says
        // that it was sealed here, which is done to the other two only. A process that tries code
        // out is given the second by the one that asked for it, and has nothing to lose. The
        // bytes are in memory of ours, or in a file in memory that this process wrote and that
        // nobody can change.
        unsafe {
            match &self.0 {
                Place::Bytes(bytes) => Component::deserialize(engine, bytes),
                Place::Mapped(file) => {
                    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
                    Component::deserialize_file(engine, path)
                }
            }
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(…)")
    }
}
