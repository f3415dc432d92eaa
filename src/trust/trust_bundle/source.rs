//! Where the text of a trust bundle comes from, and whether others could have changed it.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::TrustBundleError;

/// The largest trust bundle, in bytes.
pub(super) const MAX_BYTES: u64 = 1024 * 1024;

/// What a text looks like; never judged by a file's name.
pub(super) enum Shape {
    Pem,
    Json,
}

impl Shape {
    pub(super) fn of(text: &str) -> Option<Self> {
        let text = text.trim_start();
        if text.starts_with('{') {
            Some(Self::Json)
        } else {
            text.starts_with("-----BEGIN ").then_some(Self::Pem)
        }
    }
}

/// The text a setting means: itself, if it is PEM or JSON, else the file's.
pub(super) fn read(setting: &str) -> Result<String, TrustBundleError> {
    let text = match Shape::of(setting) {
        Some(_) => setting.to_owned(),
        None => read_file(Path::new(setting.trim()))?,
    };
    let size = text.len() as u64;
    if size > MAX_BYTES { Err(TrustBundleError::TooLarge(size)) } else { Ok(text) }
}

fn read_file(path: &Path) -> Result<String, TrustBundleError> {
    let failed = |error: std::io::Error| TrustBundleError::Read(error.to_string());
    let mut file = open(path).map_err(failed)?;
    // Of the file that is open, so that it cannot be another one afterwards.
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(TrustBundleError::NotAFile);
    }
    // Whoever can write the file decides what runs here.
    let mode = metadata.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(TrustBundleError::Writable(mode));
    }
    let owner = metadata.uid();
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(TrustBundleError::Owner(owner));
    }
    let mut text = String::new();
    file.by_ref().take(MAX_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// Without waiting: a named pipe would hold up the start for ever.
fn open(path: &Path) -> std::io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}
