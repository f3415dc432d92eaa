//! The registry file: made whole or not at all, readable by its owner only.
//!
//! A power cut while redb writes its first pages can leave a file that never
//! opens again. So the file is made under another name, and renamed once it is
//! complete and on disk.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use redb::Database;
use redb::backends::FileBackend;
use rustix::fs::{FlockOperation, flock};

use super::storage::builder;
use super::{RegistryError, schema};

#[cfg(test)]
mod tests;

/// Read and write for the owner, nothing for others: rows hold password and token hashes.
const MODE: u32 = 0o600;

/// Opens the registry in `file`, making it first if there is none.
pub(super) fn open(
    file: &Path,
    cache_bytes: usize,
    now: Timestamp,
) -> Result<Database, RegistryError> {
    create_if_absent(file, cache_bytes, now)?;
    make_private(file).map_err(|error| RegistryError::file("made private", file, error))?;
    let db =
        builder(cache_bytes).open(file).map_err(|error| RegistryError::opening(file, error))?;
    schema::upgrade(&db, file, now)?;
    Ok(db)
}

fn create_if_absent(file: &Path, cache_bytes: usize, now: Timestamp) -> Result<(), RegistryError> {
    let folder = folder_of(file);
    let unfinished = unfinished(file);
    let failed = |error| RegistryError::file("created", file, error);

    // Two processes must not make the same file; the kernel lets go of the lock when one dies.
    let folder = File::open(folder).map_err(failed)?;
    flock(&folder, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;

    remove_if_there(&unfinished).map_err(failed)?;
    // Not `exists`: a link to a disk that is not mounted must not become an empty registry.
    match fs::symlink_metadata(file) {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }

    let new = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(&unfinished)
        .map_err(failed)?;
    let synced = new.try_clone().map_err(failed)?;
    write_empty_registry(new, &unfinished, cache_bytes, now)?;
    synced.sync_all().map_err(failed)?;
    crate::fail_point!("registry.created_unnamed");
    fs::rename(&unfinished, file).map_err(failed)?;
    crate::fail_point!("registry.created_named");
    folder.sync_all().map_err(failed)
}

fn write_empty_registry(
    new: File,
    unfinished: &Path,
    cache_bytes: usize,
    now: Timestamp,
) -> Result<(), RegistryError> {
    let failed = |error| RegistryError::opening(unfinished, error);
    let backend = FileBackend::new(new).map_err(failed)?;
    let db = builder(cache_bytes).create_with_backend(backend).map_err(failed)?;
    schema::create(&db, now)?;
    db.close().map_err(failed)
}

/// The name of a registry that is being made.
fn unfinished(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn remove_if_there(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A file that was copied back from a backup often has the mode of whoever copied it.
fn make_private(file: &Path) -> io::Result<()> {
    let mode = fs::metadata(file)?.permissions().mode();
    let others = mode & 0o077;
    if others == 0 { Ok(()) } else { fs::set_permissions(file, Permissions::from_mode(MODE)) }
}
