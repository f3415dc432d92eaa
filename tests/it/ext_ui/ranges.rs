//! Parts of files: of the file itself, or of the form that a client has begun to read.

use axum::http::StatusCode;

use super::negotiation::{CODINGS, get, script, serving};

#[tokio::test]
async fn a_part_is_one_of_the_file_itself_also_for_who_takes_shorter_forms() {
    let app = serving().await;
    for coding in CODINGS {
        let headers = [("range", "bytes=100-199"), ("accept-encoding", coding)];
        let answer = get(&app, "app.js", &headers).await;

        assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT);
        assert_eq!(answer.text(), script(20_000)[100..200]);
        assert!(!answer.headers.contains_key("content-encoding"));
    }
}

#[tokio::test]
async fn who_refuses_the_file_itself_gets_a_part_of_a_form() {
    let app = serving().await;
    let whole = get(&app, "app.js", &[("accept-encoding", "zstd")]).await;
    let refusing = ("accept-encoding", "br;q=0.5, zstd, identity;q=0");

    let part = get(&app, "app.js", &[refusing, ("range", "bytes=1-9")]).await;

    assert_eq!(
        (part.status, part.header("content-encoding")),
        (StatusCode::PARTIAL_CONTENT, "zstd")
    );
    assert_eq!((part.header("etag"), &part.body[..]), (whole.header("etag"), &whole.body[1..10]));
}

#[tokio::test]
async fn a_form_that_broke_off_can_be_read_on() {
    let app = serving().await;
    for coding in CODINGS {
        let asked = ("accept-encoding", "br, zstd, gzip");
        let whole = get(&app, "app.js", &[("accept-encoding", coding)]).await;
        let headers = [asked, ("range", "bytes=100-"), ("if-range", whole.header("etag"))];
        let rest = get(&app, "app.js", &headers).await;

        assert_eq!(rest.status, StatusCode::PARTIAL_CONTENT);
        assert_eq!(rest.header("content-encoding"), coding);
        assert_eq!([&whole.body[..100], &rest.body].concat(), whole.body);
        let range = format!("bytes 100-{}/{}", whole.body.len() - 1, whole.body.len());
        assert_eq!(
            (rest.header("content-range"), rest.header("etag")),
            (&*range, whole.header("etag"))
        );
    }
}

#[tokio::test]
async fn if_range_compares_strong_tags_of_forms_that_the_client_takes() {
    let app = serving().await;
    let plain = get(&app, "app.js", &[]).await.header("etag").to_owned();
    let coded = get(&app, "app.js", &[("accept-encoding", "gzip")]).await.header("etag").to_owned();
    let [weak, weak_coded] = [&plain, &coded].map(|tag| format!("W/{tag}"));
    for (tag, status) in [
        (plain.as_str(), 206),
        (&weak, 200),
        (&coded, 200),
        (&weak_coded, 200),
        ("\"x\"", 200),
        ("Thu, 01 Jan 2026 00:00:00 GMT", 200),
    ] {
        let headers = [("range", "bytes=0-9"), ("if-range", tag), ("accept-encoding", "br")];
        let answer = get(&app, "app.js", &headers).await;
        let coding = if status == 206 { "" } else { "br" };
        assert_eq!((answer.status.as_u16(), answer.header("content-encoding")), (status, coding));
    }
}

#[tokio::test]
async fn several_parts_are_answered_with_the_whole() {
    let app = serving().await;
    let answer = get(&app, "app.js", &[("range", "bytes=0-1,5-9")]).await;

    assert_eq!((answer.status, answer.text()), (StatusCode::OK, script(20_000)));
}

#[tokio::test]
async fn who_has_the_file_is_sent_no_part_of_it() {
    let app = serving().await;
    let etag = get(&app, "app.js", &[]).await.header("etag").to_owned();
    let headers = [("range", "bytes=0-9"), ("if-none-match", &etag), ("accept-encoding", "br")];

    let answer = get(&app, "app.js", &headers).await;

    assert_eq!((answer.status, answer.header("etag")), (StatusCode::NOT_MODIFIED, etag.as_str()));
}

#[tokio::test]
async fn a_part_of_a_large_file_is_read_from_where_it_begins() {
    let app = serving().await;
    let whole = get(&app, "large.js", &[]).await;
    for (range, from, to) in [
        ("bytes=300000-300099", 300_000, 300_100),
        ("bytes=262143-262144", 262_143, 262_145),
        ("bytes=1-", 1, whole.body.len()),
        ("bytes=-7", whole.body.len() - 7, whole.body.len()),
    ] {
        let answer = get(&app, "large.js", &[("range", range)]).await;
        assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT);
        assert_eq!(answer.body, whole.body[from..to], "{range}");
    }
}

#[tokio::test]
async fn parts_are_offered_of_every_form() {
    let app = serving().await;
    for headers in [&[][..], &[("accept-encoding", "gzip")]] {
        assert_eq!(get(&app, "app.js", headers).await.header("accept-ranges"), "bytes");
    }
}
