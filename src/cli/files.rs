//! Files that the command line names: read whole, written whole or not at all.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use tempfile::NamedTempFile;

use super::failure::{Exit, Failure};

/// No key, signature, token or settings file is larger.
const MAX_SMALL_BYTES: u64 = 1024 * 1024;

/// Reads a small file; `-` is standard input.
pub(super) fn read_small(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let limit = MAX_SMALL_BYTES + 1;
    let read = if path == Path::new("-") {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    read.map_err(|error| cannot_read(path, error))?;
    if bytes.len() as u64 > MAX_SMALL_BYTES {
        let message = format!("{} has more than {MAX_SMALL_BYTES} bytes", path.display());
        return Err(Failure::usage(message).hint("is it the right file?"));
    }
    Ok(bytes)
}

/// As [`read_small`], for text.
pub(super) fn read_text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read_small(path)?)
        .map_err(|_| Failure::usage(format!("{} is not text", path.display())))
}

/// A file that was named and cannot be read is a wrong call.
pub(super) fn cannot_read(path: &Path, error: io::Error) -> Failure {
    let error = anyhow!(error).context(format!("cannot read {}", path.display()));
    Failure { exit: Exit::Usage, error, hint: None }
}

/// Writes a file that must not exist yet.
pub(super) fn write_new(path: &Path, mode: u32, content: &[u8]) -> Result<(), Failure> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(content)?;
        file.sync_all()
    };
    write().map_err(|error| cannot_write(path, error))
}

/// A file in the making, beside the place it is for.
pub(super) struct NewFile {
    file: NamedTempFile,
    path: PathBuf,
    replace: bool,
}

impl NewFile {
    /// Begins a file. Without `replace` it must not exist.
    pub(super) fn begin(path: &Path, replace: bool) -> Result<Self, Failure> {
        if !replace && fs::symlink_metadata(path).is_ok() {
            return Err(cannot_write(path, io::ErrorKind::AlreadyExists.into()));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let file = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")));
        let file = file.map_err(|error| cannot_write(path, error))?;
        Ok(Self { file, path: path.to_owned(), replace })
    }

    /// What the file will have in it.
    pub(super) fn file(&self) -> &File {
        self.file.as_file()
    }

    /// Gives the file its name, with the mode that new files get.
    pub(super) fn finish(self) -> Result<(), Failure> {
        let Self { file, path, replace } = self;
        let finish = || {
            file.as_file().set_permissions(Permissions::from_mode(0o666 & !umask()))?;
            file.as_file().sync_all()?;
            let named = if replace { file.persist(&path) } else { file.persist_noclobber(&path) };
            named.map_err(|error| error.error)
        };
        finish().map_err(|error| cannot_write(&path, error))?;
        Ok(())
    }
}

fn cannot_write(path: &Path, error: io::Error) -> Failure {
    if error.kind() == io::ErrorKind::AlreadyExists {
        let message = anyhow!("{} exists already", path.display());
        return Failure::refused(message).hint("name another file, or replace it with --force");
    }
    // The folder was named wrongly, or the disk is full.
    let wrong_place = [io::ErrorKind::NotFound, io::ErrorKind::PermissionDenied];
    let is_usage = wrong_place.contains(&error.kind());
    let exit = if is_usage { Exit::Usage } else { Exit::Unfinished };
    let error = anyhow!(error).context(format!("cannot write {}", path.display()));
    Failure { exit, error, hint: None }
}

/// The mask of this process, which can only be read by setting it.
fn umask() -> u32 {
    let mask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    rustix::process::umask(mask);
    mask.as_raw_mode()
}
