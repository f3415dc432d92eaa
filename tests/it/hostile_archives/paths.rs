//! Names that lead out of the folder, or to one file under two names.

use super::{MANIFEST, Row, assert_codes, start, tar_code};
use crate::support::raw_tar::{RawHeader, RawTar};

#[test]
fn a_path_that_leaves_the_folder_refuses_the_bundle() {
    for path in [
        "../evil",
        "ui/../../evil",
        "ui/..",
        "..",
        "./../evil",
        "/etc/passwd",
        "//etc/passwd",
        "C:/evil",
        "C:evil",
        "c:\\evil",
        "\\evil",
        "\\\\host\\share",
        "..\\evil",
        "ui\\..\\evil",
    ] {
        assert_eq!(tar_code(&start().file(path, b"x").end()), "path_traversal", "{path}");
    }
}

#[test]
fn a_path_that_not_every_system_has_refuses_the_bundle() {
    let deep = "d/".repeat(16) + "f";
    let long = "n".repeat(241);
    for path in [
        "ui/./x",
        "././x",
        "ui//x",
        "ui/x/",
        ".git/config",
        "ui/.env",
        "ui/x.",
        "ui/x ",
        "ui/ x",
        "ui/%2e%2e/x",
        "ui/a\tb",
        "ui/a\u{7f}b",
        "ui/a\nb",
        "ui/a:b",
        "ui/a*b",
        "ui/caf\u{e9}",
        "ui/cafe\u{301}",
        "ui/\u{202e}gpj.exe",
        "ui/\u{ff0e}\u{ff0e}/x",
        "ui/con",
        "ui/NUL.txt",
        "aux/x",
        "ui/com1.js",
        deep.as_str(),
        long.as_str(),
    ] {
        assert_eq!(tar_code(&start().file(path, b"x").end()), "path_invalid", "{path}");
    }
}

#[test]
fn a_name_that_is_not_utf8_refuses_the_bundle() {
    let header = RawHeader::new(b'0', "ui/x", 1).set(3..4, b"\xff");

    assert_eq!(tar_code(&start().entry(&header, b"x").end()), "path_encoding");
}

#[test]
fn bytes_behind_the_end_of_a_name_refuse_the_bundle() {
    let header = RawHeader::new(b'0', "ui/x.png", 1).set(8..15, b"\0/x.php");

    assert_eq!(tar_code(&start().entry(&header, b"x").end()), "bad_header");
}

#[test]
fn two_entries_are_never_one_file() {
    assert_codes(&[
        ("exact", "duplicate_entry", start().file("a", b"1").file("a", b"2").end()),
        ("a second manifest", "duplicate_entry", start().file("manifest.json", MANIFEST).end()),
        ("with `./`", "duplicate_entry", start().file("a", b"1").file("./a", b"2").end()),
        ("folders", "duplicate_entry", start().folder("a/").folder("a").end()),
        ("case", "case_collision", start().file("a", b"1").file("A", b"2").end()),
        ("manifest case", "case_collision", start().file("Manifest.json", MANIFEST).end()),
        ("folder case", "case_collision", start().file("a/x", b"1").file("A/y", b"2").end()),
        ("file as folder", "path_conflict", start().file("a", b"1").file("a/b", b"2").end()),
        ("folder as file", "path_conflict", start().file("a/b", b"1").file("a", b"2").end()),
        ("entry as file", "path_conflict", start().folder("a/").file("a", b"2").end()),
    ]);
}

/// Paths that bundles have.
pub(super) fn ordinary_paths() -> Vec<Row> {
    let deepest = "d/".repeat(15) + "f";
    let longest = format!("{}/{}", "n".repeat(120), "m".repeat(119));
    let prefixed = RawHeader::new(b'0', "x.js", 1).set(345..354, b"ui/prefix");
    let full_name = "n".repeat(100);
    vec![
        ("deep", "ok", start().file(&deepest, b"x").end()),
        ("long", "ok", start().file(&longest, b"x").end()),
        ("a whole name field", "ok", start().file(&full_name, b"x").end()),
        ("prefix", "ok", start().entry(&prefixed, b"x").end()),
        ("symbols", "ok", start().file("ui/a (1) [b]+@_.js", b"x").end()),
        ("well-known", "ok", start().file("ui/.well-known/x", b"x").end()),
        ("dots inside", "ok", start().file("ui/a..b.js", b"x").end()),
        ("like a device", "ok", start().file("ui/console.js", b"x").end()),
        ("folders", "ok", start().folder("ui/").file("ui/x", b"x").folder("ui/y/").end()),
        ("implied, then named", "ok", start().file("ui/x", b"x").folder("ui/").end()),
        (
            "`./` everywhere",
            "ok",
            RawTar::new().folder("./").file("./manifest.json", MANIFEST).folder("./ui/").end(),
        ),
    ]
}

#[test]
fn ordinary_paths_are_accepted() {
    assert_codes(&ordinary_paths());
}

/// Archives below one folder, and what only looks like them.
pub(super) fn top_folders() -> Vec<Row> {
    let below = |top: &str| {
        RawTar::new()
            .folder(&format!("{top}/"))
            .file(&format!("{top}/manifest.json"), MANIFEST)
            .file(&format!("{top}/ui/index.html"), b"<p>")
    };
    vec![
        ("one folder", "ok", below("my-ext-1.0").end()),
        ("`./` and one folder", "ok", below("./my-ext").end()),
        ("two folders deep", "manifest_missing", below("a/b").end()),
        ("a file beside it", "manifest_missing", below("a").file("b", b"").end()),
        ("a folder beside it", "manifest_missing", below("a").folder("b/").end()),
        ("both manifests", "ok", below("a").file("manifest.json", MANIFEST).end()),
        ("no manifest", "manifest_missing", RawTar::new().file("ui/x", b"").end()),
        ("nothing at all", "manifest_missing", RawTar::new().end()),
    ]
}

#[test]
fn one_top_folder_is_no_part_of_the_paths() {
    assert_codes(&top_folders());
}
