//! Folders and files on this machine's disk: made, synced, removed.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

/// Makes the names in a folder durable: without it a new or renamed file can
/// vanish at a power cut although its content was synced.
pub(super) fn sync_dir(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes a folder, and those above it, for this user only.
pub(super) fn create_private_dir(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // The folder may be older than this process, with other rights.
    fs::set_permissions(folder, Permissions::from_mode(0o700))
}

/// Makes one folder whose name survives a power cut.
///
/// The folder above is synced also when the folder is there: whoever made it
/// may not have come to that yet.
pub(super) fn create_dir_synced(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    folder.parent().map_or(Ok(()), sync_dir)
}

/// Makes `content` of a file and its name durable.
pub(super) fn sync_file_and_name(file: &Path) -> io::Result<()> {
    File::open(file)?.sync_all()?;
    file.parent().map_or(Ok(()), sync_dir)
}

/// Makes all files and names below `folder` durable.
///
/// One call for the file system and not one for each file: a bundle can have
/// thousands, and each would wait for the disk.
#[cfg(target_os = "linux")]
pub(super) fn sync_tree(folder: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(folder)?)?)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn sync_tree(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync_dir(folder)
}

/// Removes a folder with all in it. One that is not there is no error.
pub(super) fn remove_tree(folder: &Path) -> io::Result<()> {
    match make_writable(folder).and_then(|()| fs::remove_dir_all(folder)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Unpacked folders are read-only, and nothing can be removed from such a folder.
fn make_writable(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // Of the entry itself: a link to a folder is no folder here.
        if entry.file_type()?.is_dir() {
            make_writable(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes all that is in `folder`, and keeps the folder.
pub(super) fn empty_dir(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
