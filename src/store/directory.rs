//! A folder of this machine as the object store: what `object_store` leaves to us.
//!
//! It syncs what it writes. It does not sync what was there already, does not
//! sync deletes, and a crash leaves `NAME#1` beside an object, which its own
//! listing hides and its own delete refuses.

use std::fs::{self, DirEntry, File};
use std::io;
use std::path::{Path, PathBuf};

use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;

use super::backend::Creation;
use super::durable::{
    create_dir_synced, create_private_dir, remove_tree, sync_dir, sync_file_and_name,
};
use super::layout::{Layout, Place};
use super::staging::transient_name;
use super::{Doing, StoreError};
use crate::model::{ContentHash, StreamHasher};

/// The folder, with all calls blocking.
#[derive(Debug)]
pub(super) struct Directory {
    objects: LocalFileSystem,
    root: PathBuf,
    staging: PathBuf,
}

impl Directory {
    /// Opens the store below `root` and removes what a crash left behind.
    ///
    /// No other process may use the folder: the uploads found in it are of a
    /// process that is gone. Those that come in parts stay: the registry knows which go on.
    pub(super) fn open(root: &Path, layout: &Layout) -> Result<Self, StoreError> {
        let io = StoreError::io("open its folder");
        create_private_dir(root).map_err(&io)?;
        root.parent().map_or(Ok(()), sync_dir).map_err(&io)?;
        let objects = LocalFileSystem::new_with_prefix(root)
            .map_err(|error| StoreError::object("open its folder", error))?
            .with_fsync(true);
        let root = root.canonicalize().map_err(&io)?;

        let directory = Self { staging: path(&objects, &layout.staging())?, root, objects };
        for key in [layout.staging(), layout.place(Place::Quarantine)] {
            directory.create_folders(&key).map_err(&io)?;
        }
        remove_tree(&path(&directory.objects, &layout.probe())?).map_err(&io)?;
        remove_leftovers(&directory.root).map_err(&io)?;
        Ok(directory)
    }

    pub(super) fn objects(&self) -> LocalFileSystem {
        self.objects.clone()
    }

    pub(super) fn staging(&self) -> &Path {
        &self.staging
    }

    pub(super) fn path(&self, key: &Key) -> Result<PathBuf, StoreError> {
        path(&self.objects, key)
    }

    /// Makes every folder down to `key` itself, each with a name that lasts.
    pub(super) fn create_folders(&self, key: &Key) -> io::Result<()> {
        let mut folder = self.root.clone();
        for part in key.parts() {
            folder.push(part.as_ref());
            create_dir_synced(&folder)?;
        }
        Ok(())
    }

    /// Gives `file` the name `key` as well, if nothing has it.
    ///
    /// A link and not a rename: it never replaces, and a quarantined bundle
    /// stays whole until the registry knows the published one. The upload's own
    /// name goes with its [`super::Staged`].
    pub(super) fn link(
        &self,
        file: &Path,
        key: &Key,
        size: u64,
        hash: &ContentHash,
    ) -> Result<Creation, StoreError> {
        let io = StoreError::io(Doing::KeepArchive);
        let target = self.path(key)?;
        let creation = match fs::hard_link(file, &target) {
            Ok(()) => Creation::Created,
            Err(error) => match same_content(&target, size, hash).map_err(&io)? {
                // Also when `file` is gone: it may have been us, before a crash or a time-out.
                Some(true) => Creation::Same,
                Some(false) => return Ok(Creation::Different),
                None => rename_new(file, &target, error).map_err(&io)?,
            },
        };
        sync_file_and_name(&target).map_err(&io)?;
        Ok(creation)
    }

    /// Makes an object durable that somebody else may have written a moment ago.
    pub(super) fn sync(&self, key: &Key) -> Result<(), StoreError> {
        sync_file_and_name(&self.path(key)?).map_err(StoreError::io("sync an object"))
    }

    /// Removes a folder with all in it, at once for every reader: it is moved away first.
    pub(super) fn remove_folder(&self, key: &Key) -> Result<(), StoreError> {
        let io = StoreError::io("remove a bundle");
        let folder = self.path(key)?;
        let away = self.staging.join(transient_name());
        match fs::rename(&folder, &away) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(&io)?,
        }
        folder.parent().map_or(Ok(()), sync_dir).map_err(&io)?;
        remove_tree(&away).map_err(&io)
    }
}

fn path(objects: &LocalFileSystem, key: &Key) -> Result<PathBuf, StoreError> {
    objects.path_to_filesystem(key).map_err(|error| StoreError::object("name a file", error))
}

/// Whether the file has this size and hash; `None` when there is none.
fn same_content(file: &Path, size: u64, hash: &ContentHash) -> io::Result<Option<bool>> {
    let file = match File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    if file.metadata()?.len() != size {
        return Ok(Some(false));
    }
    Ok(Some(StreamHasher::of_reader(file)?.1 == *hash.as_bytes()))
}

/// For file systems without hard links. `refusal` is what the link said.
#[cfg(target_os = "linux")]
fn rename_new(file: &Path, target: &Path, refusal: io::Error) -> io::Result<Creation> {
    use rustix::{
        fs::{CWD, RenameFlags, renameat_with},
        io::Errno,
    };

    let no_links = [Errno::PERM, Errno::NOTSUP, Errno::NOSYS, Errno::MLINK];
    if !Errno::from_io_error(&refusal).is_some_and(|errno| no_links.contains(&errno)) {
        return Err(refusal);
    }
    renameat_with(CWD, file, CWD, target, RenameFlags::NOREPLACE)?;
    Ok(Creation::Created)
}

#[cfg(not(target_os = "linux"))]
fn rename_new(_: &Path, _: &Path, refusal: io::Error) -> io::Result<Creation> {
    Err(refusal)
}

/// Removes the `NAME#n` files of writes that a crash cut off.
fn remove_leftovers(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_leftovers(&entry.path())?;
        } else if is_leftover(&entry) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn is_leftover(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let digits = name.to_str().and_then(|name| name.rsplit_once('#')).map(|(_, digits)| digits);
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}
