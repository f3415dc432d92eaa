//! Bundles that are sent to the store in parts: begun, signed, listed, published and
//! given up here, and under the limits of every upload.

use std::fs;
use std::sync::mpsc;

use axum::http::{Method, StatusCode};
use plugboard::model::ContentHash;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::reports;
use crate::support::bundle_builder::BundleBuilder;
use crate::support::random::noise;
use crate::support::s3_server::{Fault, S3Server};
use crate::support::sender::{Sending, put, told};
use crate::support::test_app::{Answer, TestApp};

const CREATE: &str = "/api/v1/uploads/presigned";
const PART_BYTES: usize = 8 * 1024 * 1024;

/// A bundle of two parts.
fn large() -> BundleBuilder {
    reports().file("ui/noise.bin", noise(1, PART_BYTES + 1024 * 1024))
}

/// Begins an upload; gives its address.
async fn begin(app: &TestApp, length: usize) -> String {
    let created = app.post(CREATE, json!({ "length": length })).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text());
    created.header("location").to_owned()
}

async fn sign(app: &TestApp, path: &str, numbers: &Value) -> Answer {
    app.post(&format!("{path}/parts"), json!({ "numbers": numbers })).await
}

/// The request for a part, as it was signed.
fn sending(part: &Value, content: &[u8]) -> Sending {
    put(part["url"].as_str().unwrap(), &told(&part["headers"]), content)
}

/// Sends these parts of a bundle, numbered from 1.
async fn send(app: &TestApp, path: &str, archive: &[u8], numbers: &[usize]) {
    let signed = sign(app, path, &json!(numbers)).await.json();
    for part in signed["parts"].as_array().unwrap() {
        let number = usize::try_from(part["number"].as_u64().unwrap()).unwrap();
        let content = archive.chunks(PART_BYTES).nth(number - 1).unwrap();
        let answer = sending(part, content).send().await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    }
}

/// An upload of which the first part has arrived at the store: the server, the
/// appliance, and its address.
async fn arrived(archive: &[u8]) -> (S3Server, TestApp, String) {
    let server = S3Server::start();
    let app = TestApp::start_with_public_store(&server).await;
    let path = begin(&app, archive.len()).await;
    send(&app, &path, archive, &[1]).await;
    (server, app, path)
}

async fn publish(app: &TestApp, path: &str) -> Answer {
    app.call(Method::POST, &format!("{path}/publish")).send().await
}

/// Whether a request is of a bundle that was sent, and not of its parts.
fn is_staged(method: &Method, uri: &str, wanted: &Method) -> bool {
    method == wanted && uri.contains("/_staging/") && !uri.contains('?')
}

fn staged(server: &S3Server, wanted: &Method) -> usize {
    server.seen().iter().filter(|(method, uri)| is_staged(method, uri, wanted)).count()
}

fn is(answer: &Answer, status: StatusCode, code: &str) {
    assert_eq!((answer.status, answer.code()), (status, code.to_owned()), "{}", answer.text());
}

#[tokio::test]
async fn a_bundle_in_parts_at_the_store_is_published_as_every_other() {
    let server = S3Server::start();
    let app = TestApp::start_with_public_store(&server).await;
    let archive = large().build();
    let created = app.post(CREATE, json!({ "length": archive.len(), "filename": "a/b.zst" })).await;
    assert_eq!(created.json()["parts"], json!({ "count": 2, "bytes": PART_BYTES }));
    assert_eq!(created.json()["filename"], "b.zst");
    let path = created.header("location").to_owned();
    // In any order, and one of them twice.
    send(&app, &path, &archive, &[2]).await;
    send(&app, &path, &archive, &[1, 2]).await;
    let listed = app.get(&format!("{path}/parts")).await.json();

    let published = publish(&app, &path).await;
    let again = publish(&app, &path).await;

    assert_eq!(created.json()["to_store"], true);
    assert_eq!(app.get(&path).await.json()["to_store"], false);
    let sizes = json!([
        { "number": 1, "size": PART_BYTES },
        { "number": 2, "size": archive.len() - PART_BYTES },
    ]);
    assert_eq!(listed["parts"], sizes);
    assert_eq!(published.status, StatusCode::CREATED, "{}", published.text());
    let hash = ContentHash::of(&archive);
    assert_eq!(published.json()["content_hash"], hash.to_string());
    assert_eq!((again.status, &again.json()["outcome"]), (StatusCode::OK, &"unchanged".into()));
    let stored = server.object(&format!("sha256/{}/bundle.tar.zst", hash.hex()));
    assert_eq!(fs::read(stored).unwrap(), archive);
    assert!(server.keys().iter().all(|key| !key.contains("_staging")));
    assert_eq!((server.unfinished(), app.app.bundles.staged_bytes()), (0, 0));
}

#[tokio::test]
async fn a_part_that_is_missing_is_named_and_can_still_be_sent() {
    let archive = large().build();
    let (_server, app, path) = arrived(&archive).await;

    let early = publish(&app, &path).await;
    send(&app, &path, &archive, &[2]).await;
    let late = publish(&app, &path).await;

    is(&early, StatusCode::CONFLICT, "upload_incomplete");
    assert_eq!(early.json()["missing_parts"], json!([2]));
    assert_eq!(late.status, StatusCode::CREATED, "{}", late.text());
}

#[tokio::test]
async fn a_part_is_sent_with_its_own_number_and_length_only() {
    let server = S3Server::start();
    let app = TestApp::start_with_public_store(&server).await;
    let path = begin(&app, PART_BYTES + 3).await;
    let signed = sign(&app, &path, &json!([2])).await.json();
    let part = &signed["parts"][0];
    assert_eq!((&part["length"], &part["method"]), (&3.into(), &"PUT".into()));
    let url = part["url"].as_str().unwrap();
    let elsewhere = |from: &str, to: &str| {
        let changed = url.replace(from, to);
        assert_ne!(changed, url);
        put(&changed, &told(&part["headers"]), b"abc")
    };

    for request in [
        sending(part, b"abcd"),
        sending(part, b"ab"),
        sending(part, b"abc").chunked().await,
        elsewhere("partNumber=2", "partNumber=1"),
        elsewhere("partNumber=2", "partNumber=10001"),
        elsewhere("partNumber=2&", ""),
        elsewhere("uploadId=", "uploadId=0"),
        elsewhere("X-Amz-Expires=9", "X-Amz-Expires=8"),
        sending(part, b"abc").header("x-amz-copy-source", "bundles/x"),
        sending(part, b"").method(Method::DELETE),
        sending(part, b"abc").method(Method::POST),
    ] {
        let answer = request.send().await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text());
    }
    assert_eq!(app.get(&format!("{path}/parts")).await.json()["parts"], json!([]));
    assert_eq!(sending(part, b"abc").send().await.status, StatusCode::OK);
}

#[tokio::test]
async fn parts_that_a_bundle_does_not_have_get_no_address() {
    let server = S3Server::start();
    let app = TestApp::start_with_public_store(&server).await;
    let path = begin(&app, PART_BYTES + 1).await;

    for numbers in [json!([0]), json!([3]), json!([1, 10_001]), json!([u32::MAX])] {
        let refused = sign(&app, &path, &numbers).await;
        is(&refused, StatusCode::UNPROCESSABLE_ENTITY, "no_such_part");
        assert_eq!(refused.json()["part_count"], 2);
    }
    let many: Vec<_> = (0..2000).collect();
    let repeated = [1; 1001];
    for numbers in
        [json!([]), json!(many), json!(repeated.as_slice()), json!([-1]), json!(["1"]), json!(7)]
    {
        let refused = sign(&app, &path, &numbers).await;
        is(&refused, StatusCode::BAD_REQUEST, "malformed_request");
    }
}

#[tokio::test]
async fn an_address_of_a_part_is_good_for_a_quarter_of_an_hour() {
    let server = S3Server::start();
    let app = TestApp::start_with_public_store(&server).await;
    let path = begin(&app, 3).await;

    let signed = sign(&app, &path, &json!([1, 1])).await.json();

    let parts = signed["parts"].as_array().unwrap();
    assert_eq!(parts.len(), 1);
    assert!(parts[0]["url"].as_str().unwrap().contains("X-Amz-Expires=900&"), "{signed}");
    let until: jiff::Timestamp = signed["expires_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(until.as_second() - jiff::Timestamp::as_second(app.app.clock.now()), 900);
}

#[tokio::test]
async fn giving_up_removes_the_parts_and_ends_their_addresses() {
    let server = S3Server::start();
    let app = TestApp::start_with_public_store(&server).await;
    let path = begin(&app, 3).await;
    let signed = sign(&app, &path, &json!([1])).await.json();
    sending(&signed["parts"][0], b"abc").send().await;

    let gone = app.tus(Method::DELETE, &path).send().await;

    assert_eq!(gone.status, StatusCode::NO_CONTENT, "{}", gone.text());
    assert_eq!(server.unfinished(), 0);
    let late = sending(&signed["parts"][0], b"abc").send().await;
    assert!(late.status.is_client_error(), "{}", late.status);
    is(&sign(&app, &path, &json!([1])).await, StatusCode::NOT_FOUND, "not_found");
    assert_eq!(app.app.bundles.staged_bytes(), 0);
}

#[tokio::test]
async fn parts_that_nobody_ends_are_swept_after_a_day() {
    let server = S3Server::start();
    let app = TestApp::start_with_public_store(&server).await;
    let path = begin(&app, 3).await;
    app.clock.advance(24 * 60 * 60);

    app.app.sweep().await.unwrap();

    assert_eq!(server.unfinished(), 0);
    assert_eq!(app.get(&path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(app.app.bundles.staged_bytes(), 0);
}

#[tokio::test]
async fn an_upload_that_is_refused_leaves_nothing_at_the_store() {
    let server = S3Server::start();
    let app = TestApp::start_with_public_store(&server).await;
    for _ in 0..16 {
        begin(&app, 3).await;
    }

    let one_more = app.post(CREATE, json!({ "length": 3 })).await;

    is(&one_more, StatusCode::TOO_MANY_REQUESTS, "too_many_uploads");
    assert_eq!(server.unfinished(), 16);
    for (length, status) in [(0, 400), (209_715_201, 413)] {
        let refused = app.post(CREATE, json!({ "length": length })).await;
        assert_eq!(refused.status.as_u16(), status, "{}", refused.text());
    }
    let typed = json!({ "length": 3, "content_type": "text/html" });
    is(
        &app.post(CREATE, typed).await,
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
    );
}

#[tokio::test]
async fn a_completion_that_was_done_and_a_fetch_that_was_not_are_made_up_for() {
    let archive = reports().build();
    let (server, app, path) = arrived(&archive).await;
    server.fail(|method, uri| {
        let staged = uri.path().contains("_staging") && uri.query().is_none();
        (method == Method::GET && staged).then_some(Fault::Status(400))
    });

    let failed = publish(&app, &path).await;
    server.heal();
    let good = publish(&app, &path).await;

    is(&failed, StatusCode::SERVICE_UNAVAILABLE, "storage_unavailable");
    assert_eq!(server.unfinished(), 0);
    assert_eq!(good.status, StatusCode::CREATED, "{}", good.text());
}

#[tokio::test]
async fn a_bundle_that_is_refused_leaves_nothing_at_the_store() {
    let (server, app, path) = arrived(b"abc").await;

    let refused = publish(&app, &path).await;

    is(&refused, StatusCode::UNPROCESSABLE_ENTITY, "invalid_bundle");
    assert_eq!(server.keys(), Vec::<String>::new());
    assert_eq!(app.get(&path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn once_a_bundle_is_here_the_store_is_asked_for_nothing_more_of_its_upload() {
    let archive = reports().build();
    let (server, app, path) = arrived(&archive).await;
    // The bundle is fetched, and then cannot be kept.
    server.fail(|method, uri| {
        let kept = method == Method::PUT && !uri.path().contains("_staging");
        kept.then_some(Fault::Status(400))
    });
    let failed = publish(&app, &path).await;
    let removals = staged(&server, &Method::DELETE);
    let (listed, signed) =
        (app.get(&format!("{path}/parts")).await, sign(&app, &path, &json!([1])).await);
    server.heal();

    let good = publish(&app, &path).await;
    server.fail(|_, _| Some(Fault::Status(400)));
    let gone = app.tus(Method::DELETE, &path).send().await;

    is(&failed, StatusCode::SERVICE_UNAVAILABLE, "storage_unavailable");
    is(&listed, StatusCode::CONFLICT, "not_in_parts");
    is(&signed, StatusCode::CONFLICT, "not_in_parts");
    assert_eq!(good.status, StatusCode::CREATED, "{}", good.text());
    assert_eq!(gone.status, StatusCode::NO_CONTENT, "{}", gone.text());
    let counts = [Method::GET, Method::DELETE].map(|method| staged(&server, &method));
    assert_eq!((removals, counts), (1, [1, 1]));
}

#[tokio::test]
async fn a_fetch_that_nobody_waits_for_is_there_for_the_next_publish() {
    let archive = reports().build();
    let (server, app, path) = arrived(&archive).await;
    let (asked, is_asked) = oneshot::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let mut asked = Some(asked);
    server.fail(move |method, uri| {
        if is_staged(method, &uri.to_string(), &Method::GET) {
            asked.take().map(|asked| asked.send(()));
            may_go_on.recv().ok();
        }
        None
    });

    tokio::select! {
        early = publish(&app, &path) => panic!("{}", early.text()),
        asked = is_asked => asked.unwrap(),
    }
    let id = path.rsplit('/').next().unwrap().parse().unwrap();
    assert!(app.app.bundles.hold_upload(id).is_none(), "the fetch goes on");
    drop(go_on);
    while app.app.bundles.hold_upload(id).is_none() {
        tokio::task::yield_now().await;
    }
    let published = publish(&app, &path).await;

    assert_eq!(published.status, StatusCode::CREATED, "{}", published.text());
    assert_eq!(staged(&server, &Method::GET), 1);
}

#[tokio::test]
async fn a_bundle_that_is_published_needs_no_parts() {
    let server = S3Server::start();
    let app = TestApp::start_with_public_store(&server).await;
    app.publish(&reports()).await;
    let hash = app.content_hash(&reports());
    let length = reports().build().len();

    let body = json!({ "length": length, "declared_hash": hash });
    let created = app.post(CREATE, body).await;

    assert_eq!(created.json()["published"]["outcome"], "unchanged", "{}", created.text());
    assert_eq!(created.json().get("parts"), None);
    assert_eq!(server.unfinished(), 0);
}

#[tokio::test]
async fn parts_are_their_owners_and_unknown_to_every_other_caller() {
    let server = S3Server::start();
    let app = TestApp::start_with_public_store(&server).await;
    let path = begin(&app, 3).await;
    let colleague = app.make_token("default", &["bundle:publish"]).await;
    let stranger = app.make_token("acme", &["bundle:publish"]).await;

    for token in [&colleague, &stranger] {
        let parts = format!("{path}/parts");
        let listed = app.call(Method::GET, &parts).token(token).send().await;
        let call = app.call(Method::POST, &parts).token(token);
        let signed = call.json(json!({ "numbers": [1] })).send().await;
        assert_eq!((listed.status, signed.status), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND));
    }
}

#[tokio::test]
async fn without_a_public_endpoint_there_are_no_addresses() {
    let server = S3Server::start();
    let app = TestApp::start_on_s3(&server).await;

    let refused = app.post(CREATE, json!({ "length": 3 })).await;

    is(&refused, StatusCode::CONFLICT, "no_addresses");
    assert_eq!(server.unfinished(), 0);
    let in_memory = TestApp::start().await;
    let refused = in_memory.post(CREATE, json!({ "length": 3 })).await;
    is(&refused, StatusCode::CONFLICT, "no_addresses");
}

#[tokio::test]
async fn only_uploads_in_parts_at_the_store_have_parts() {
    let server = S3Server::start();
    let app = TestApp::start_with_public_store(&server).await;
    let tus = app.begin(10).await;

    is(&sign(&app, &tus, &json!([1])).await, StatusCode::CONFLICT, "not_in_parts");
    is(&app.get(&format!("{tus}/parts")).await, StatusCode::CONFLICT, "not_in_parts");
}
