//! Many who publish at once: one version, one winner, and the others are told.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use plugboard::model::ContentHash;

use super::reports;
use crate::support::test_app::{Answer, TestApp};

const MANY: usize = 32;

/// The two ways to send a bundle of which each ends in a publish of its own.
#[derive(Clone, Copy, Debug)]
enum Way {
    OneRequest,
    Parts,
}

async fn roomy() -> Arc<TestApp> {
    let many = u32::try_from(MANY).unwrap();
    Arc::new(TestApp::start_with(|config| config.uploads.max_unfinished = many).await)
}

/// Publishes all `archives` at the same time.
async fn publish_at_once(app: &Arc<TestApp>, archives: &[Vec<u8>], way: Way) -> Vec<Answer> {
    let mut calls = Vec::new();
    for archive in archives {
        let signature = app.sign(archive);
        let (method, path, body) = match way {
            Way::OneRequest => (Method::PUT, "/api/v1/bundles".to_owned(), archive.clone()),
            Way::Parts => (Method::POST, app.send_whole(archive).await + "/publish", Vec::new()),
        };
        let app = Arc::clone(app);
        calls.push(async move {
            let call = app.call(method, &path).body(body);
            call.header("plugboard-signature", &STANDARD.encode(signature)).send().await
        });
    }
    let running: Vec<_> = calls.into_iter().map(tokio::spawn).collect();
    join_all(running).await.into_iter().map(Result::unwrap).collect()
}

fn count(answers: &[Answer], status: StatusCode) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

/// The hash of the only version there is.
async fn the_version(app: &TestApp) -> String {
    let list = app.get("/api/v1/extensions").await.json();
    let versions = list["versions"].as_array().unwrap();
    assert_eq!(versions.len(), 1, "{list}");
    versions[0]["content_hash"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_who_publish_the_same_bytes_at_once_have_one_version_and_one_created_it() {
    for way in [Way::OneRequest, Way::Parts] {
        let app = roomy().await;
        let archive = reports().build();

        let answers = publish_at_once(&app, &vec![archive.clone(); MANY], way).await;

        let (created, known) =
            (count(&answers, StatusCode::CREATED), count(&answers, StatusCode::OK));
        assert_eq!((created, known), (1, MANY - 1), "{way:?}: {answers:#?}");
        let hash = ContentHash::of(&archive).to_string();
        for answer in &answers {
            assert_eq!(answer.json()["content_hash"], *hash);
        }
        assert_eq!(the_version(&app).await, hash);
        assert_eq!((app.staged(), app.app.bundles.staged_bytes()), (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_who_publish_other_bytes_as_one_version_at_once_have_one_winner() {
    for way in [Way::OneRequest, Way::Parts] {
        let app = roomy().await;
        let archive = |number| reports().page(&format!("<p>{number}</p>")).build();
        let archives: Vec<_> = (0..MANY).map(archive).collect();

        let answers = publish_at_once(&app, &archives, way).await;

        let winner = answers.iter().position(|answer| answer.status == StatusCode::CREATED);
        let winner = ContentHash::of(&archives[winner.unwrap()]);
        let taken = answers.iter().filter(|answer| answer.status == StatusCode::CONFLICT);
        let codes: Vec<_> = taken.map(Answer::code).collect();
        assert_eq!(codes, vec!["version_taken"; MANY - 1], "{way:?}");
        assert_eq!(the_version(&app).await, winner.to_string());
        only_the_winner_is_kept(&app, &archives, winner).await;
    }
}

/// What the others stored before they lost goes with the sweep, and the winner's stays.
async fn only_the_winner_is_kept(app: &TestApp, archives: &[Vec<u8>], winner: ContentHash) {
    // Later than the objects are old. The first sweep after a put lets it be.
    app.clock.advance(50 * 365 * 24 * 3_600);
    app.app.sweep().await.unwrap();
    app.app.sweep().await.unwrap();
    for archive in archives {
        let hash = ContentHash::of(archive);
        assert_eq!(app.app.bundles.exists(&hash).await.unwrap(), hash == winner);
    }
    assert_eq!((app.staged(), app.app.bundles.staged_bytes()), (0, 0));
}
