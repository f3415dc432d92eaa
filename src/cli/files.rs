//! Files that the command line names: read whole, written whole or not at all.

use std::fs::{self, File, FileType, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use tempfile::NamedTempFile;

use super::failure::{Exit, Failure};

/// No key, signature, token or settings file is larger.
const MAX_SMALL_BYTES: u64 = 1024 * 1024;

/// Whether `-` was named: standard input, or output.
pub(super) fn is_standard(path: &Path) -> bool {
    path == Path::new("-")
}

/// How people know what is read.
pub(super) fn input_name(path: &Path) -> String {
    if is_standard(path) { "standard input".to_owned() } else { path.display().to_string() }
}

/// Reads a small file; `-` is standard input.
pub(super) fn read_small(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let limit = MAX_SMALL_BYTES + 1;
    let read = if is_standard(path) {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    read.map_err(|error| cannot_read(path, error))?;
    if bytes.len() as u64 > MAX_SMALL_BYTES {
        let message = format!("{} has more than {MAX_SMALL_BYTES} bytes", input_name(path));
        return Err(Failure::usage(message).hint("is it the right file?"));
    }
    Ok(bytes)
}

/// As [`read_small`], for text.
pub(super) fn read_text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read_small(path)?)
        .map_err(|_| Failure::usage(format!("{} is not text", input_name(path))))
}

/// A bundle is a file: whoever names a folder has not packed it yet.
pub(super) fn check_bundle(path: &Path) -> Result<(), Failure> {
    const HINT: &str = "it is read more than once: write it to a file first";
    if is_standard(path) {
        return Err(Failure::usage("a bundle is not read from standard input").hint(HINT));
    }
    if path.is_dir() {
        let message = format!("{} is a folder; `plugboard pack` it first", path.display());
        return Err(Failure::usage(message));
    }
    check_regular(path).map_err(|failure| failure.hint(HINT))
}

/// Refuses what can be read once or not at all: a pipe, a socket, a folder. What is not there,
/// opening it tells.
pub(super) fn check_regular(path: &Path) -> Result<(), Failure> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => Err(not_regular(path, found.file_type())),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn not_regular(path: &Path, kind: FileType) -> Failure {
    let kind = if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Failure::usage(format!("{} is {kind}, and no regular file", path.display()))
}

/// Whether a regular file is there with just this in it.
pub(super) fn holds(path: &Path, content: &[u8]) -> bool {
    let is_file = !is_standard(path) && check_regular(path).is_ok();
    is_file && fs::read(path).is_ok_and(|found| found == content)
}

/// A file that was named and cannot be read is a wrong call.
pub(super) fn cannot_read(path: &Path, error: io::Error) -> Failure {
    let error = anyhow!(error).context(format!("cannot read {}", input_name(path)));
    Failure { exit: Exit::Usage, error, hint: None }
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

/// A file in the making, beside the place it is for; dropped, it leaves nothing behind.
pub(super) struct NewFile {
    file: NamedTempFile,
    /// As it was named.
    path: PathBuf,
    /// The same, behind a link if it is one.
    place: PathBuf,
    existing: Existing,
}

impl NewFile {
    /// Begins a file.
    pub(super) fn begin(path: &Path, existing: Existing) -> Result<Self, Failure> {
        let place = place(path, existing)?;
        let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        if !folder.is_dir() {
            let error = anyhow!("there is no folder {}", folder.display());
            let error = error.context(format!("cannot write {}", path.display()));
            return Err(Failure { exit: Exit::Usage, error, hint: None });
        }
        // Only the kind: the error itself names the file in the making, which nobody asked for.
        let file = NamedTempFile::new_in(folder)
            .map_err(|error| cannot_write(path, error.kind().into(), existing))?;
        Ok(Self { file, path: path.to_owned(), place, existing })
    }

    /// What the file will have in it.
    pub(super) fn file(&self) -> &File {
        self.file.as_file()
    }

    /// Gives the file its name, for all who may read new files.
    pub(super) fn finish(self) -> Result<(), Failure> {
        self.finish_as(0o666)
    }

    /// Writes all that the file will have in it.
    pub(super) fn write(&self, content: &[u8]) -> Result<(), Failure> {
        let written = self.file().write_all(content);
        written.map_err(|error| cannot_write(&self.path, error, self.existing))
    }

    /// Gives the file its name, with as much of `mode` as new files get.
    pub(super) fn finish_as(self, mode: u32) -> Result<(), Failure> {
        let Self { file, path, place, existing } = self;
        let finish = || {
            file.as_file().set_permissions(Permissions::from_mode(mode & !umask()))?;
            file.as_file().sync_all()?;
            let named = match existing {
                Existing::Replace => file.persist(&place),
                Existing::Keep | Existing::KeepUnlessForced => file.persist_noclobber(&place),
            };
            named.map_err(|error| error.error)
        };
        finish().map_err(|error| cannot_write(&path, error, existing))?;
        Ok(())
    }
}

/// Where a file is to be put. A new name is moved over what is there, so that nobody reads half
/// a file: over a device or a pipe, that would take it away from all who use it.
fn place(path: &Path, existing: Existing) -> Result<PathBuf, Failure> {
    if is_standard(path) {
        return Err(Failure::usage("this is written to a file, and not to standard output")
            .hint("name a file; ./- is one that is called -"));
    }
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(path.to_owned()) };
    let target = if found.is_symlink() {
        fs::metadata(path).map_err(|error| {
            let message = format!("{} is a link to what cannot be read", path.display());
            Failure { exit: Exit::Usage, error: anyhow!(error).context(message), hint: None }
        })?
    } else {
        found.clone()
    };
    if !target.is_file() {
        return Err(not_regular(path, target.file_type()));
    }
    if existing != Existing::Replace {
        return Err(cannot_write(path, io::ErrorKind::AlreadyExists.into(), existing));
    }
    if !found.is_symlink() {
        return Ok(path.to_owned());
    }
    fs::canonicalize(path).map_err(|error| cannot_write(path, error, existing))
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
