//! Compiled code that may be executed.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;

use bytes::Bytes;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::memory_file::MemoryFile;

/// The compiled form of a component, made by our compiler and changed by nobody since.
///
/// Whoever makes one says so: [`Code::load`] relies on it.
pub(in super::super) struct Code(Place);

/// Where compiled code is.
enum Place {
    Bytes(Bytes),
    /// A file in memory that nobody can change any more. wasmtime maps it and copies nothing,
    /// neither the code nor the first contents of memories.
    Mapped(File),
}

/// Takes compiled code that is being looked at.
pub(super) enum Draft {
    Bytes(Vec<u8>),
    Mapped(MemoryFile),
}

impl Draft {
    /// Code that is copied when it is loaded.
    pub(super) fn of_bytes(length: usize) -> Self {
        Self::Bytes(Vec::with_capacity(length))
    }

    /// Code that is mapped when it is loaded, and keeps a descriptor as long.
    pub(super) fn mapped() -> io::Result<Self> {
        MemoryFile::new().map(Self::Mapped)
    }

    pub(super) fn add(&mut self, part: &[u8]) -> io::Result<()> {
        match self {
            Self::Bytes(bytes) => bytes.write_all(part),
            Self::Mapped(file) => file.write_all(part),
        }
    }
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

    /// What lies in a file that was sealed here, as the opening of its seal found in all that
    /// the draft was given.
    pub(super) fn sealed(draft: Draft) -> io::Result<Self> {
        Ok(Self(match draft {
            Draft::Bytes(bytes) => Place::Bytes(bytes.into()),
            Draft::Mapped(file) => Place::Mapped(file.finish()?),
        }))
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
        // standard output of a process of this program, and a draft whose keyed hash says that
        // it was sealed here, which is done to the other two only. A process that tries code
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
