//! A file made whole or not at all, readable by its owner only.
//!
//! A power cut while redb writes its first pages can leave a file that never
//! opens again. So the file is made under another name, and renamed once it is
//! complete and on disk.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use redb::Database;
use redb::backends::FileBackend;
use rustix::fs::{FlockOperation, flock};

use super::storage::{builder, durable_write};
use super::{Content, FileError, KeeperError, failed};

/// Read and write for the owner, nothing for others: rows hold password and token hashes,
/// and what customers entrust to extensions.
const MODE: u32 = 0o600;

pub(super) fn create_if_absent<C: Content>(
    content: &C,
    file: &Path,
    cache_bytes: usize,
) -> Result<(), C::Error> {
    let folder = folder_of(file);
    let unfinished = unfinished(file);
    let failed = |error: io::Error| failed::<C>(what_cannot_be(&error), file, error);

    // Two processes must not make the same file; the kernel lets go of the lock when one dies.
    let folder = File::open(folder).map_err(failed)?;
    flock(&folder, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;

    remove_if_there(&unfinished).map_err(failed)?;
    // Not `exists`: a link to a disk that is not mounted must not become an empty file.
    match fs::symlink_metadata(file) {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error).into()),
    }

    let new = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(&unfinished)
        .map_err(failed)?;
    let synced = new.try_clone().map_err(failed)?;
    write_empty(content, new, &unfinished, cache_bytes)?;
    synced.sync_all().map_err(failed)?;
    content.made();
    fs::rename(&unfinished, file).map_err(failed)?;
    content.named();
    Ok(folder.sync_all().map_err(failed)?)
}

/// What cannot be done to a file that may well be there.
fn what_cannot_be(error: &io::Error) -> &'static str {
    let is_read_only = error.kind() == io::ErrorKind::ReadOnlyFilesystem;
    if is_read_only { "written: its folder is on a read-only disk" } else { "created" }
}

fn write_empty<C: Content>(
    content: &C,
    new: File,
    unfinished: &Path,
    cache_bytes: usize,
) -> Result<(), C::Error> {
    let failed = |error| FileError::opening::<C>(unfinished, error);
    let backend = FileBackend::new(new).map_err(failed)?;
    let db = builder(cache_bytes).create_with_backend(backend).map_err(failed)?;
    create(content, &db)?;
    Ok(db.close().map_err(failed)?)
}

/// Makes the tables of an empty database.
pub(super) fn create<C: Content>(content: &C, db: &Database) -> Result<(), C::Error> {
    let failed = |error: redb::Error| FileError::storage(C::Error::NOUN, error);
    let txn = durable_write(db).map_err(|error| failed(error.into()))?;
    content.create(&txn)?;
    Ok(txn.commit().map_err(|error| failed(error.into()))?)
}

/// A file that was copied back from a backup often has the mode of whoever copied it.
pub(super) fn make_private(file: &Path) -> io::Result<()> {
    let mode = fs::metadata(file)?.permissions().mode();
    let others = mode & 0o077;
    if others == 0 { Ok(()) } else { fs::set_permissions(file, Permissions::from_mode(MODE)) }
}

/// The name of a file that is being made.
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

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn of_a_read_only_disk_it_is_not_said_that_the_file_is_missing() {
        let said = |errno: Errno| {
            let error = io::Error::from(errno);
            let action = what_cannot_be(&error);
            FileError::file("registry", action, Path::new("data/registry.redb"), error).to_string()
        };

        assert_eq!(
            said(Errno::ROFS),
            "the registry file data/registry.redb cannot be written: its folder is on a read-only \
             disk"
        );
        assert_eq!(said(Errno::ACCESS), "the registry file data/registry.redb cannot be created");
    }
}
