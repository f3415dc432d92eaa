//! One part after the other: where each begins, what is kept, what is not.

use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sha2::{Digest, Sha256};

use super::PART;
use crate::support::test_app::TestApp;

fn checksum(bytes: &[u8]) -> String {
    format!("sha256 {}", STANDARD.encode(Sha256::digest(bytes)))
}

#[tokio::test]
async fn a_part_begins_where_the_one_before_ended() {
    let app = TestApp::start().await;
    let path = app.begin(10).await;

    let first = app.part(&path, 0, "12345").send().await;
    let second = app.part(&path, 5, "678").send().await;

    assert_eq!((first.status, first.header("upload-offset")), (StatusCode::NO_CONTENT, "5"));
    assert_eq!((second.status, second.header("upload-offset")), (StatusCode::NO_CONTENT, "8"));
    assert_eq!(app.offset(&path).await, "8");
}

#[tokio::test]
async fn a_part_at_another_place_is_refused_with_the_right_one() {
    let app = TestApp::start().await;
    let path = app.begin(10).await;
    app.part(&path, 0, "12345").send().await;

    for offset in [0, 4, 6] {
        let answer = app.part(&path, offset, "x").send().await;

        assert_eq!(answer.status, StatusCode::CONFLICT, "{offset}");
        assert_eq!(answer.code(), "offset_mismatch");
        assert_eq!(answer.header("upload-offset"), "5");
    }
    assert_eq!(app.offset(&path).await, "5");
}

#[tokio::test]
async fn a_damaged_part_is_refused_and_can_be_sent_again() {
    let app = TestApp::start().await;
    let path = app.begin(10).await;
    app.part(&path, 0, "12345").send().await;

    let call = app.part(&path, 5, "6789x");
    let damaged = call.header("upload-checksum", &checksum(b"67890")).send().await;

    assert_eq!(damaged.status.as_u16(), 460);
    assert_eq!(damaged.code(), "checksum_mismatch");
    assert_eq!(app.offset(&path).await, "5");
    let call = app.part(&path, 5, "67890");
    let again = call.header("upload-checksum", &checksum(b"67890")).send().await;
    assert_eq!((again.status, again.header("upload-offset")), (StatusCode::NO_CONTENT, "10"));
}

#[tokio::test]
async fn a_part_beyond_the_length_is_refused_with_both_numbers() {
    let app = TestApp::start().await;
    let path = app.begin(10).await;
    app.part(&path, 0, "12345").send().await;
    let unannounced = stream::iter(["678", "90x"].map(Ok::<_, io::Error>));

    for body in [Body::from("67890x"), Body::from_stream(unannounced)] {
        let answer = app.part(&path, 5, body).send().await;

        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", answer.text());
        assert_eq!(answer.code(), "too_large");
        assert_eq!(answer.json()["limit_bytes"], 10);
        assert_eq!(answer.json()["received_bytes"], 11);
        assert_eq!(app.offset(&path).await, "5");
    }
}

#[tokio::test]
async fn a_whole_upload_takes_no_more_bytes() {
    let app = TestApp::start().await;
    let path = app.send_whole(b"12345").await;
    let unannounced = stream::iter([Ok::<_, io::Error>("6")]);

    let more = app.part(&path, 5, Body::from_stream(unannounced)).send().await;
    let nothing = app.part(&path, 5, "").send().await;

    assert_eq!(more.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", more.text());
    assert_eq!((nothing.status, nothing.header("upload-offset")), (StatusCode::NO_CONTENT, "5"));
    assert_eq!(app.offset(&path).await, "5");
}

fn cut_off() -> Body {
    let chunks = [Ok("678"), Err(io::Error::other("the cable"))];
    Body::from_stream(stream::iter(chunks))
}

#[tokio::test]
async fn what_arrived_of_a_part_that_broke_off_is_kept() {
    let app = TestApp::start().await;
    let path = app.begin(10).await;
    app.part(&path, 0, "12345").send().await;

    let answer = app.part(&path, 5, cut_off()).send().await;

    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.json()["offset"], 8);
    assert_eq!(app.offset(&path).await, "8");
}

#[tokio::test]
async fn a_part_that_brings_nothing_for_too_long_has_broken_off() {
    let app = TestApp::start_with(|config| config.uploads.part_idle_timeout_ms = 1).await;
    let path = app.begin(10).await;
    let dead = stream::iter([Ok::<_, io::Error>("12345")]).chain(stream::pending());

    let answer = app.part(&path, 0, Body::from_stream(dead)).send().await;

    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.text().contains("nothing came for 1 ms"), "{}", answer.text());
    assert_eq!(app.offset(&path).await, "5");
}

#[tokio::test]
async fn an_upload_that_lost_its_bytes_is_gone_and_a_new_one_can_begin() {
    let app = TestApp::start().await;
    for at_the_end in [false, true] {
        let path = app.begin(5).await;
        app.part(&path, 0, if at_the_end { "12345" } else { "123" }).send().await;
        let id = path.rsplit('/').next().unwrap();
        std::fs::remove_dir_all(app.app.data_dir.join("cache/staging").join(id)).unwrap();

        let answer = if at_the_end {
            app.call(Method::POST, &format!("{path}/publish")).send().await
        } else {
            app.part(&path, 3, "45").send().await
        };

        assert_eq!((answer.status, answer.code()), (StatusCode::GONE, "gone".to_owned()));
        assert_eq!(app.tus(Method::HEAD, &path).send().await.status, StatusCode::NOT_FOUND);
        assert_eq!(app.app.bundles.staged_bytes(), 0);
    }
}

#[tokio::test]
async fn of_a_part_with_a_checksum_all_is_kept_or_nothing() {
    let app = TestApp::start().await;
    let path = app.begin(10).await;

    let call = app.part(&path, 0, cut_off());
    let answer = call.header("upload-checksum", &checksum(b"678")).send().await;

    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(app.offset(&path).await, "0");
}

#[tokio::test]
async fn a_long_part_is_kept_up_to_where_it_was_synced() {
    let app = TestApp::start().await;
    let path = app.begin(64 * 1024 * 1024).await;
    let id = path.rsplit('/').next().unwrap().parse().unwrap();
    let principal = app.principal();
    let chunk = Bytes::from(vec![7; 1024 * 1024]);
    let seen = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let (inner, registry) = (Arc::clone(&seen), app.app.registry.clone());
    let tenant = principal.tenant();

    // What a server that is killed in the middle of the part would find again.
    let body = stream::unfold(0_u32, move |sent| {
        let (chunk, seen, registry, tenant) =
            (chunk.clone(), Arc::clone(&inner), registry.clone(), tenant.clone());
        async move {
            if sent == 20 {
                let row = registry
                    .read(move |txn| plugboard::registry::uploads::get(txn, &tenant, &id))
                    .await
                    .unwrap();
                seen.store(row.unwrap().offset, std::sync::atomic::Ordering::SeqCst);
                return None;
            }
            Some((Ok::<_, io::Error>(chunk), sent + 1))
        }
    });
    let upload = app.app.append_upload(&principal, id, 0, Box::pin(body), None).await.unwrap();

    assert_eq!(seen.load(std::sync::atomic::Ordering::SeqCst), 16 * 1024 * 1024);
    assert_eq!(upload.offset, 20 * 1024 * 1024);
}

#[tokio::test]
async fn two_writers_do_not_mix_their_bytes() {
    let app = Arc::new(TestApp::start().await);
    let path = app.begin(10).await;
    let (second, answers) = std::sync::mpsc::channel();

    // The second request comes while the first one's body is on its way.
    let body = {
        let (app, path) = (Arc::clone(&app), path.clone());
        stream::once(async move {
            for method in [Method::PATCH, Method::DELETE, Method::POST] {
                let address =
                    if method == Method::POST { format!("{path}/publish") } else { path.clone() };
                let call = app.tus(method, &address).header("content-type", PART);
                let answer = call.header("upload-offset", "0").body("").send().await;
                second
                    .send((answer.status, answer.code(), answer.header("retry-after") == "1"))
                    .ok();
            }
            Ok::<_, io::Error>("12345")
        })
    };
    let first = app.part(&path, 0, Body::from_stream(body)).send().await;

    assert_eq!((first.status, first.header("upload-offset")), (StatusCode::NO_CONTENT, "5"));
    let refused = (StatusCode::LOCKED, "upload_busy".to_owned(), true);
    assert_eq!(answers.iter().collect::<Vec<_>>(), vec![refused; 3]);
}

#[tokio::test]
async fn nothing_of_a_long_part_is_acknowledged_before_its_checksum_fits() {
    const LONG: usize = 17 * 1024 * 1024;
    let app = TestApp::start().await;
    let path = app.begin(LONG).await;

    let part = app.part(&path, 0, vec![7; LONG]).header("upload-checksum", &checksum(b"other"));
    let damaged = part.send().await;

    assert_eq!(damaged.code(), "checksum_mismatch");
    assert_eq!(app.offset(&path).await, "0");
}

#[tokio::test]
async fn a_whole_upload_is_not_opened_again_by_a_part_without_bytes() {
    let app = TestApp::start().await;
    let path = app.send_whole(b"12345").await;
    let id = path.rsplit('/').next().unwrap();
    // As when a publish was cut off that had made it the bundle already.
    let staged = app.app.data_dir.join("cache/staging").join(id).join("bundle.tar.zst");
    std::fs::remove_file(staged).unwrap();

    let answer = app.part(&path, 5, "").send().await;

    assert_eq!((answer.status, answer.header("upload-offset")), (StatusCode::NO_CONTENT, "5"));
}
