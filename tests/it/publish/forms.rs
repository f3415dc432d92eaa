//! Bundles in forms: what is read of one before something of it is known, and how much there may
//! be.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use axum::body::{Body, Bytes};
use axum::http::{Method, StatusCode};
use futures_util::stream;

use super::reports;
use crate::support::random::noise;
use crate::support::test_app::{Answer, Call, TestApp};

const PIECE: usize = 16 * 1024;

fn form(app: &TestApp) -> Call<'_> {
    let call = app.call(Method::POST, "/api/v1/bundles");
    call.header("content-type", "multipart/form-data; boundary=XX")
}

/// `beginning`, and then the same letter for as long as somebody reads.
fn endless(beginning: &'static str, read: &Arc<AtomicUsize>) -> Body {
    let read = Arc::clone(read);
    let letters = move |at| {
        let piece = if at == 0 { beginning.into() } else { Bytes::from(vec![b'a'; PIECE]) };
        read.fetch_add(piece.len(), Relaxed);
        let stops = at > 64 * 1024 * 1024 / PIECE;
        async move { (!stops).then_some((Ok::<_, Infallible>(piece), at + 1)) }
    };
    Body::from_stream(stream::unfold(0, letters))
}

/// The same form, a few bytes at a time.
fn in_pieces(body: &[u8], bytes: usize) -> Body {
    let pieces: Vec<_> = body.chunks(bytes).map(Bytes::copy_from_slice).collect();
    Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, Infallible>)))
}

fn part(name: &str, content: &[u8]) -> Vec<u8> {
    let head = format!("--XX\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n");
    [head.as_bytes(), content, b"\r\n"].concat()
}

fn assert_refused(answer: &Answer, status: StatusCode, text: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert!(answer.text().contains(text), "{}", answer.text());
}

#[tokio::test]
async fn a_part_whose_head_has_no_end_is_refused_before_it_fills_the_memory() {
    let app = TestApp::start().await;

    for beginning in ["no boundary", "--XX\r\nx-a: "] {
        let read = Arc::new(AtomicUsize::new(0));
        let answer = form(&app).body(endless(beginning, &read)).send().await;

        let text = "the head of a part of the form has at most 65536 bytes here";
        assert_refused(&answer, StatusCode::PAYLOAD_TOO_LARGE, text);
        assert!(read.load(Relaxed) <= 64 * 1024 + 2 * PIECE, "{beginning}: {read:?}");
    }
}

#[tokio::test]
async fn a_form_has_32_parts_at_most() {
    let app = TestApp::start().await;
    let archive = reports().build();
    let with = |others: usize| {
        let others = part("signature", b"").repeat(others);
        [part("bundle", &archive), part("signature", &app.sign(&archive)), others, b"--XX--".into()]
            .concat()
    };

    let enough = form(&app).body(with(30)).send().await;
    let too_many = form(&app).body(with(31)).send().await;

    assert_eq!(enough.status, StatusCode::CREATED, "{}", enough.text());
    assert_refused(&too_many, StatusCode::BAD_REQUEST, "the form has more than 32 parts");
}

#[tokio::test]
async fn a_form_arrives_in_pieces_of_any_size() {
    let archive = reports().file("ui/noise.png", noise(1, 300 * 1024)).build();
    for bytes in [7, 1_000, 70_000, 1_000_000] {
        let app = TestApp::start().await;
        let signature = app.sign(&archive);
        let whole = [part("bundle", &archive), part("signature", &signature), b"--XX--".into()];

        let answer = form(&app).body(in_pieces(&whole.concat(), bytes)).send().await;

        assert_eq!(answer.status, StatusCode::CREATED, "{bytes}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_field_that_means_nothing_is_refused_and_not_left_out() {
    let app = TestApp::start().await;
    let archive = reports().build();
    let body =
        [part("bundle", &archive), part("signatures", &app.sign(&archive)), b"--XX--".into()];

    let answer = form(&app).body(body.concat()).send().await;

    assert_refused(&answer, StatusCode::BAD_REQUEST, "the form has a field `signatures`");
    let listed = app.get("/api/v1/extensions").await.json();
    assert_eq!(listed, serde_json::json!({"versions": []}));
}
