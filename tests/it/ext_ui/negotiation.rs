//! Pages in shorter forms: who gets which, and that each is the file.

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use axum::http::{Method, StatusCode};
use plugboard::app::assets::{AssetLocation, Page};
use plugboard::model::ContentCoding;
use sha2::{Digest, Sha256};

use crate::support::bundle_builder::BundleBuilder;
use crate::support::random::noise;
use crate::support::test_app::{Answer, TestApp};

pub(super) const CODINGS: [&str; 3] = ["br", "zstd", "gzip"];

/// A script that compresses well, of at least so many bytes.
pub(super) fn script(bytes: usize) -> String {
    // No line is shorter than 26 bytes.
    let line = |n: usize| format!("export const answer{n} = {};\n", n * 7919);
    (0..=bytes / 26).map(line).collect::<Vec<_>>().concat()
}

/// The file below `ui/` that is in every form, with others that are not.
pub(super) fn bundle() -> BundleBuilder {
    BundleBuilder::new("com.example.forms", "1.0.0")
        .page(&format!("<h1>Forms</h1>{}", "<p>again</p>".repeat(200)))
        .file("ui/app.js", script(20_000))
        .file("ui/large.js", script(400_000))
        .file("ui/short.js", "const a = 1;")
        .file("ui/noise.txt", noise(1, 5_000))
        .file("ui/image.png", "x".repeat(5_000))
        .file("ui/data.bin", "x".repeat(5_000))
}

/// An appliance that has compressed what it serves.
pub(super) async fn serving() -> TestApp {
    let app = TestApp::start().await;
    app.install(&bundle()).await;
    encode(&app).await;
    app
}

/// Waits until the pages are compressed.
pub(super) async fn encode(app: &TestApp) {
    let (hash, now) = (app.content_hash(&bundle()), app.app.clock.now());
    let name = "com.example.forms".parse().unwrap();
    let version = app.app.registry.live().served(&name, &hash, now, 1).cloned().unwrap();
    let max_file_bytes = app.app.config.ext_ui.compress_max_file_bytes;
    app.app.bundles.encode(&version, max_file_bytes).await.unwrap();
}

pub(super) async fn get(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Answer {
    let call = app.call(Method::GET, &app.page_of(&bundle(), path)).anonymous();
    headers.iter().fold(call, |call, (name, value)| call.header(name, value)).send().await
}

/// Where a form of `app.js` is on the disk.
pub(super) fn form(app: &TestApp, coding: &str) -> PathBuf {
    let digest = hex::encode(Sha256::digest(script(20_000)));
    let bundle = app.content_hash(&bundle()).hex();
    app.app.data_dir.join("cache/encoded").join(bundle).join(format!("{digest}.{coding}"))
}

fn decoded(answer: &Answer) -> Vec<u8> {
    let (mut plain, body) = (Vec::new(), &answer.body[..]);
    match answer.header("content-encoding") {
        "br" => drop(brotli::Decompressor::new(body, 4096).read_to_end(&mut plain).unwrap()),
        "zstd" => plain = zstd::decode_all(body).unwrap(),
        "gzip" => drop(flate2::read::GzDecoder::new(body).read_to_end(&mut plain).unwrap()),
        _ => plain.extend_from_slice(body),
    }
    plain
}

#[tokio::test]
async fn every_form_of_every_file_decodes_to_the_file() {
    let app = serving().await;
    for path in ["index.html", "app.js", "large.js", "short.js", "noise.txt", "image.png"] {
        let plain = get(&app, path, &[]).await;
        for coding in CODINGS {
            let answer = get(&app, path, &[("accept-encoding", coding)]).await;

            assert_eq!(answer.status, StatusCode::OK, "{path} {coding}");
            assert_eq!(decoded(&answer), plain.body, "{path} {coding}");
            assert_eq!(answer.header("content-type"), plain.header("content-type"));
            assert_eq!(answer.header("content-length"), answer.body.len().to_string());
        }
    }
}

#[tokio::test]
async fn a_client_gets_what_it_wants_most_of_what_there_is() {
    let app = serving().await;
    for (accepted, coding) in [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, zstd", "zstd"),
        ("br;q=0.1, gzip;q=0.2", "gzip"),
        ("*", "br"),
        ("br;q=0, *;q=0.1", "zstd"),
        ("identity;q=0, gzip", "gzip"),
        ("identity, br;q=0.5", ""),
        ("deflate", ""),
        ("", ""),
        ("*;q=0", ""),
    ] {
        let answer = get(&app, "app.js", &[("accept-encoding", accepted)]).await;
        assert_eq!(answer.header("content-encoding"), coding, "{accepted}");
    }
    let unasked = get(&app, "app.js", &[]).await;
    assert!(!unasked.headers.contains_key("content-encoding"));
}

#[tokio::test]
async fn what_does_not_become_shorter_is_sent_as_it_is() {
    let app = serving().await;
    for (path, varies) in [
        ("app.js", true),
        ("noise.txt", true),
        ("short.js", false),
        ("image.png", false),
        ("data.bin", false),
    ] {
        let answer = get(&app, path, &[("accept-encoding", "br, zstd, gzip")]).await;
        let is_coded = answer.headers.contains_key("content-encoding");
        assert_eq!(is_coded, path == "app.js", "{path}");
        assert_eq!(answer.headers.contains_key("vary"), varies, "{path}");
    }
}

#[tokio::test]
async fn a_head_that_was_kept_is_not_sent_with_the_body_of_a_form_made_anew() {
    let app = serving().await;
    let asked = ("accept-encoding", "br");
    let location = AssetLocation {
        name: "com.example.forms".parse().unwrap(),
        content_hash: app.content_hash(&bundle()),
        path: "app.js".to_owned(),
    };
    let asset = app.app.find_asset(&location).unwrap();
    let form = get(&app, "app.js", &[asked]).await;
    for size in [form.body.len() as u64 - 1, form.body.len() as u64 + 1] {
        // As another release of the library might have made it; nobody has asked for its body.
        let kept = app.app.pages.get(&asset, ContentCoding::Brotli).unwrap();
        let etag = "\"sha256-of-another-form\"".to_owned();
        let other = Page { etag, size, body: None, ..Page::clone(&kept) };
        app.app.pages.keep(&asset, ContentCoding::Brotli, Arc::new(other));

        let again = get(&app, "app.js", &[asked]).await;

        assert_eq!((again.status, &again.body), (StatusCode::OK, &form.body), "{size}");
        assert_eq!(again.header("etag"), form.header("etag"));
    }
}

#[tokio::test]
async fn each_form_has_its_own_tag_and_each_is_enough_to_have() {
    let app = serving().await;
    for coding in CODINGS {
        let asked = ("accept-encoding", coding);
        let form = get(&app, "app.js", &[asked]).await;
        let tag = format!("\"sha256-{}\"", hex::encode(Sha256::digest(&form.body)));
        let weak = format!("\"x\", W/{tag}");

        assert_eq!(form.header("etag"), tag);
        for tags in [tag.as_str(), &weak, "*"] {
            let answer = get(&app, "app.js", &[asked, ("if-none-match", tags)]).await;
            assert_eq!(answer.status, StatusCode::NOT_MODIFIED, "{coding} {tags}");
            assert_eq!((answer.header("etag"), answer.header("vary")), (&*tag, "accept-encoding"));
            assert!(answer.body.is_empty() && !answer.headers.contains_key("content-length"));
        }
        let plain = get(&app, "app.js", &[("if-none-match", &tag)]).await;
        assert_eq!(plain.status, StatusCode::OK, "{coding}: the tag is of another form");
    }
}

#[tokio::test]
async fn every_answer_about_a_file_with_forms_says_that_it_varies() {
    let app = serving().await;
    let etag = get(&app, "app.js", &[]).await.header("etag").to_owned();
    for (status, headers) in [
        (200, vec![]),
        (200, vec![("accept-encoding", "gzip")]),
        (206, vec![("range", "bytes=0-9")]),
        (304, vec![("if-none-match", etag.as_str())]),
        (416, vec![("range", "bytes=999999-")]),
    ] {
        let answer = get(&app, "app.js", &headers).await;
        assert_eq!((answer.status.as_u16(), answer.header("vary")), (status, "accept-encoding"));
        assert!(answer.header("content-security-policy").starts_with("sandbox "), "{status}");
    }
}

#[tokio::test]
async fn head_says_of_a_form_what_get_would() {
    let app = serving().await;
    let headers = [("accept-encoding", "br"), ("x-request-id", "r"), ("range", "bytes=0-1")];
    let call = app.call(Method::HEAD, &app.page_of(&bundle(), "app.js"));
    let head = headers.iter().fold(call, |call, (name, value)| call.header(name, value));

    let (head, get) = (head.send().await, get(&app, "app.js", &headers[..2]).await);

    assert_eq!((head.status, &head.headers), (StatusCode::OK, &get.headers));
    assert!(head.body.is_empty());
}

#[tokio::test]
async fn a_damaged_form_is_not_served_and_made_anew() {
    for coding in CODINGS {
        let app = serving().await;
        let (asked, form) = ([("accept-encoding", coding)], form(&app, coding));
        let good = fs::read(&form).unwrap();
        let mut flipped = good.clone();
        flipped[good.len() / 2] ^= 1;
        fs::set_permissions(&form, Permissions::from_mode(0o600)).unwrap();
        fs::write(&form, flipped).unwrap();

        let answer = get(&app, "app.js", &asked).await;
        assert_eq!((answer.header("content-encoding"), answer.text()), ("", script(20_000)));
        encode(&app).await;
        assert_eq!(get(&app, "app.js", &asked).await.body, good, "{coding}");
    }
}

#[tokio::test]
async fn a_form_too_large_for_memory_is_checked_as_well() {
    let app = TestApp::start_with(|config| config.ext_ui.memory_cache_bytes = 0).await;
    app.install(&bundle()).await;
    encode(&app).await;
    let (asked, form) = ([("accept-encoding", "br")], form(&app, "br"));
    assert_eq!(get(&app, "app.js", &asked).await.header("content-encoding"), "br");

    let other = fs::read(form.with_extension("zstd")).unwrap();
    let size = fs::metadata(&form).unwrap().len();
    fs::set_permissions(&form, Permissions::from_mode(0o600)).unwrap();
    fs::write(&form, [other, vec![0; 9_000]].concat()).unwrap();
    fs::File::options().write(true).open(&form).unwrap().set_len(size).unwrap();

    let answer = get(&app, "app.js", &asked).await;
    assert_eq!((answer.header("content-encoding"), answer.text()), ("", script(20_000)));
    assert!(!form.exists());
}

#[tokio::test]
async fn a_missing_form_costs_nobody_the_page() {
    let app = serving().await;
    fs::remove_file(form(&app, "gzip")).unwrap();

    let answer = get(&app, "app.js", &[("accept-encoding", "gzip")]).await;

    assert_eq!((answer.status, answer.text()), (StatusCode::OK, script(20_000)));
    encode(&app).await;
    assert!(form(&app, "gzip").exists());
}

#[tokio::test]
async fn pages_are_compressed_when_they_are_published() {
    let app = TestApp::start().await;
    app.publish(&bundle()).await;

    while !form(&app, "gzip").exists() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn compressing_can_be_turned_off() {
    let app = TestApp::start_with(|config| config.ext_ui.compress_max_file_bytes = 0).await;
    app.install(&bundle()).await;
    encode(&app).await;

    let answer = get(&app, "app.js", &[("accept-encoding", "br, zstd, gzip")]).await;

    assert_eq!(answer.text(), script(20_000));
    assert!(!answer.headers.contains_key("vary") && !form(&app, "br").exists());
}
