//! GNU tar, bsdtar and Python's tarfile list what we list.
//!
//! One process lists a whole folder of archives: starting three programs for
//! each of some hundred would take longer than all other tests of the reader.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use plugboard::bundle::{self, BundleContents, BundleLimits};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::{Listing, damage, damaged, ours};
use crate::hostile_archives::{MANIFEST, entries, paths, pax};
use crate::support::raw_tar::{RawHeader, RawTar, zstd};

/// What one program says of one archive.
#[derive(Debug, serde::Deserialize)]
#[serde(untagged)]
enum Seen {
    Listed(Listing),
    Refused(String),
}

/// The archives that we accept, by name.
#[derive(Default)]
struct Accepted(BTreeMap<String, (Vec<u8>, BundleContents)>);

impl Accepted {
    /// Takes an archive if we accept it; says whether we do.
    fn offer(&mut self, name: impl Into<String>, tar: Vec<u8>) -> bool {
        let Ok(contents) = bundle::read(&zstd(&tar)[..], &BundleLimits::default()) else {
            return false;
        };
        self.0.insert(name.into(), (tar, contents)).is_none()
    }

    /// Holds every archive against what the other programs see in it.
    fn assert_seen_alike(&self) {
        let folder = tempfile::tempdir().unwrap();
        for (name, (tar, _)) in &self.0 {
            fs::write(folder.path().join(format!("{name}.tar")), tar).unwrap();
        }
        let script = "tests/it/hostile_archives/differential/list_archives.py";
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
        let output = Command::new("python3").arg(script).arg(folder.path()).output().unwrap();
        let problems = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{problems}");
        let mut seen: BTreeMap<String, BTreeMap<String, Seen>> =
            serde_json::from_slice(&output.stdout).unwrap();
        for (name, (_, contents)) in &self.0 {
            let by_program = seen.remove(name).unwrap();
            assert_eq!(by_program.len(), 3);
            for (program, seen) in by_program {
                match seen {
                    Seen::Refused(why) => panic!("{program} refuses {name}: {why}"),
                    Seen::Listed(theirs) => {
                        assert_eq!(as_bundle(theirs), ours(contents), "{program}: {name}");
                    }
                }
            }
        }
    }
}

/// A listing as ours is made: without one folder above all, and without what
/// is ignored with a warning.
fn as_bundle(listing: Listing) -> Listing {
    let top = match listing.keys().next().and_then(|path| path.split_once('/')) {
        Some((top, _)) if !listing.contains_key("manifest.json") => format!("{top}/"),
        _ => String::new(),
    };
    let inner = |path: String| path.strip_prefix(&top).map(str::to_owned);
    listing
        .into_iter()
        .map(|(path, file)| (inner(path).unwrap(), file))
        .filter(|(path, _)| !path.starts_with("precompiled/"))
        .collect()
}

#[test]
fn the_corpus_is_seen_alike() {
    let mut accepted = Accepted::default();
    let tables = [
        ("paths", paths::ordinary_paths()),
        ("top-folders", paths::top_folders()),
        ("sizes", entries::sizes()),
        ("checksums", entries::checksums()),
        ("ends", entries::ends()),
        ("records", pax::harmless_records()),
        ("long-names", pax::long_names()),
        ("long-headers", pax::long_headers()),
    ];
    for (table, rows) in tables {
        for (row, (_, code, tar)) in rows.into_iter().enumerate() {
            assert_eq!(accepted.offer(format!("{table}-{row}"), tar), code == "ok");
        }
    }

    assert!(accepted.0.len() > 25, "{}", accepted.0.len());
    accepted.assert_seen_alike();
}

/// A folder as publishers have it, with a path that needs more than a name field.
fn folder_to_pack() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let deep = format!("ui/{}/{}.js", "a".repeat(90), "b".repeat(90));
    let files: [(&str, &[u8]); 4] = [
        ("manifest.json", MANIFEST),
        ("ui/index.html", b"<!doctype html>"),
        ("ui/empty.js", b""),
        (&deep, &[7; 3000]),
    ];
    for (path, content) in files {
        let file = folder.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }
    folder
}

/// The archive that `program` makes of `folder` in `format`.
fn packed(program: &str, format: &str, folder: &Path, what: &[&str]) -> Vec<u8> {
    let mut command = Command::new(program);
    command.arg(format!("--format={format}")).args(["-cf", "-", "-C"]).arg(folder).args(what);
    let output = command.output().unwrap();
    let problems = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {format}: {problems}");
    output.stdout
}

#[test]
fn what_gnu_tar_and_bsdtar_make_is_accepted_and_seen_alike() {
    let folder = folder_to_pack();
    let mut accepted = Accepted::default();
    let formats = [
        ("tar", "gnu"),
        ("tar", "oldgnu"),
        ("tar", "ustar"),
        ("tar", "posix"),
        ("bsdtar", "ustar"),
        ("bsdtar", "pax"),
        ("bsdtar", "gnutar"),
    ];
    for (program, format) in formats {
        for (ways, what) in [("named", &["manifest.json", "ui"][..]), ("dot", &["."][..])] {
            let name = format!("{program}-{format}-{ways}");
            let tar = packed(program, format, folder.path(), what);
            assert!(accepted.offer(&name, tar), "{name} is not accepted");
        }
    }

    accepted.assert_seen_alike();
}

/// One entry, in one of the ways that a path can be written.
fn write(tar: RawTar, path: &str, content: &[u8], way: u8) -> RawTar {
    let split = path.rsplit_once('/').filter(|(prefix, _)| prefix.len() <= 155);
    match (way, split) {
        (0, _) => tar.pax(&[("path", path), ("mtime", "1.5")]).file("p", content),
        (1, _) => tar.long_name(path).entry(&RawHeader::gnu(b'0', "l", content.len()), content),
        (2, Some((prefix, name))) => {
            let header = RawHeader::new(b'0', name, content.len());
            tar.entry(&header.set(345..345 + prefix.len(), prefix.as_bytes()), content)
        }
        _ => tar.file(path, content),
    }
}

/// Honest archives: some files, each path written in any of the ways there are.
fn honest() -> impl Strategy<Value = Vec<u8>> {
    let path = prop::collection::vec("[a-z0-9_@+-][a-zA-Z0-9_@+. ()-]{0,30}[a-z0-9]", 1..4);
    let content = prop::collection::vec(any::<u8>(), 0..1500);
    let files = prop::collection::vec((path, content, 0u8..4), 0..6);
    files.prop_map(|files| {
        let start = RawTar::new().file("manifest.json", MANIFEST);
        let written = files.iter().enumerate().fold(start, |tar, (n, (path, content, way))| {
            write(tar, &format!("ui/{n}/{}", path.join("/")), content, *way)
        });
        written.end()
    })
}

/// Some of what a strategy makes, the same in every run.
fn some_of<T: std::fmt::Debug>(count: usize, strategy: &impl Strategy<Value = T>) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

#[test]
fn honest_archives_are_accepted_and_seen_alike() {
    let mut accepted = Accepted::default();
    for (number, tar) in some_of(150, &honest()).into_iter().enumerate() {
        assert!(accepted.offer(number.to_string(), tar), "{number} is not accepted");
    }

    accepted.assert_seen_alike();
}

#[test]
fn damaged_archives_that_we_accept_are_seen_alike() {
    let mut accepted = Accepted::default();
    for (number, changes) in some_of(600, &damage()).into_iter().enumerate() {
        accepted.offer(number.to_string(), damaged(changes));
    }

    assert!(accepted.0.len() > 60, "{}", accepted.0.len());
    accepted.assert_seen_alike();
}
