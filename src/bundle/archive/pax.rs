//! PAX records and GNU long names: the two ways an entry can rename the next one.

use super::error::ArchiveError;
use super::paths::shown;

/// What a header before an entry said of it.
#[derive(Debug, Default)]
pub(super) struct Overrides {
    /// In place of the name in the entry's own header.
    pub(super) path: Option<Vec<u8>>,
    /// Must equal the size in the entry's own header.
    pub(super) size: Option<u64>,
}

/// The records of an `x` header.
pub(super) fn parse(data: &[u8], entry: u64) -> Result<Overrides, ArchiveError> {
    let mut overrides = Overrides::default();
    for_each_record(data, entry, |key, value| match key {
        "path" => {
            overrides.path = Some(value.to_vec());
            Ok(())
        }
        "size" => {
            let reason = "the size is not a decimal number";
            let size = decimal(value).ok_or(ArchiveError::PaxMalformed { entry, reason })?;
            overrides.size = Some(size);
            Ok(())
        }
        "linkpath" => Err(ArchiveError::LinkEntry { path: shown(value) }),
        key if key.starts_with("GNU.sparse.") => {
            Err(ArchiveError::SparseEntry { path: key.escape_debug().to_string() })
        }
        "mtime" | "atime" | "ctime" | "uid" | "gid" if !is_number(value) => {
            let reason = "a time or an owner is not a number";
            Err(ArchiveError::PaxMalformed { entry, reason })
        }
        key if is_harmless(key) => Ok(()),
        key => Err(ArchiveError::PaxKey { entry, key: shown(key.as_bytes()) }),
    })?;
    Ok(overrides)
}

/// A `g` header would change every entry that follows; only comments (`git archive`) may be in it.
pub(super) fn check_global(data: &[u8], entry: u64) -> Result<(), ArchiveError> {
    for_each_record(data, entry, |key, _| match key {
        "comment" => Ok(()),
        key => Err(ArchiveError::PaxKey { entry, key: shown(key.as_bytes()) }),
    })
}

/// The data of an `L` header: one name and one NUL.
pub(super) fn long_name(mut data: Vec<u8>, entry: u64) -> Result<Vec<u8>, ArchiveError> {
    let bad = |reason| Err(ArchiveError::LongName { entry, reason });
    if data.pop() != Some(0) {
        return bad("it does not end in a NUL");
    }
    if data.is_empty() {
        return bad("it is empty");
    }
    // Some readers stop at the first NUL, others at the end of the data.
    if data.contains(&0) {
        return bad("it has a NUL inside");
    }
    Ok(data)
}

/// Keys that say nothing of name, size or kind.
fn is_harmless(key: &str) -> bool {
    // To bsdtar and star these two are the real size and the real kind.
    if matches!(key, "SCHILY.realsize" | "SCHILY.filetype") {
        return false;
    }
    matches!(key, "mtime" | "atime" | "ctime" | "uid" | "gid" | "uname" | "gname" | "comment")
        || key.starts_with("SCHILY.")
        || key.starts_with("LIBARCHIVE.")
}

/// Calls `each` with every `LENGTH KEY=VALUE\n`; the length must be exact and a key there once.
fn for_each_record<'d>(
    mut data: &'d [u8],
    entry: u64,
    mut each: impl FnMut(&'d str, &'d [u8]) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    let mut keys = Vec::new();
    while !data.is_empty() {
        let malformed = |reason| ArchiveError::PaxMalformed { entry, reason };
        let (key, value) = take_record(&mut data).map_err(malformed)?;
        // Of two records with one key some readers take the first, others the last.
        if keys.contains(&key) {
            return Err(malformed("a key is there twice"));
        }
        keys.push(key);
        each(key, value)?;
    }
    Ok(())
}

fn take_record<'d>(data: &mut &'d [u8]) -> Result<(&'d str, &'d [u8]), &'static str> {
    let space = data.iter().position(|&b| b == b' ').ok_or("a record has no length")?;
    let length = decimal(&data[..space]).ok_or("the length is not a decimal number")?;
    let length = usize::try_from(length).map_err(|_| "a record is longer than the header")?;
    let (record, rest) =
        data.split_at_checked(length).ok_or("a record is longer than the header")?;
    *data = rest;
    let record = record.get(space + 1..).and_then(|r| r.strip_suffix(b"\n"));
    let record = record.ok_or("a record does not end where its length says")?;
    let equals = record.iter().position(|&b| b == b'=').ok_or("a record has no `=`")?;
    let key = str::from_utf8(&record[..equals]).map_err(|_| "a key is not UTF-8")?;
    let value = &record[equals + 1..];
    // A NUL or a line end in a name is where readers written in C part ways.
    if key.is_empty() || key.contains(['\0', '\n']) {
        return Err("a key is empty or has a control character");
    }
    if matches!(key, "path" | "size" | "linkpath") && value.is_empty() {
        return Err("a record has no value");
    }
    if value.contains(&0) && key == "path" {
        return Err("the path has a NUL inside");
    }
    Ok((key, value))
}

/// `12`, `-3`, `1700000000.25`: what tar readers that use the field can parse.
fn is_number(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let mut parts = text.splitn(2, |&b| b == b'.');
    parts.all(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit))
}

/// A decimal number in its one spelling: no sign, no leading zero.
fn decimal(text: &[u8]) -> Option<u64> {
    if !text.iter().all(u8::is_ascii_digit) || (text.len() > 1 && text[0] == b'0') {
        return None;
    }
    str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(data: &[u8]) -> &'static str {
        parse(data, 1).map_or_else(|error| error.code(), |_| "ok")
    }

    #[test]
    fn records_are_read_exactly() {
        assert_eq!(parse(b"9 path=a\n9 size=7\n", 1).unwrap().path, Some(b"a".to_vec()));
        assert_eq!(code(b"11 mtime=12\n9 size=7\n"), "pax_malformed");
        for broken in [
            &b"8 path=a\n"[..],
            b"11 path=a\n",
            b"09 path=a\n",
            b"+9 path=a\n",
            b"9 path=a\0",
            b"7 path\n",
            b"3 \n",
            b"path=a\n",
            b"99999999999999999999 path=a\n",
            b"18446744073709551615 path=a\n",
            b"9 path=a\n9 path=b\n",
            b"9 size=x\n",
            b"8 path=\n",
            b"9 path=\0\n",
            b"11 mtime=x\n",
            b"10 mtime=\n",
        ] {
            assert_eq!(code(broken), "pax_malformed", "{:?}", broken.escape_ascii().to_string());
        }
    }

    #[test]
    fn only_keys_without_meaning_are_ignored() {
        assert_eq!(code(b"13 uid=10000\n16 SCHILY.dev=1\n19 LIBARCHIVE.a=bc\n"), "ok");
        assert_eq!(code(b"21 SCHILY.realsize=1\n"), "pax_key");
        assert_eq!(code(b"21 hdrcharset=BINARY\n"), "pax_key");
        assert_eq!(code(b"22 GNU.sparse.major=1\n"), "sparse_entry");
        assert_eq!(code(b"14 linkpath=a\n"), "link_entry");
    }
}
