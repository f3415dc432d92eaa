//! Immutable addresses: tags, ranges, and the setting that revalidates documents.

use axum::http::{Method, StatusCode};
use sha2::{Digest, Sha256};

use super::{PAGE, SCRIPT, base, get, serving, version};
use crate::support::test_app::{Answer, TestApp};

const IMMUTABLE: &str = "public, max-age=31536000, immutable";

async fn script(app: &TestApp, base: &str, headers: &[(&str, &str)]) -> Answer {
    let call = app.call(Method::GET, &format!("{base}/app.js")).anonymous();
    headers.iter().fold(call, |call, (name, value)| call.header(name, value)).send().await
}

#[tokio::test]
async fn a_file_may_be_kept_for_ever_under_the_digest_of_its_content() {
    let (app, base) = serving().await;

    let answer = script(&app, &base, &[]).await;

    let digest = hex::encode(Sha256::digest(SCRIPT));
    assert_eq!(answer.header("etag"), format!("\"sha256-{digest}\""));
    assert_eq!(answer.header("cache-control"), IMMUTABLE);
    assert_eq!(answer.header("accept-ranges"), "bytes");
}

#[tokio::test]
async fn who_has_the_file_is_not_sent_it_again() {
    let (app, base) = serving().await;
    let etag = script(&app, &base, &[]).await.header("etag").to_owned();

    for tags in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
        let answer = script(&app, &base, &[("if-none-match", &tags)]).await;
        assert_eq!(answer.status, StatusCode::NOT_MODIFIED, "{tags}");
        assert_eq!(answer.header("etag"), etag);
        assert_eq!(answer.header("cache-control"), IMMUTABLE);
        assert!(answer.body.is_empty());
    }
    let stale = script(&app, &base, &[("if-none-match", "\"sha256-0\"")]).await;
    assert_eq!(stale.text(), SCRIPT);
}

#[tokio::test]
async fn head_says_what_get_would() {
    let (app, base) = serving().await;
    let get = script(&app, &base, &[("x-request-id", "r")]).await;

    let call = app.call(Method::HEAD, &format!("{base}/app.js")).header("x-request-id", "r");
    let head = call.send().await;

    assert_eq!(head.headers, get.headers);
    assert!(head.body.is_empty());
}

#[tokio::test]
async fn a_part_of_a_file_can_be_asked_for() {
    let (app, base) = serving().await;

    for (range, part, content_range) in [
        ("bytes=0-3", "0123", "bytes 0-3/10"),
        ("bytes=8-", "89", "bytes 8-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=5-99", "56789", "bytes 5-9/10"),
        ("bytes=-99", SCRIPT, "bytes 0-9/10"),
    ] {
        let answer = script(&app, &base, &[("range", range)]).await;
        assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(answer.text(), part, "{range}");
        assert_eq!(answer.header("content-range"), content_range);
        assert_eq!(answer.header("content-length"), part.len().to_string());
        assert_eq!(answer.header("cache-control"), IMMUTABLE);
    }
}

#[tokio::test]
async fn a_part_that_is_not_there_is_refused_and_an_odd_one_ignored() {
    let (app, base) = serving().await;

    for range in ["bytes=10-", "bytes=99-100", "bytes=-0"] {
        let answer = script(&app, &base, &[("range", range)]).await;
        assert_eq!(answer.status, StatusCode::RANGE_NOT_SATISFIABLE, "{range}");
        assert_eq!(answer.header("content-range"), "bytes */10");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    for range in ["bytes=3-1", "bytes=0-1,3-4", "lines=1-2", "bytes=a-b", "bytes=--1"] {
        let answer = script(&app, &base, &[("range", range)]).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, SCRIPT.into()), "{range}");
    }
    let changed = [("range", "bytes=0-1"), ("if-range", "\"sha256-0\"")];
    assert_eq!(script(&app, &base, &changed).await.status, StatusCode::OK);
}

#[tokio::test]
async fn documents_can_be_made_to_ask_each_time() {
    let app = TestApp::start_with(|config| config.ext_ui.revalidate_documents = true).await;
    app.install(&version("1.0.0")).await;
    let base = base(&version("1.0.0"));

    let page = get(&app, &format!("{base}/index.html")).await;
    let route = get(&app, &format!("{base}/settings")).await;
    let script = script(&app, &base, &[]).await;

    assert_eq!(page.header("cache-control"), "no-cache");
    assert_eq!((route.header("cache-control"), route.text()), ("no-cache", PAGE.to_owned()));
    assert_eq!(script.header("cache-control"), IMMUTABLE);
}
