//! Every limit on sending: each refuses with its numbers.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::Poll;

use axum::http::{Method, StatusCode};
use bytes::Bytes;
use futures_util::stream;
use plugboard::app::upload::ReceiveError;
use plugboard::app::uploads::{NewUpload, UploadError};
use plugboard::web::server::Peer;
use serde_json::json;
use tokio::sync::oneshot;

use super::reports;
use crate::support::announced_body::announced;
use crate::support::test_app::{TestApp, local};
use crate::traces::lines::Log;

#[tokio::test]
async fn a_bundle_above_the_limit_does_not_begin() {
    let app = TestApp::start_with(|config| config.store.max_bundle_bytes = 5000).await;

    let answer = app.creation(5001).send().await;

    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.code(), "too_large");
    assert_eq!(answer.json()["limit_bytes"], 5000);
    assert!(answer.text().contains("5001"), "{}", answer.text());
    assert_eq!(app.creation(5000).send().await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn one_caller_has_so_many_unfinished_uploads() {
    let app = TestApp::start_with(|config| config.uploads.max_unfinished = 4).await;
    let mut paths = Vec::new();
    for _ in 0..4 {
        paths.push(app.begin(10).await);
    }

    let answer = app.creation(10).send().await;

    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.code(), "too_many_uploads");
    assert_eq!((&answer.json()["limit"], &answer.json()["unfinished"]), (&json!(4), &json!(4)));
    assert_eq!(answer.header("retry-after"), "5");
    assert_eq!(app.app.bundles.staged_bytes(), 40);
    let other = app.make_token("default", &["bundle:publish"]).await;
    assert_eq!(app.creation(10).token(&other).send().await.status, StatusCode::CREATED);
    app.tus(Method::DELETE, &paths[0]).send().await;
    assert_eq!(app.creation(10).send().await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn the_unfinished_uploads_of_one_caller_share_a_number_of_bytes() {
    let app = TestApp::start_with(|config| config.uploads.max_unfinished_bytes = 100).await;
    app.begin(60).await;

    let answer = app.creation(41).send().await;

    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.code(), "too_many_upload_bytes");
    assert_eq!(
        (&answer.json()["limit_bytes"], &answer.json()["held_bytes"]),
        (&json!(100), &json!(60))
    );
    assert_eq!(app.app.bundles.staged_bytes(), 60);
    assert_eq!(app.creation(40).send().await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_bundle_in_one_request_is_refused_while_too_many_others_are_under_way() {
    let app = TestApp::start_with(|config| config.uploads.max_unfinished = 1).await;
    let path = app.begin(10).await;

    let answer = app.put_bundle(reports().build(), &[]).await;

    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.code(), "too_many_uploads");
    assert_eq!((&answer.json()["limit"], &answer.json()["unfinished"]), (&json!(1), &json!(1)));
    assert_eq!(answer.header("retry-after"), "5");
    app.tus(Method::DELETE, &path).send().await;
    assert_eq!(app.put_bundle(reports().build(), &[]).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_bundle_in_one_request_counts_until_its_sender_is_gone() {
    let app = TestApp::start_with(|config| config.uploads.max_unfinished = 1).await;
    let (begun, has_begun) = oneshot::channel();
    let mut begun = Some(begun);
    let silence = stream::poll_fn(move |_| {
        begun.take().map(|begun| begun.send(()));
        Poll::<Option<Result<Bytes, Infallible>>>::Pending
    });
    let receiver = Arc::clone(&app.app);
    let receiving =
        tokio::spawn(async move { receiver.receive(&local(), Some(10), silence).await });
    has_begun.await.unwrap();

    let sender = local();
    let new = || NewUpload { length: 10, ..NewUpload::default() };
    let refused = app.app.begin_upload(&sender, new()).await.err();
    let limits = app.app.limits(&local()).await.unwrap().uploads;
    receiving.abort();
    receiving.await.unwrap_err();

    let too_many = matches!(refused, Some(UploadError::TooMany { limit: 1, unfinished: 1 }));
    assert!(too_many, "{refused:?}");
    assert_eq!((limits.unfinished, limits.unfinished_bytes), (1, 10));
    assert!(app.app.begin_upload(&sender, new()).await.is_ok());
}

#[tokio::test]
async fn a_bundle_of_unknown_length_counts_as_the_largest() {
    let app = TestApp::start_with(|config| {
        config.store.max_bundle_bytes = 120;
        config.uploads.max_unfinished_bytes = 130;
    })
    .await;
    let new = NewUpload { length: 20, ..NewUpload::default() };
    app.app.begin_upload(&local(), new).await.unwrap();
    let pieces = || stream::iter([Ok::<_, Infallible>(vec![0; 60].into())]);

    for announced in [None, Some(111), Some(u64::MAX)] {
        let refused = app.app.receive(&local(), announced, pieces()).await.err();

        let Some(ReceiveError::NotAdmitted(error)) = refused else { panic!("{refused:?}") };
        let UploadError::TooManyBytes { limit, held, length } = error else { panic!("{error}") };
        assert_eq!((limit, held, length), (130, 20, announced.unwrap_or(120).min(120)));
    }
    assert!(app.app.receive(&local(), Some(110), pieces()).await.is_ok());
    assert_eq!(app.app.limits(&local()).await.unwrap().uploads.unfinished_bytes, 20);
}

#[tokio::test]
async fn all_uploads_share_the_room_for_staged_bundles() {
    let app = TestApp::start_with(|config| config.store.max_staged_bytes = 100).await;
    app.begin(60).await;
    let other = app.make_token("default", &["bundle:publish"]).await;

    let answer = app.creation(41).token(&other).send().await;

    assert_eq!(answer.status, StatusCode::INSUFFICIENT_STORAGE);
    assert_eq!(answer.code(), "disk_full");
    assert!(answer.text().contains("60"), "{}", answer.text());
    assert_eq!(app.creation(40).token(&other).send().await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn no_upload_begins_that_would_end_below_the_floor_of_the_disk() {
    let app = TestApp::start_with(|config| config.store.min_free_bytes = u64::MAX).await;

    let answer = app.creation(10).send().await;

    assert_eq!(answer.status, StatusCode::INSUFFICIENT_STORAGE);
    assert_eq!(answer.code(), "disk_full");
    let hint = answer.json()["hint"].to_string();
    assert!(hint.contains("`cache`") && hint.contains("`store.cache_bytes`"), "{hint}");
    assert_eq!(app.get("/api/v1/uploads").await.json(), json!({"uploads": []}));
}

#[tokio::test]
async fn a_start_on_a_full_disk_says_that_uploads_are_refused() {
    for (min_free_bytes, says_so) in [(0, false), (u64::MAX, true)] {
        let app = TestApp::start_with(|config| config.store.min_free_bytes = min_free_bytes).await;
        let (log, heard) = Log::begin();

        app.app.note_full_disk().await;
        drop(heard);

        let text = log.text();
        assert_eq!(text.contains("Uploads are refused: the disk is full: "), says_so, "{text}");
    }
}

#[tokio::test]
async fn one_caller_sends_so_many_bundles_a_minute() {
    let app = TestApp::start_with(|config| config.uploads.publishes_per_minute = 2).await;
    let put = || app.put_bundle(b"no bundle".to_vec(), &[]);
    put().await;
    app.creation(10).send().await;

    let answer = put().await;

    assert_eq!(
        (answer.status, answer.code()),
        (StatusCode::TOO_MANY_REQUESTS, "rate_limited".to_owned())
    );
    assert_eq!(answer.json()["limit_per_minute"], 2);
    assert_eq!(answer.header("retry-after"), "30");
    let other = app.make_token("default", &["bundle:publish"]).await;
    assert_eq!(app.creation(10).token(&other).send().await.status, StatusCode::CREATED);
    app.clock.advance(30);
    assert_eq!(put().await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn one_address_sends_so_many_bundles_a_minute() {
    let app =
        TestApp::start_with(|config| config.uploads.publishes_per_minute_per_address = 1).await;
    let other = app.make_token("default", &["bundle:publish"]).await;
    app.creation(10).send().await;

    let answer = app.creation(10).token(&other).send().await;

    assert_eq!(
        (answer.status, answer.code()),
        (StatusCode::TOO_MANY_REQUESTS, "rate_limited".to_owned())
    );
    // What the client says about its address does not count.
    let forged = app.creation(10).header("x-forwarded-for", "192.0.2.9").send().await;
    assert_eq!(forged.status, StatusCode::TOO_MANY_REQUESTS);
    let elsewhere = Peer::Tcp(([192, 0, 2, 9], 50_000).into());
    let answer = app.creation(10).token(&other).peer(elsewhere).send().await;
    assert_eq!(answer.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_caller_who_sends_too_much_takes_nothing_from_others_behind_its_address() {
    let app = TestApp::start_with(|config| {
        config.uploads.publishes_per_minute = 1;
        config.uploads.publishes_per_minute_per_address = 2;
    });
    let app = app.await;
    let other = app.make_token("default", &["bundle:publish"]).await;
    app.creation(10).send().await;
    for _ in 0..3 {
        assert_eq!(app.creation(10).send().await.status, StatusCode::TOO_MANY_REQUESTS);
    }

    let answer = app.creation(10).token(&other).send().await;

    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
}

#[tokio::test]
async fn one_caller_sends_so_many_parts_a_minute() {
    let app = TestApp::start_with(|config| config.uploads.parts_per_minute = 1).await;
    let path = app.begin(10).await;
    app.part(&path, 0, "1").send().await;

    let answer = app.part(&path, 1, "2").send().await;

    assert_eq!(
        (answer.status, answer.code()),
        (StatusCode::TOO_MANY_REQUESTS, "rate_limited".to_owned())
    );
    assert_eq!(answer.header("retry-after"), "60");
    assert_eq!(app.offset(&path).await, "1");
}

#[tokio::test]
async fn the_upload_page_counts_as_sending() {
    let app = TestApp::start_with(|config| config.uploads.publishes_per_minute = 1).await;
    let cookie = app.sign_in().await;
    let post = || app.call(Method::POST, "/admin/upload").session(&cookie).same_origin().send();
    post().await;

    assert_eq!(post().await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn the_limits_can_be_asked_for_with_what_is_used() {
    let app = TestApp::start().await;
    app.begin(10).await;

    let limits = app.get("/api/v1/limits").await.json();

    assert_eq!(limits["max_bundle_bytes"], 200 * 1024 * 1024);
    assert_eq!(
        limits["uploads"],
        json!({
            "max_unfinished": 16, "unfinished": 1, "max_unfinished_bytes": 1024 * 1024 * 1024,
            "unfinished_bytes": 10, "expire_after_s": 86400,
        })
    );
    assert_eq!(limits["staged"]["bytes"], 10);
    assert_eq!(limits["rates"]["publishes_per_minute"], 300);
}

#[tokio::test]
async fn a_part_that_is_said_to_be_too_long_is_refused_before_a_byte_of_it_comes() {
    let app = TestApp::start().await;
    let path = app.begin(10).await;

    let answer = app.part(&path, 0, announced(11)).send().await;

    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", answer.text());
    assert_eq!(answer.json()["received_bytes"], 11);
}
