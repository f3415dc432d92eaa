//! Headers that change what the next entry is.

use super::{Row, assert_codes, start};
use crate::support::raw_tar::{RawHeader, RawTar, pax_record};

/// An archive whose last entry `x` has one byte and these PAX records.
fn with(records: &[(&str, &str)]) -> Vec<u8> {
    start().pax(records).file("x", b"1").end()
}

fn with_bytes(data: &[u8]) -> Vec<u8> {
    start().pax_bytes(data).file("x", b"1").end()
}

/// Records that say nothing about which file it is.
pub(super) fn harmless_records() -> Vec<Row> {
    vec![
        ("a path", "ok", with(&[("path", "ui/renamed.js")])),
        ("the same size", "ok", with(&[("size", "1")])),
        ("times", "ok", with(&[("mtime", "1700000000.123"), ("atime", "-1"), ("ctime", "0")])),
        ("owners", "ok", with(&[("uid", "70000"), ("gid", "1"), ("uname", "é"), ("gname", "g")])),
        ("a comment", "ok", with(&[("comment", "hello\nthere")])),
        ("bsdtar's own", "ok", with(&[("LIBARCHIVE.creationtime", "1"), ("SCHILY.dev", "5")])),
        ("git's comment", "ok", global(&[("comment", "0123")])),
        (
            "a comment, then a record",
            "ok",
            RawTar::new()
                .raw(&global_header(&[("comment", "0123")]))
                .pax(&[("path", "manifest.json")])
                .file("m", super::MANIFEST)
                .end(),
        ),
    ]
}

#[test]
fn harmless_records_are_accepted() {
    assert_codes(&harmless_records());
}

#[test]
fn records_that_change_the_meaning_of_an_entry_are_refused() {
    assert_codes(&[
        ("another size", "pax_conflict", with(&[("size", "0")])),
        ("a larger size", "pax_conflict", with(&[("size", "4096")])),
        ("a size for a folder", "pax_conflict", start().pax(&[("size", "1")]).folder("x/").end()),
        ("a link", "link_entry", with(&[("linkpath", "/etc/passwd")])),
        ("sparse 1.0", "sparse_entry", with(&[("GNU.sparse.major", "1")])),
        ("sparse name", "sparse_entry", with(&[("GNU.sparse.name", "y")])),
        ("another character set", "pax_key", with(&[("hdrcharset", "BINARY")])),
        ("star's real size", "pax_key", with(&[("SCHILY.realsize", "5")])),
        ("star's real kind", "pax_key", with(&[("SCHILY.filetype", "sparse")])),
        ("an unknown vendor", "pax_key", with(&[("ACME.path", "y")])),
        ("a deletion", "pax_malformed", with(&[("path", "")])),
        ("traversal", "path_traversal", with(&[("path", "../x")])),
        ("absolute", "path_traversal", with(&[("path", "/x")])),
        ("a slash at the end", "path_invalid", with(&[("path", "x/")])),
        ("a NUL", "pax_malformed", with(&[("path", "a\0b")])),
        ("a duplicate of the manifest", "duplicate_entry", with(&[("path", "manifest.json")])),
    ]);
}

#[test]
fn records_are_exact() {
    let not_utf8 = pax_record("path", b"\xff");
    assert_codes(&[
        ("twice", "pax_malformed", with(&[("path", "a"), ("path", "b")])),
        ("harmless and twice", "pax_malformed", with(&[("mtime", "1"), ("mtime", "1")])),
        ("too short", "pax_malformed", with_bytes(b"8 path=a\n")),
        ("too long", "pax_malformed", with_bytes(b"11 path=a\n")),
        ("zero", "pax_malformed", with_bytes(b"0 path=a\n")),
        ("no line end", "pax_malformed", with_bytes(b"9 path=ab")),
        ("leading zero", "pax_malformed", with_bytes(b"011 path=a\n")),
        ("overflow", "pax_malformed", with_bytes(b"18446744073709551617 a=b\n")),
        ("no equals sign", "pax_malformed", with_bytes(b"7 path\n")),
        ("no key", "pax_malformed", with_bytes(b"5 =a\n")),
        ("a NUL in a key", "pax_malformed", with_bytes(b"20 SCHILY.a\0path=xy\n")),
        ("a line end in a key", "pax_malformed", with_bytes(b"20 SCHILY.a\npath=xy\n")),
        ("garbage at the end", "pax_malformed", with_bytes(b"9 path=a\n\0\0\0")),
        ("not UTF-8", "path_encoding", with_bytes(&not_utf8)),
        ("a time that is none", "pax_malformed", with(&[("mtime", "yesterday")])),
    ]);
}

#[test]
fn one_header_at_most_describes_an_entry() {
    assert_codes(&[
        (
            "PAX twice",
            "pax_conflict",
            start().pax(&[("path", "a")]).pax(&[("path", "b")]).file("x", b"1").end(),
        ),
        (
            "PAX, then GNU",
            "pax_conflict",
            start().pax(&[("path", "a")]).long_name("b").file("x", b"1").end(),
        ),
        (
            "GNU, then PAX",
            "pax_conflict",
            start().long_name("b").pax(&[("path", "a")]).file("x", b"1").end(),
        ),
        ("GNU twice", "pax_conflict", start().long_name("a").long_name("b").file("x", b"1").end()),
        (
            "a global in between",
            "pax_conflict",
            start()
                .pax(&[("path", "a")])
                .raw(&global_header(&[("comment", "c")]))
                .file("x", b"1")
                .end(),
        ),
        ("PAX at the end", "pax_conflict", start().pax(&[("path", "a")]).end()),
        ("GNU at the end", "pax_conflict", start().long_name("a").end()),
    ]);
}

#[test]
fn a_global_header_has_only_comments() {
    assert_codes(&[
        ("path", "pax_key", global(&[("path", "evil")])),
        ("size", "pax_key", global(&[("size", "0")])),
        ("mtime", "pax_key", global(&[("mtime", "0")])),
        ("comment and path", "pax_key", global(&[("comment", "x"), ("path", "evil")])),
    ]);
}

/// Names in entries of their own.
pub(super) fn long_names() -> Vec<Row> {
    let named = |data: &[u8]| {
        let header = RawHeader::gnu(b'L', "././@LongLink", data.len());
        start().entry(&header, data).file("x", b"1").end()
    };
    let long = format!("ui/{}\0", "x".repeat(180));
    vec![
        ("long", "ok", named(long.as_bytes())),
        ("a folder", "ok", start().long_name("a/b/").folder("a/b/").end()),
        ("no NUL", "long_name", named(b"ui/y")),
        ("two NULs", "long_name", named(b"ui/y\0\0")),
        ("a NUL inside", "long_name", named(b"ui/y\0z\0")),
        ("empty", "long_name", named(b"\0")),
        ("no data", "long_name", named(b"")),
        ("traversal", "path_traversal", named(b"../x\0")),
        ("too long for a path", "path_invalid", named(&[&[b'a'; 300][..], b"\0"].concat())),
        ("too long to be read", "pax_too_large", named(&vec![b'a'; 70_000])),
    ]
}

#[test]
fn a_long_name_is_one_name() {
    assert_codes(&long_names());
}

/// Records up to their limit, and above it.
pub(super) fn long_headers() -> Vec<Row> {
    let comment = "c".repeat(64 * 1024 - 16);
    let header = RawHeader::new(b'x', "p", 512 << 20);
    vec![
        ("64 KiB", "ok", with(&[("comment", &comment)])),
        ("more", "pax_too_large", with(&[("comment", &comment.repeat(2))])),
        ("512 MiB announced", "pax_too_large", start().entry(&header, b"").end()),
    ]
}

#[test]
fn a_header_of_headers_is_bounded() {
    assert_codes(&long_headers());
}

fn global_header(records: &[(&str, &str)]) -> Vec<u8> {
    let data: Vec<u8> = records.iter().flat_map(|(k, v)| pax_record(k, v.as_bytes())).collect();
    RawTar::new().entry(&RawHeader::new(b'g', "pax_global_header", data.len()), &data).open_end()
}

fn global(records: &[(&str, &str)]) -> Vec<u8> {
    RawTar::new().raw(&global_header(records)).raw(&start().end()).open_end()
}
