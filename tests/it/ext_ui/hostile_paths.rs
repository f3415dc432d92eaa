//! No part of an address becomes a path of the file system (docs/SECURITY.md,
//! "Pages of extensions").

use std::collections::BTreeMap;

use axum::http::StatusCode;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;

use super::{PAGE, get, serving};

/// What an address is put together from.
const PIECES: [&str; 30] = [
    "index.html",
    "app.js",
    "assets",
    "empty.txt",
    "manifest.json",
    "docs",
    "secret.html",
    "ui",
    "/",
    "/",
    "/",
    "//",
    "..",
    ".",
    "%2e",
    "%2E%2e",
    "%2f",
    "%5c",
    "\\",
    "%00",
    "%252e",
    "%20",
    "%c0%ae",
    "%ff",
    ";",
    "?x=/../",
    "~",
    "C:",
    "nul",
    "a",
];

/// The files of the bundle below `ui/`.
fn files() -> BTreeMap<&'static str, &'static str> {
    BTreeMap::from([
        ("index.html", PAGE),
        ("app.js", super::SCRIPT),
        ("assets/a b (1).css", "p {}"),
        ("assets/logo.svg", "<svg onload=\"alert(1)\"/>"),
        ("assets/data.xhtml", "<html/>"),
        ("assets/LICENSE", "MIT"),
        (".well-known/x.json", "{}"),
        ("empty.txt", ""),
    ])
}

/// What an address below the bundle's may answer: a file by its exact name, or
/// the entry page where no file could be meant.
fn may_answer(path: &str, text: &str) -> bool {
    let path = path.split('?').next().unwrap();
    let Ok(decoded) = percent_encoding::percent_decode_str(path).decode_utf8() else {
        return false;
    };
    match files().get(&*decoded) {
        Some(file) => text == *file,
        None => text == PAGE && !decoded.contains(['.', '\\', '\0', '%']),
    }
}

#[tokio::test]
async fn a_path_cannot_climb_out_of_the_bundle() {
    let (app, base) = serving().await;

    for path in [
        "../manifest.json",
        "..%2fmanifest.json",
        "%2e%2e/manifest.json",
        "%252e%252e/manifest.json",
        "..\\manifest.json",
        "..%5cmanifest.json",
        "assets/../app.js",
        "assets/%2e%2e/app.js",
        "./app.js",
        "../../",
        "../../../../etc/passwd",
        "%2fetc%2fpasswd",
        "//etc/passwd",
        "app.js%00",
        "app.js%00.html",
        "app.js/",
        "index.html/",
        "app.js.",
        "app.js%20",
        "APP.JS",
        "docs/secret.html",
        "../docs/secret.html",
        "ui/app.js",
        "%c0%ae%c0%ae/manifest.json",
        "nul.js",
        ".git/config",
    ] {
        let answer = get(&app, &format!("{base}/{path}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}: {}", answer.text());
    }
}

#[test]
fn no_address_answers_anything_but_the_files_of_the_bundle() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (app, base) = runtime.block_on(serving());
    let config = ProptestConfig { cases: 1_500, failure_persistence: None, ..Default::default() };

    let walk = TestRunner::new(config).run(&vec(select(&PIECES[..]), 1..7), |pieces| {
        let path = pieces.concat();
        let answer = runtime.block_on(get(&app, &format!("{base}/{path}")));
        match answer.status {
            StatusCode::NOT_FOUND => {}
            StatusCode::OK => prop_assert!(may_answer(&path, &answer.text()), "{path}"),
            other => prop_assert!(false, "{path}: {other}"),
        }
        Ok(())
    });

    walk.unwrap();
}
