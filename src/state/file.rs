//! The state file: made whole or not at all, readable by its owner only.
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

use super::storage::builder;
use super::{StateError, schema};

/// Read and write for the owner, nothing for others: rows hold what customers entrust to extensions.
const MODE: u32 = 0o600;

/// Opens the state in `file`, making it first if there is none.
pub(super) fn open(file: &Path, cache_bytes: usize) -> Result<Database, StateError> {
    create_if_absent(file, cache_bytes)?;
    make_private(file).map_err(|error| StateError::file("made private", file, error))?;
    let db = builder(cache_bytes).open(file).map_err(|error| StateError::opening(file, error))?;
    schema::check(&db, file)?;
    Ok(db)
}

fn create_if_absent(file: &Path, cache_bytes: usize) -> Result<(), StateError> {
    let failed = |error| StateError::file("created", file, error);
    let mut unfinished = file.as_os_str().to_owned();
    unfinished.push(".new");
    let unfinished = PathBuf::from(unfinished);

    // Two processes must not make the same file; the kernel lets go of the lock when one dies.
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = File::open(folder.unwrap_or(Path::new("."))).map_err(failed)?;
    flock(&folder, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;

    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    // Not `exists`: a link to a disk that is not mounted must not become an empty state.
    match fs::symlink_metadata(file) {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }

    let mut options = OpenOptions::new();
    let new = options.read(true).write(true).create_new(true).mode(MODE).open(&unfinished);
    let new = new.map_err(failed)?;
    let synced = new.try_clone().map_err(failed)?;
    write_empty(new, &unfinished, cache_bytes)?;
    synced.sync_all().map_err(failed)?;
    crate::fail_point!("state.created_unnamed");
    fs::rename(&unfinished, file).map_err(failed)?;
    crate::fail_point!("state.created_named");
    folder.sync_all().map_err(failed)
}

fn write_empty(new: File, unfinished: &Path, cache_bytes: usize) -> Result<(), StateError> {
    let failed = |error| StateError::opening(unfinished, error);
    let backend = FileBackend::new(new).map_err(failed)?;
    let db = builder(cache_bytes).create_with_backend(backend).map_err(failed)?;
    schema::create(&db)?;
    db.close().map_err(failed)
}

/// A file that was copied back from a backup often has the mode of whoever copied it.
fn make_private(file: &Path) -> io::Result<()> {
    let mode = fs::metadata(file)?.permissions().mode();
    let others = mode & 0o077;
    if others == 0 { Ok(()) } else { fs::set_permissions(file, Permissions::from_mode(MODE)) }
}
