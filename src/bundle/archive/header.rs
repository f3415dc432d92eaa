//! One tar header block, read so that no two parsers can understand it differently.
//!
//! Fields we do not use are held to their format all the same: a reader that
//! does use them might otherwise stop, skip or guess where we go on.

use super::error::ArchiveError;
use super::paths::shown;

/// Tar headers and the padding of file data come in blocks of this size.
pub(super) const BLOCK_BYTES: usize = 512;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryKind {
    File,
    Folder,
    /// PAX records for the next entry.
    Pax,
    /// PAX records for all entries that follow.
    GlobalPax,
    /// The name of the next entry, in GNU's way.
    LongName,
}

/// A checked header block.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) kind: EntryKind,
    pub(super) size: u64,
    /// Prefix and name as one path, as the block has them.
    pub(super) path: Vec<u8>,
}

/// A header block and the number of its entry, for messages.
struct Block<'b> {
    bytes: &'b [u8; BLOCK_BYTES],
    entry: u64,
}

impl Header {
    /// Parses the block of the archive's `entry`th header.
    pub(super) fn parse(bytes: &[u8; BLOCK_BYTES], entry: u64) -> Result<Self, ArchiveError> {
        let block = Block { bytes, entry };
        block.check_sum()?;
        let is_ustar = block.is_ustar()?;
        let path = block.path(is_ustar)?;
        let kind = block.kind(&path)?;
        let size = block.number(124..136, "size")?;
        block.check_unused_fields()?;
        // Some readers skip a folder's data and some do not.
        if kind == EntryKind::Folder && size > 0 {
            return Err(block.bad("a folder has data"));
        }
        Ok(Self { kind, size, path })
    }
}

impl Block<'_> {
    fn bad(&self, reason: &'static str) -> ArchiveError {
        ArchiveError::BadHeader { entry: self.entry, reason }
    }

    /// The sum of all bytes, the checksum's own counted as spaces.
    ///
    /// Bytes count as unsigned: a header whose signed sum fits is read by some
    /// tools and taken for the end by others.
    fn check_sum(&self) -> Result<(), ArchiveError> {
        let total: u64 = self.bytes.iter().map(|&b| u64::from(b)).sum();
        let own: u64 = self.bytes[148..156].iter().map(|&b| u64::from(b)).sum();
        let sum = total - own + 8 * u64::from(b' ');
        if octal(&self.bytes[148..156]) == Ok(Some(sum)) {
            Ok(())
        } else {
            Err(ArchiveError::BadChecksum { entry: self.entry })
        }
    }

    /// Tells POSIX headers from GNU ones; only the former have a prefix.
    fn is_ustar(&self) -> Result<bool, ArchiveError> {
        match &self.bytes[257..265] {
            b"ustar\x0000" => Ok(true),
            b"ustar  \0" => Ok(false),
            _ => Err(self.bad("it is neither of the ustar nor of the GNU format")),
        }
    }

    fn path(&self, is_ustar: bool) -> Result<Vec<u8>, ArchiveError> {
        let name = self.text(0..100)?;
        let mut path = Vec::with_capacity(256);
        if is_ustar {
            let prefix = self.text(345..500)?;
            if !prefix.is_empty() {
                path.extend_from_slice(prefix);
                path.push(b'/');
            }
        } else if self.bytes[345..500].iter().any(|&b| b != 0) {
            // Times and sparse maps to GNU tar, the front of the name to others.
            return Err(self.bad("a GNU header has data where ustar has the prefix"));
        }
        if name.is_empty() {
            return Err(self.bad("the name is empty"));
        }
        path.extend_from_slice(name);
        Ok(path)
    }

    fn kind(&self, path: &[u8]) -> Result<EntryKind, ArchiveError> {
        let shown = || shown(path);
        Ok(match self.bytes[156] {
            // A folder to old readers, whatever a PAX header renames it to.
            0 if path.ends_with(b"/") => return Err(self.bad("the name of a file ends in `/`")),
            b'0' | 0 => EntryKind::File,
            b'5' => EntryKind::Folder,
            b'x' => EntryKind::Pax,
            b'g' => EntryKind::GlobalPax,
            b'L' => EntryKind::LongName,
            // A link lets a later entry, or a reader, reach outside of the bundle.
            b'1' | b'2' | b'K' => return Err(ArchiveError::LinkEntry { path: shown() }),
            b'3' | b'4' | b'6' => return Err(ArchiveError::DeviceEntry { path: shown() }),
            b'S' | b'M' => return Err(ArchiveError::SparseEntry { path: shown() }),
            kind => {
                let kind = format!("`{}`", kind.escape_ascii());
                return Err(ArchiveError::EntryType { path: shown(), kind });
            }
        })
    }

    /// Owners, times and devices mean nothing to us, but a reader that parses them must not stop.
    fn check_unused_fields(&self) -> Result<(), ArchiveError> {
        for (range, field) in [
            (100..108, "mode"),
            (108..116, "uid"),
            (116..124, "gid"),
            (136..148, "mtime"),
            (329..337, "devmajor"),
            (337..345, "devminor"),
        ] {
            // GNU tar writes large ids and early times as two's complement.
            let binary = matches!(self.bytes[range.start], 0x80 | 0xff);
            if !(binary && field != "mode") && octal(&self.bytes[range]).is_err() {
                return Err(ArchiveError::BadNumber { entry: self.entry, field });
            }
        }
        self.text(265..297)?;
        self.text(297..329)?;
        if self.bytes[157..257].iter().any(|&b| b != 0) {
            return Err(self.bad("it has the target of a link"));
        }
        if self.bytes[500..].iter().any(|&b| b != 0) {
            return Err(self.bad("there is data behind the last field"));
        }
        Ok(())
    }

    fn number(
        &self,
        range: std::ops::Range<usize>,
        field: &'static str,
    ) -> Result<u64, ArchiveError> {
        let bad = ArchiveError::BadNumber { entry: self.entry, field };
        octal(&self.bytes[range]).ok().flatten().ok_or(bad)
    }

    /// A field up to its first NUL, behind which nothing may hide.
    fn text(&self, range: std::ops::Range<usize>) -> Result<&[u8], ArchiveError> {
        let field = &self.bytes[range];
        let length = field.iter().position(|&b| b == 0).unwrap_or(field.len());
        let (text, rest) = field.split_at(length);
        if rest.iter().any(|&b| b != 0) {
            return Err(self.bad("a text field goes on behind its end"));
        }
        Ok(text)
    }
}

/// The field is not blank and not a plain octal number.
#[derive(Debug, PartialEq, Eq)]
struct NotOctal;

/// Spaces, octal digits, spaces or NULs; `None` without a digit.
fn octal(field: &[u8]) -> Result<Option<u64>, NotOctal> {
    let start = field.iter().position(|&b| b != b' ').unwrap_or(field.len());
    let field = &field[start..];
    let length = field.iter().position(|b| !(b'0'..=b'7').contains(b)).unwrap_or(field.len());
    let (digits, rest) = field.split_at(length);
    if rest.iter().any(|&b| b != 0 && b != b' ') {
        return Err(NotOctal);
    }
    // At most twelve digits: no overflow.
    let value = digits.iter().fold(0, |value, &digit| value * 8 + u64::from(digit - b'0'));
    Ok((!digits.is_empty()).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_fields_have_one_meaning() {
        for (field, value) in [
            (&b"0000644\0"[..], Ok(Some(0o644))),
            (b"   644 \0", Ok(Some(0o644))),
            (b"77777777", Ok(Some(0o7777_7777))),
            (b"\0\0\0\0\0\0\0\0", Ok(None)),
            (b"        ", Ok(None)),
            (b"0000648\0", Err(NotOctal)),
            (b"0x00644\0", Err(NotOctal)),
            (b"+000644\0", Err(NotOctal)),
            (b"-1\0\0\0\0\0\0", Err(NotOctal)),
            (b"64\x0012\0\0\0", Err(NotOctal)),
            (b"\x80\0\0\0\0\0\0\x07", Err(NotOctal)),
        ] {
            assert_eq!(octal(field), value, "{field:?}");
        }
    }
}
