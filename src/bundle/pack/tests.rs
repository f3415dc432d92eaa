//! Folders that become bundles, and folders that do not.

use std::os::unix::fs::{PermissionsExt, symlink};

use tempfile::TempDir;

use super::*;
use crate::bundle;

const MANIFEST: &str = r#"{"name":"com.example.a","version":"1.0.0","runtime":"wasm-js@1"}"#;

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in [("manifest.json", MANIFEST.as_bytes())].iter().chain(files) {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

fn packed(folder: &TempDir) -> (Packed, Vec<u8>) {
    let mut archive = Vec::new();
    (pack(folder.path(), &mut archive).unwrap(), archive)
}

/// `path code` of every problem.
fn problems(folder: &TempDir) -> Vec<String> {
    match pack(folder.path(), &mut io::sink()) {
        Err(PackError::Problems(found)) => {
            found.iter().map(|p| format!("{} {}", p.path, p.code)).collect()
        }
        outcome => panic!("{outcome:?}"),
    }
}

#[test]
fn what_is_packed_is_read_back() {
    let long = format!("ui/{}/{}.js", "d".repeat(100), "f".repeat(100));
    let folder =
        folder(&[("ui/z.js", b"z"), ("ui/a.js", &vec![7; 100_000]), (&long, b""), ("b", b"b")]);

    let (packed, archive) = packed(&folder);

    let contents = bundle::read(&archive[..], &BundleLimits::default()).unwrap();
    assert_eq!(contents.files, packed.files);
    assert_eq!((contents.content_hash, contents.size), (packed.content_hash, packed.size));
    assert_eq!(contents.manifest, MANIFEST.as_bytes());
}

#[test]
fn the_same_files_make_the_same_bytes_everywhere() {
    let files: [(&str, &[u8]); 3] =
        [("ui/a.js", b"a"), ("ui/b/c.js", b"c"), ("dist/main.wasm", b"w")];
    let (first, mut second) = (folder(&files), files);
    second.reverse();
    let second = folder(&second);
    fs::set_permissions(second.path().join("ui/a.js"), fs::Permissions::from_mode(0o700)).unwrap();
    let old = fs::File::open(second.path().join("ui/a.js")).unwrap();
    old.set_modified(std::time::UNIX_EPOCH).unwrap();

    let (one, other) = (packed(&first), packed(&second));

    assert_eq!(one, other);
    // A change of this hash is a change of everyone's hashes.
    assert_eq!(
        one.0.content_hash.hex(),
        "ee02d517876026424ecfb934ee77cd34294b97d1f41f39a22c66287e9ee32712"
    );
}

#[test]
fn the_manifest_comes_first() {
    let (_, archive) = packed(&folder(&[("a", b""), ("dist/x", b"")]));
    let mut order = Vec::new();

    bundle::unpack(io::Cursor::new(archive), &BundleLimits::default(), &mut |path, _| {
        order.push(path.to_string());
        Ok(())
    })
    .unwrap();

    assert_eq!(order, ["manifest.json", "a", "dist/x"]);
}

#[test]
fn dot_files_are_left_out_and_named() {
    let folder = folder(&[
        (".git/config", b""),
        ("ui/.env", b"SECRET"),
        ("ui/.well-known/x", b""),
        (".DS_Store", b""),
    ]);

    let (packed, _) = packed(&folder);

    assert_eq!(packed.left_out, [".DS_Store", ".git", "ui/.env"]);
    let paths: Vec<_> = packed.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["manifest.json", "ui/.well-known/x"]);
}

#[test]
fn everything_wrong_is_said_at_once() {
    let folder = folder(&[
        ("ui/caf\u{e9}.js", b""),
        ("ui/Same.js", b""),
        ("ui/same.js", b""),
        ("manifest.json", br#"{"name":"com.example.a","runtime":"x"}"#),
    ]);
    symlink("/etc/passwd", folder.path().join("ui/link")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, folder.path().join("pipe"), 0o600.into()).unwrap();

    assert_eq!(
        problems(&folder),
        [
            "pipe device_entry",
            "ui/Same.js case_collision",
            "ui/café.js path_invalid",
            "ui/link link_entry",
            "version missing",
            "runtime runtime_invalid",
        ]
    );
}

#[test]
fn a_manifest_must_be_there_with_the_files_it_names() {
    let none = folder(&[]);
    fs::remove_file(none.path().join("manifest.json")).unwrap();
    let manifest = MANIFEST.replace('}', r#","ui":{"type":"iframe","entry":"ui/index.html"}}"#);
    let no_page = folder(&[("manifest.json", manifest.as_bytes())]);

    assert_eq!(problems(&none), ["manifest.json manifest_missing"]);
    assert_eq!(problems(&no_page), ["ui.entry ui_entry_missing"]);
}

#[test]
fn a_bundle_that_would_be_refused_is_not_made() {
    let folder = folder(&[]);
    let sparse = |path: &str, size| {
        let file = fs::File::create(folder.path().join(path)).unwrap();
        file.set_len(size).unwrap();
    };
    sparse("zeros", 80 << 20);

    assert_eq!(problems(&folder), ["$ bomb_ratio"]);
    sparse("zeros", (256 << 20) + 1);
    assert_eq!(problems(&folder), ["zeros file_too_large"]);
}

#[test]
fn a_file_that_changes_while_it_is_packed_is_noticed() {
    let folder = folder(&[("a", b"four")]);
    for size in [3, 5] {
        let path = "a".parse().unwrap();
        let file = SourceFile { source: folder.path().join("a"), path, size };

        let outcome = write_archive(&[file], &mut HashingWriter::new(&mut io::sink()));

        assert!(matches!(outcome, Err(PackError::Changed { .. })), "{size}");
    }
}
