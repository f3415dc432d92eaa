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

/// A bundle is a file: whoever names a folder has not packed it yet.
pub(super) fn check_bundle(path: &Path) -> Result<(), Failure> {
    if path.is_dir() {
        let message = format!("{} is a folder; `plugboard pack` it first", path.display());
        return Err(Failure::usage(message));
    }
    Ok(())
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
    write().map_err(|error| cannot_write(path, error, Existing::Keep))
}

/// What is to become of a file that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    Keep,
    /// The same, in a command that has `--force`.
    KeepUnlessForced,
    Replace,
}

impl Existing {
    /// As `--force` says.
    pub(super) const fn forced(force: bool) -> Self {
        if force { Self::Replace } else { Self::KeepUnlessForced }
    }
}

/// A file in the making, beside the place it is for.
pub(super) struct NewFile {
    file: NamedTempFile,
    path: PathBuf,
    existing: Existing,
}

impl NewFile {
    /// Begins a file.
    pub(super) fn begin(path: &Path, existing: Existing) -> Result<Self, Failure> {
        if existing != Existing::Replace && fs::symlink_metadata(path).is_ok() {
            return Err(cannot_write(path, io::ErrorKind::AlreadyExists.into(), existing));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        if !folder.is_dir() {
            let error = anyhow!("there is no folder {}", folder.display());
            let error = error.context(format!("cannot write {}", path.display()));
            return Err(Failure { exit: Exit::Usage, error, hint: None });
        }
        // Only the kind: the error itself names the file in the making, which nobody asked for.
        let file = NamedTempFile::new_in(folder)
            .map_err(|error| cannot_write(path, error.kind().into(), existing))?;
        Ok(Self { file, path: path.to_owned(), existing })
    }

    /// What the file will have in it.
    pub(super) fn file(&self) -> &File {
        self.file.as_file()
    }

    /// Gives the file its name, with the mode that new files get.
    pub(super) fn finish(self) -> Result<(), Failure> {
        let Self { file, path, existing } = self;
        let finish = || {
            file.as_file().set_permissions(Permissions::from_mode(0o666 & !umask()))?;
            file.as_file().sync_all()?;
            let named = match existing {
                Existing::Replace => file.persist(&path),
                Existing::Keep | Existing::KeepUnlessForced => file.persist_noclobber(&path),
            };
            named.map_err(|error| error.error)
        };
        finish().map_err(|error| cannot_write(&path, error, existing))?;
        Ok(())
    }
}

fn cannot_write(path: &Path, error: io::Error, existing: Existing) -> Failure {
    if error.kind() == io::ErrorKind::AlreadyExists {
        let message = anyhow!("{} exists already", path.display());
        return Failure::refused(message).hint(match existing {
            Existing::KeepUnlessForced => "name another file, or replace it with --force",
            Existing::Keep | Existing::Replace => "name another file",
        });
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

/// A path as a shell reads it, for lines that are copied into one.
pub(super) fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-+,:@%=".contains(&b);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_can_be_copied_into_a_shell() {
        for (path, word) in [
            ("/srv/plug-board_1.0", "/srv/plug-board_1.0"),
            ("my data", "'my data'"),
            ("it's", r"'it'\''s'"),
            ("a;b", "'a;b'"),
        ] {
            assert_eq!(shell_word(Path::new(path)), word);
        }
    }
}
