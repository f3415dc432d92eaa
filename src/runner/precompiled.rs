//! Compiled components on disk, so that a restart compiles nothing again.
//!
//! To load compiled code is to do what it says: wasmtime looks at it hardly at all. So
//! nothing is loaded that this appliance did not compile, which [`Seal`] tells, and what
//! is loaded are the very bytes that were looked at. The folder is a cache: what does not
//! open is removed, and compiled again.

mod code;
mod seal;

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::SystemTime;

use rustix::fs::{OFlags, Timespec, Timestamps, UTIME_NOW};
use tempfile::NamedTempFile;
use wasmtime::Engine;
use wasmtime::component::Component;

pub(super) use self::code::Code;
use self::code::Place;
use self::seal::{HEADER_BYTES, Mismatch, Seal, TAG_BYTES};
use super::compiler::ARRANGEMENT;
use crate::memory_file::MemoryFile;
use crate::model::{FileDigest, StreamHasher};

/// Bytes of one compiled component. A scripting engine of 13 MB makes 30 MiB.
pub(super) const MAX_FILE_BYTES: u64 = 512 * 1024 * 1024;
/// From how many bytes on compiled code is mapped: it costs a descriptor for each component,
/// and spares copying.
const MAPPED_FROM_BYTES: usize = 4 * 1024 * 1024;
/// Bytes that are read, hashed and passed on while they are near the processor.
const PART_BYTES: usize = 128 * 1024;
/// Parts that wait to be written.
const PARTS_UNDER_WAY: usize = 4;
/// The rights of everybody but the owner.
const OTHERS: u32 = 0o077;

/// The times of a file that is used just now.
const NOW: Timestamps = {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    Timestamps { last_access: now, last_modification: now }
};

/// Where compiled components are kept, and what they are sealed with.
pub struct CompiledFolder {
    /// Of the appliance alone. Made when it is not there.
    pub path: PathBuf,
    /// Whoever has it can have anything executed here.
    pub key: [u8; 32],
    /// Bytes of all files; those that nobody loaded for the longest time go first.
    pub max_bytes: u64,
}

/// How often components were made ready, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ComponentCounts {
    /// Compiled from WebAssembly.
    pub compiled: u64,
    /// Loaded from the folder.
    pub loaded: u64,
    /// Files of the folder that were not what they should be, and were removed.
    pub refused: u64,
}

/// The folder.
#[derive(Debug)]
pub(super) struct Precompiled {
    folder: PathBuf,
    seal: Seal,
    max_bytes: u64,
    mapped_from: usize,
    /// Held while files are made or removed: to others a file that is being made looks
    /// like one that was left.
    changing: Mutex<()>,
    loaded: AtomicU64,
    refused: AtomicU64,
}

impl Precompiled {
    pub(super) fn open(folder: CompiledFolder, engine: &Engine) -> io::Result<Self> {
        let CompiledFolder { path, key, max_bytes } = folder;
        DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        // It may be older than this process, with other rights.
        fs::set_permissions(&path, Permissions::from_mode(0o700))?;
        let seal = Seal::new(key, compatibility(engine, ARRANGEMENT));
        let (loaded, refused) = (AtomicU64::default(), AtomicU64::default());
        let (mapped_from, changing) = (MAPPED_FROM_BYTES, Mutex::default());
        Ok(Self { folder: path, seal, max_bytes, mapped_from, changing, loaded, refused })
    }

    /// The compiled form of `component`, if it is here. Takes some 20 ms for a large one.
    pub(super) fn load(&self, engine: &Engine, component: &FileDigest) -> Option<Component> {
        let path = self.path(component);
        match self.read(&path, component) {
            Ok(Ok(code)) => {
                let component = code.load(engine);
                self.loaded.fetch_add(u64::from(component.is_ok()), Relaxed);
                let failed = |error: &_| tracing::warn!("Compiled code does not load: {error:#}");
                return component.inspect_err(failed).ok();
            }
            Ok(Err(Problem::Mismatch(mismatch))) if mismatch.is_outdated() => {}
            Ok(Err(problem)) => {
                self.refused.fetch_add(1, Relaxed);
                tracing::warn!("A compiled component is not used and compiled again: {problem}");
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!("A compiled component cannot be read: {error}");
                return None;
            }
        }
        // Best effort: the next file of that name takes its place anyway.
        fs::remove_file(&path).ok();
        None
    }

    /// Keeps the compiled form of `component`. What cannot be kept is compiled again at the
    /// next start, and that is all.
    pub(super) fn keep(&self, component: &FileDigest, code: &Code) {
        if let Err(error) = self.write(component, code) {
            tracing::warn!("A compiled component cannot be kept: {error}");
        }
    }

    /// Removes what is of none of `components`; says how many files.
    pub(super) fn retain(&self, components: &HashSet<FileDigest>) -> io::Result<usize> {
        let _changing = self.changing();
        let wanted: HashSet<_> = components.iter().map(|component| self.path(component)).collect();
        let mut removed = 0;
        for file in self.files()? {
            if !wanted.contains(&file.path) {
                fs::remove_file(&file.path)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    pub(super) fn loaded(&self) -> u64 {
        self.loaded.load(Relaxed)
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, component: &FileDigest) -> PathBuf {
        self.folder.join(format!("{}.cwasm", hex::encode(component.as_bytes())))
    }

    /// Bytes of the file of `component`, if it looks as if [`Precompiled::load`] would take it.
    pub(super) fn kept_bytes(&self, component: &FileDigest) -> Option<u64> {
        let (mut file, bytes) = open_ours(&self.path(component)).ok()?.ok()?;
        let mut head = [0; HEADER_BYTES];
        file.read_exact(&mut head).ok()?;
        self.seal.looks_closed(component, &head, bytes).then_some(bytes)
    }

    /// The code in a file that is ours in every respect.
    fn read(&self, path: &Path, component: &FileDigest) -> io::Result<Result<Code, Problem>> {
        let (mut file, length) = match open_ours(path)? {
            Ok(opened) => opened,
            Err(problem) => return Ok(Err(problem)),
        };
        // Used just now: it goes last when room is needed.
        rustix::fs::futimens(&file, &NOW).ok();
        match self.opened(&mut file, length, component) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Ok(Err(Problem::Mismatch(Mismatch::Length)))
            }
            opened => Ok(opened?.map_err(Problem::Mismatch)),
        }
    }

    fn opened(
        &self,
        file: &mut File,
        length: u64,
        component: &FileDigest,
    ) -> io::Result<Result<Code, Mismatch>> {
        let (mut head, mut tag) = ([0; HEADER_BYTES], [0; TAG_BYTES]);
        file.read_exact(&mut head)?;
        let mut opening = match self.seal.open(component, &head, length) {
            Ok(opening) => opening,
            Err(mismatch) => return Ok(Err(mismatch)),
        };
        let length = opening.payload_bytes();
        // Where there are no such files, it is copied.
        let memory = if length < self.mapped_from { None } else { MemoryFile::new().ok() };
        let place = if let Some(memory) = memory {
            Place::Mapped(copy(file, length, memory, |part| opening.update(part))?)
        } else {
            let mut bytes = vec![0; length];
            file.read_exact(&mut bytes)?;
            opening.update(&bytes);
            Place::Bytes(bytes.into())
        };
        file.read_exact(&mut tag)?;
        Ok(opening.finish(&tag).map(|()| Code::sealed(place)))
    }

    fn write(&self, component: &FileDigest, code: &Code) -> io::Result<()> {
        let Some(code) = code.bytes() else { return Ok(()) };
        let file = self.seal.close(component, code);
        let bytes = file.len() as u64;
        if bytes > self.max_bytes.min(MAX_FILE_BYTES) {
            return Ok(());
        }
        let _changing = self.changing();
        self.make_room(bytes)?;
        // Readable by this user only, as every temporary file.
        let mut new = NamedTempFile::new_in(&self.folder)?;
        new.write_all(&file)?;
        // Not synced: a file that a power cut leaves torn does not open.
        new.persist(self.path(component))?;
        Ok(())
    }

    /// Removes what nobody loaded for the longest time, until `bytes` more fit.
    fn make_room(&self, bytes: u64) -> io::Result<()> {
        let mut files = self.files()?;
        files.sort_by_key(|file| file.used);
        let mut in_use: u64 = files.iter().map(|file| file.bytes).sum();
        for file in files {
            if in_use.saturating_add(bytes) <= self.max_bytes {
                break;
            }
            fs::remove_file(&file.path)?;
            in_use -= file.bytes;
        }
        Ok(())
    }

    /// All files of the folder, also those that a process left that was killed.
    fn files(&self) -> io::Result<Vec<Kept>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if !metadata.is_dir() {
                let (path, bytes, used) = (entry.path(), metadata.len(), metadata.modified()?);
                files.push(Kept { path, bytes, used });
            }
        }
        Ok(files)
    }
}

/// A file of the folder.
struct Kept {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

/// Opens a plain file that only this user can read and write; says how long it is.
fn open_ours(path: &Path) -> io::Result<Result<(File, u64), Problem>> {
    // A link could lead to a file of somebody else; a FIFO would wait for a writer.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits();
    let opened = OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path);
    let file = match opened {
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Ok(Err(Problem::NotOurs));
        }
        opened => opened?,
    };
    let metadata = file.metadata()?;
    let is_ours = metadata.is_file()
        && metadata.uid() == rustix::process::geteuid().as_raw()
        && metadata.mode() & OTHERS == 0;
    if !is_ours {
        return Ok(Err(Problem::NotOurs));
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Ok(Err(Problem::TooLarge(metadata.len())));
    }
    Ok(Ok((file, metadata.len())))
}

/// Copies `length` bytes into a file in memory while `look` looks at those that follow: making
/// room in memory for a large component takes as long as reading and hashing it.
fn copy(
    file: &mut File,
    length: usize,
    mut memory: MemoryFile,
    mut look: impl FnMut(&[u8]),
) -> io::Result<File> {
    thread::scope(|scope| {
        let (to_write, parts) = mpsc::sync_channel::<Vec<u8>>(PARTS_UNDER_WAY);
        let (written, room) = mpsc::channel();
        let writer = scope.spawn(move || {
            for part in parts {
                memory.write_all(&part)?;
                // Nobody takes it any more when all is read.
                written.send(part).ok();
            }
            memory.finish()
        });
        let mut left = length;
        while left > 0 {
            let mut part = room.try_recv().unwrap_or_default();
            part.resize(PART_BYTES.min(left), 0);
            file.read_exact(&mut part)?;
            look(&part);
            left -= part.len();
            if to_write.send(part).is_err() {
                // The writer has failed, and says why.
                break;
            }
        }
        drop(to_write);
        writer.join().expect("writing does not panic")
    })
}

/// Why a file is not loaded.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("it is no plain file that only this user can read and write")]
    NotOurs,
    #[error("it has {0} bytes; {MAX_FILE_BYTES} are allowed")]
    TooLarge(u64),
    #[error(transparent)]
    Mismatch(Mismatch),
}

/// The SHA-256 of all that the compiled form depends on.
fn compatibility(engine: &Engine, arrangement: &str) -> [u8; 32] {
    struct Collected(StreamHasher);

    impl Hasher for Collected {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }

        fn finish(&self) -> u64 {
            unreachable!("the whole digest is taken")
        }
    }

    let mut collected = Collected(StreamHasher::new());
    engine.precompile_compatibility_hash().hash(&mut collected);
    arrangement.hash(&mut collected);
    collected.0.finalize()
}

#[cfg(test)]
mod tests;
