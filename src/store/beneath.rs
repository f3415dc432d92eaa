//! Opening files below a folder without ever following a link.
//!
//! The disk cache is our own folder, yet what is served from it must be a
//! plain file of it, also after somebody was there with an editor.

use std::fs::File;
use std::path::Path;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::{Errno, Result};

/// Opening a FIFO would wait for a writer; the caller refuses it by its kind.
const READING: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// Opens `relative`, a path of plain segments, for reading.
pub(super) fn open(folder: &Path, relative: &str) -> Result<File> {
    at(folder, relative, READING, Mode::empty())
}

/// The same, if the kernel can do it without the disk: an async thread may wait for this.
/// Fails on kernels before 5.12, too.
#[cfg(target_os = "linux")]
pub(super) fn open_at_once(folder: &Path, relative: &str) -> Result<File> {
    use rustix::fs::{ResolveFlags, openat2};

    let at_once = ResolveFlags::CACHED;
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = openat2(CWD, folder, flags, Mode::empty(), at_once)?;
    let flags = READING | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat2(folder, relative, flags, Mode::empty(), WITHOUT_LINKS | at_once).map(File::from)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn open_at_once(_: &Path, _: &str) -> Result<File> {
    Err(Errno::NOSYS)
}

/// Makes the file `relative` for writing. Its folder must be there and it must not.
pub(super) fn create_new(folder: &Path, relative: &str) -> Result<File> {
    let read_only = Mode::RUSR | Mode::RGRP | Mode::ROTH;
    at(folder, relative, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL, read_only)
}

fn at(folder: &Path, relative: &str, flags: OFlags, mode: Mode) -> Result<File> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = open_folder(CWD, folder)?;
    let file = match in_one_call(folder.as_fd(), relative, flags, mode) {
        // Kernels before 5.6, and filters that do not know the call.
        Err(Errno::NOSYS | Errno::PERM) => by_segments(folder, relative, flags, mode),
        other => other,
    }?;
    Ok(File::from(file))
}

#[cfg(target_os = "linux")]
const WITHOUT_LINKS: rustix::fs::ResolveFlags = {
    use rustix::fs::ResolveFlags;
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS)
};

#[cfg(target_os = "linux")]
fn in_one_call(
    folder: BorrowedFd<'_>,
    relative: &str,
    flags: OFlags,
    mode: Mode,
) -> Result<OwnedFd> {
    rustix::fs::openat2(folder, relative, flags, mode, WITHOUT_LINKS)
}

#[cfg(not(target_os = "linux"))]
fn in_one_call(_: BorrowedFd<'_>, _: &str, _: OFlags, _: Mode) -> Result<OwnedFd> {
    Err(Errno::NOSYS)
}

fn by_segments(mut folder: OwnedFd, relative: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    let (folders, name) = relative.rsplit_once('/').map_or((None, relative), |(f, n)| (Some(f), n));
    for segment in folders.into_iter().flat_map(|folders| folders.split('/')) {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        folder = openat(&folder, segment, flags, Mode::empty())?;
    }
    openat(&folder, name, flags, mode)
}

/// The folder itself may be reached through links: where the data folder is, is the operator's business.
fn open_folder(at: BorrowedFd<'_>, folder: &Path) -> Result<OwnedFd> {
    openat(at, folder, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn both(folder: &Path, relative: &str) -> [Result<OwnedFd>; 2] {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = || open_folder(CWD, folder).unwrap();
        [
            in_one_call(folder().as_fd(), relative, flags, Mode::empty()),
            by_segments(folder(), relative, flags, Mode::empty()),
        ]
    }

    #[test]
    fn plain_files_open_both_ways() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/b/c"), "x").unwrap();

        assert!(both(folder.path(), "a/b/c").iter().all(Result::is_ok));
    }

    #[test]
    fn links_are_not_followed_in_any_place() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("c"), "secret").unwrap();
        symlink(outside.path(), folder.path().join("folder")).unwrap();
        symlink(outside.path().join("c"), folder.path().join("file")).unwrap();

        for relative in ["folder/c", "file"] {
            assert!(both(folder.path(), relative).iter().all(Result::is_err), "{relative}");
            assert_eq!(open_at_once(folder.path(), relative).err(), Some(Errno::LOOP));
        }
    }

    #[test]
    fn a_file_that_is_there_is_not_made_again() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "x").unwrap();

        assert_eq!(create_new(folder.path(), "a").err(), Some(Errno::EXIST));
    }
}
