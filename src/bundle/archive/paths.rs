//! From the name an archive gives to a path we can use.

use super::error::ArchiveError;
use crate::model::AssetPath;

/// The path of an entry; `None` is the folder everything is in (`./`).
pub(super) fn entry_path(
    raw: &[u8],
    is_folder: bool,
    entry: u64,
) -> Result<Option<AssetPath>, ArchiveError> {
    // A name that is not UTF-8 is a different file for every reader.
    let text = str::from_utf8(raw).map_err(|_| ArchiveError::PathEncoding { entry })?;
    let text = if is_folder { text.strip_suffix('/').unwrap_or(text) } else { text };
    if is_folder && text == "." {
        return Ok(None);
    }
    let text = text.strip_prefix("./").unwrap_or(text);
    // The whole bundle is refused and not only this entry: a reader that skips
    // what it dislikes shows another bundle than one that does not.
    match text.parse() {
        Ok(path) => Ok(Some(path)),
        Err(_) if escapes(text) => Err(ArchiveError::PathTraversal { path: shown(raw) }),
        Err(reason) => Err(ArchiveError::PathInvalid { path: shown(raw), reason }),
    }
}

/// Absolute, on a drive, or upwards, to any operating system.
fn escapes(text: &str) -> bool {
    let has_drive = text.as_bytes().get(1) == Some(&b':');
    has_drive || text.starts_with(['/', '\\']) || text.split(['/', '\\']).any(|s| s == "..")
}

/// A name as a message can show it: control characters escaped, and not too long.
pub(super) fn shown(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    let mut shown: String = text.chars().take(120).collect::<String>().escape_debug().collect();
    if text.chars().nth(120).is_some() {
        shown.push('…');
    }
    shown
}
