//! Entries that are no files, headers that lie, archives that do not end.

use plugboard::bundle::BundleLimits;

use super::{MANIFEST, Row, assert_codes, code_within, start, tar_code};
use crate::support::raw_tar::{RawHeader, RawTar, zstd};

#[test]
fn only_files_and_folders_are_entries() {
    for (kind, code) in [
        (b'1', "link_entry"),
        (b'2', "link_entry"),
        (b'K', "link_entry"),
        (b'3', "device_entry"),
        (b'4', "device_entry"),
        (b'6', "device_entry"),
        (b'S', "sparse_entry"),
        (b'M', "sparse_entry"),
        (b'7', "entry_type"),
        (b'D', "entry_type"),
        (b'N', "entry_type"),
        (b'V', "entry_type"),
        (b'X', "entry_type"),
        (b'A', "entry_type"),
        (0xff, "entry_type"),
    ] {
        let tar = start().entry(&RawHeader::new(kind, "x", 0), b"").end();
        assert_eq!(tar_code(&tar), code, "{}", kind.escape_ascii());
    }
}

#[test]
fn a_link_that_a_later_entry_goes_through_is_refused_first() {
    let link = RawHeader::new(b'2', "ui", 0).set(157..161, b"/etc");

    assert_eq!(tar_code(&start().entry(&link, b"").file("ui/passwd", b"x").end()), "link_entry");
}

#[test]
fn both_kinds_of_files_are_accepted() {
    let old = RawHeader::new(0, "ui/old", 1);
    let gnu = RawHeader::gnu(b'0', "ui/gnu", 1);

    assert_eq!(tar_code(&start().entry(&old, b"x").entry(&gnu, b"x").end()), "ok");
}

#[test]
fn a_header_has_one_reading() {
    let file = || RawHeader::new(b'0', "x", 1);
    let gnu = || RawHeader::gnu(b'0', "x", 1);
    let with = |header: RawHeader| start().entry(&header, b"x").end();
    assert_codes(&[
        ("no magic", "bad_header", with(file().set(257..265, &[0; 8]))),
        ("another magic", "bad_header", with(file().set(257..265, b"ustar\x0001"))),
        ("a GNU header with a prefix", "bad_header", with(gnu().set(345..347, b"ui"))),
        ("the target of a link", "bad_header", with(file().set(157..158, b"y"))),
        ("a hidden owner", "bad_header", with(file().set(265..268, b"a\0b"))),
        ("a hidden group", "bad_header", with(file().set(297..300, b"a\0b"))),
        ("data behind the fields", "bad_header", with(file().set(508..512, b"tar\0"))),
        ("no name", "bad_header", with(file().set(0..1, b"\0"))),
        (
            "no name, only a prefix",
            "bad_header",
            with(file().set(0..1, b"\0").set(345..347, b"ui")),
        ),
        (
            "an old folder renamed",
            "bad_header",
            start().pax(&[("path", "y")]).entry(&RawHeader::new(0, "x/", 1), b"x").end(),
        ),
        (
            "a folder with data",
            "bad_header",
            start().entry(&RawHeader::new(b'5', "x/", 1), b"x").end(),
        ),
        ("a bad owner", "bad_number", with(file().set(108..116, b"0008888\0"))),
        ("a bad group", "bad_number", with(file().set(116..124, b"0x00000\0"))),
        ("a bad time", "bad_number", with(file().set(136..148, b"yesterday\0\0\0"))),
        ("a bad minor device", "bad_number", with(file().set(337..345, b"0000009\0"))),
        ("a bad mode", "bad_number", with(file().set(100..108, b"rwxr-xr-"))),
        ("a bad device", "bad_number", with(file().set(329..337, b"-1\0\0\0\0\0\0"))),
    ]);
}

/// Ways to write a size.
pub(super) fn sizes() -> Vec<Row> {
    let sized = |size: &[u8; 12]| {
        let header = RawHeader::new(b'0', "x", 0).set(124..136, size);
        start().entry(&header, b"").end()
    };
    vec![
        ("plain", "ok", sized(b"00000000000\0")),
        ("padded", "ok", sized(b"         0 \0")),
        ("blank", "bad_number", sized(&[0; 12])),
        ("base 256", "bad_number", sized(b"\x80\0\0\0\0\0\0\0\0\0\0\0")),
        ("negative", "bad_number", sized(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")),
        ("decimal", "bad_number", sized(b"00000000009\0")),
        ("signed", "bad_number", sized(b"+0000000000\0")),
        ("hexadecimal", "bad_number", sized(b"0x000000000\0")),
        ("two numbers", "bad_number", sized(b"0000\x00000000\0")),
        ("8 GiB", "file_too_large", sized(b"100000000000")),
    ]
}

#[test]
fn a_size_has_one_reading() {
    assert_codes(&sizes());
}

/// Ways to write a checksum.
pub(super) fn checksums() -> Vec<Row> {
    let sum = |sum: &[u8; 8]| start().entry(&RawHeader::new(b'0', "x", 0).sum(*sum), b"").end();
    let odd = RawHeader::new(b'0', "x", 0).set(265..269, b"\xc3\xa9\xc3\xa9");
    let signed = odd.clone().sum(odd.signed_sum());
    vec![
        ("wrong", "bad_checksum", sum(b"000000\0 ")),
        ("blank", "bad_checksum", sum(b"        ")),
        ("of signed bytes", "bad_checksum", start().entry(&signed, b"").end()),
        ("of unsigned bytes", "ok", start().entry(&odd, b"").end()),
    ]
}

#[test]
fn a_header_must_have_its_checksum() {
    assert_codes(&checksums());
}

/// Ways to end an archive.
pub(super) fn ends() -> Vec<Row> {
    let smuggled = start().raw(&[0; 1024]).file("evil", b"x").end();
    let skipped = start().raw(&[0; 512]).file("evil", b"x").end();
    vec![
        ("nothing", "missing_end", start().open_end()),
        ("one block", "missing_end", start().raw(&[0; 512]).open_end()),
        ("a block and a half", "missing_end", start().raw(&[0; 700]).open_end()),
        ("an entry after one block", "missing_end", skipped),
        ("an entry after the end", "trailing_data", smuggled),
        ("a byte after the end", "trailing_data", start().raw(&[0; 1024]).raw(b"x").open_end()),
        ("ten kilobytes of zeros", "ok", start().raw(&[0; 10240]).open_end()),
        ("an odd number of zeros", "ok", start().raw(&[0; 1025]).open_end()),
    ]
}

#[test]
fn an_archive_ends_in_two_zero_blocks_and_zeros() {
    assert_codes(&ends());
}

#[test]
fn an_archive_cut_anywhere_is_refused() {
    let tar = start().folder("ui/").file("ui/x", &[7; 700]).end();
    for length in (0..tar.len() - 1024).step_by(97).chain([512, 1024, 1536]) {
        let code = tar_code(&tar[..length]);
        assert!(["missing_end", "truncated"].contains(&code), "{length}: {code}");
    }
}

#[test]
fn limits_count_exactly() {
    let limits = BundleLimits {
        max_entries: 3,
        max_file_bytes: 1000,
        max_manifest_bytes: MANIFEST.len() as u64,
        max_component_bytes: 10,
        ..BundleLimits::default()
    };
    let code = |tar: RawTar| code_within(&zstd(&tar.end()), &limits);
    let manifest = [MANIFEST, b" "].concat();

    assert_eq!(code(start().file("a", b"").file("b", b"")), "ok");
    assert_eq!(code(start().file("a", b"").file("b", b"").file("c", b"")), "too_many_entries");
    assert_eq!(code(start().folder("a").folder("b").folder("c")), "too_many_entries");
    assert_eq!(code(start().file("a/b/c", b"")), "too_many_entries");
    assert_eq!(code(start().folder("./").folder("./").folder("./")), "too_many_entries");
    assert_eq!(code(start().file("a", &[0; 1000])), "ok");
    assert_eq!(code(start().file("a", &[0; 1001])), "file_too_large");
    assert_eq!(code(RawTar::new().file("manifest.json", &manifest)), "manifest_too_large");
    assert_eq!(code(start().file("dist/main.wasm", &[0; 10])), "ok");
    assert_eq!(code(start().file("dist/main.wasm", &[0; 11])), "component_too_large");
}

#[test]
fn only_the_real_manifest_must_be_small() {
    let large = vec![b' '; 300 * 1024];
    let tar = RawTar::new().file("ui/manifest.json", &large).file("manifest.json", MANIFEST).end();

    assert_eq!(tar_code(&tar), "ok");
}

#[test]
fn fifty_thousand_entries_are_refused() {
    let files = (0..50_001).fold(start(), |tar, n| tar.file(&format!("f{n}"), b""));
    let folders = (0..50_001).fold(start(), |tar, n| tar.folder(&format!("d{n}")));

    assert_eq!(tar_code(&files.end()), "too_many_entries");
    assert_eq!(tar_code(&folders.end()), "too_many_entries");
}

#[test]
fn precompiled_code_is_ignored_with_a_warning() {
    let tar = start().file("precompiled/x86_64.cwasm", b"code").file("ui/precompiled/x", b"").end();

    let contents = plugboard::bundle::read(&zstd(&tar)[..], &BundleLimits::default()).unwrap();

    assert_eq!(tar_code(&tar), "ok");
    assert_eq!(contents.warnings[0].code, "precompiled_ignored");
    let paths: Vec<_> = contents.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["manifest.json", "ui/precompiled/x"]);
}
