//! Downloads that are sent to the store: only when an operator wants it.

use axum::http::{Method, StatusCode};
use plugboard::config::StoreConfig;

use crate::support::bundle_builder::BundleBuilder;
use crate::support::s3_server::S3Server;
use crate::support::sender::get;
use crate::support::test_app::TestApp;

const BUNDLE: &str = "/api/v1/extensions/com.example.hello/versions/1.0.0/bundle";

fn hello() -> BundleBuilder {
    BundleBuilder::new("com.example.hello", "1.0.0").page("<h1>Hello</h1>")
}

fn redirecting(server: &S3Server) -> StoreConfig {
    let mut store = server.config_with_public_endpoint();
    store.s3.redirect_downloads = true;
    store
}

#[tokio::test]
async fn a_download_is_sent_to_the_store_for_a_minute() {
    let server = S3Server::start();
    let app = TestApp::start_with_store(redirecting(&server)).await;
    app.publish(&hello()).await;

    let answer = app.get(BUNDLE).await;

    assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT, "{}", answer.text());
    let url = answer.header("location");
    assert!(url.starts_with(&server.public_endpoint()), "{url}");
    assert!(url.contains("X-Amz-Expires=60&"), "{url}");
    assert_eq!(answer.header("cache-control"), "no-store");
    let head = app.call(Method::HEAD, BUNDLE).send().await;
    assert_eq!(answer.header("repr-digest"), head.header("repr-digest"));
    assert!(!answer.header("repr-digest").is_empty());
    let fetched = get(url).send().await;
    assert_eq!(fetched.body, hello().build());
    let disposition = "attachment; filename=\"com.example.hello-1.0.0.tar.zst\"";
    assert_eq!(fetched.header("content-disposition"), disposition);
}

#[tokio::test]
async fn a_range_is_for_the_store_and_what_needs_no_content_is_answered_here() {
    let server = S3Server::start();
    let app = TestApp::start_with_store(redirecting(&server)).await;
    app.publish(&hello()).await;
    let head = app.call(Method::HEAD, BUNDLE).send().await;
    assert_eq!(head.status, StatusCode::OK);

    let part = app.call(Method::GET, BUNDLE).header("range", "bytes=2-5").send().await;
    let known = app.call(Method::GET, BUNDLE).header("if-none-match", head.header("etag"));
    let beyond = app.call(Method::GET, BUNDLE).header("range", "bytes=99999999-");

    assert_eq!(part.status, StatusCode::TEMPORARY_REDIRECT);
    let fetched = get(part.header("location")).header("range", "bytes=2-5").send().await;
    assert_eq!(fetched.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(fetched.body, hello().build()[2..6]);
    assert_eq!(known.send().await.status, StatusCode::NOT_MODIFIED);
    assert_eq!(beyond.send().await.status, StatusCode::RANGE_NOT_SATISFIABLE);
}

#[tokio::test]
async fn who_may_not_read_is_sent_nowhere() {
    let server = S3Server::start();
    let app = TestApp::start_with_store(redirecting(&server)).await;
    app.publish(&hello()).await;
    let token = app.make_token("default", &["bundle:publish"]).await;

    let forbidden = app.call(Method::GET, BUNDLE).token(&token).send().await;
    let unknown = app.get(&BUNDLE.replace("1.0.0", "2.0.0")).await;

    assert_eq!(forbidden.status, StatusCode::FORBIDDEN);
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn downloads_come_from_here_unless_it_is_set_and_works() {
    let server = S3Server::start();
    let mut unreachable = redirecting(&server);
    unreachable.s3.public_endpoint = "http://127.0.0.1:1".to_owned();

    for store in [server.config_with_public_endpoint(), unreachable] {
        let app = TestApp::start_with_store(store).await;
        app.publish(&hello()).await;

        let answer = app.get(BUNDLE).await;

        assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &hello().build()[..]));
    }
}
