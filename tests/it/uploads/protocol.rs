//! What the protocol promises, header by header.

use axum::http::{Method, StatusCode};
use plugboard::model::ContentHash;

use super::{PART, metadata};
use crate::support::test_app::TestApp;

#[tokio::test]
async fn the_server_says_what_of_the_protocol_it_speaks() {
    let app = TestApp::start().await;

    let answer = app.call(Method::OPTIONS, "/api/v1/uploads").send().await;

    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(answer.header("tus-resumable"), "1.0.0");
    assert_eq!(answer.header("tus-version"), "1.0.0");
    assert_eq!(
        answer.header("tus-extension"),
        "creation,creation-with-upload,checksum,termination,expiration"
    );
    assert_eq!(answer.header("tus-max-size"), "209715200");
    assert_eq!(answer.header("tus-checksum-algorithm"), "sha256");
}

#[tokio::test]
async fn a_new_upload_has_an_address_an_offset_and_an_end() {
    let app = TestApp::start().await;
    let hash = ContentHash::of(b"abc");
    let line = metadata(&[("filename", "a/b/hello.tar.zst"), ("sha256", &hash.hex())]);

    let answer = app.creation(10).header("upload-metadata", &line).send().await;

    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    assert_eq!(answer.header("upload-offset"), "0");
    assert_eq!(answer.header("upload-expires"), "Tue, 22 Sep 2026 14:13:20 GMT");
    let upload = app.get(answer.header("location")).await.json();
    assert_eq!(upload["filename"], "hello.tar.zst");
    assert_eq!(upload["declared_hash"], hash.to_string());
    assert_eq!((&upload["length"], &upload["finished"]), (&10.into(), &false.into()));
}

#[tokio::test]
async fn an_upload_can_begin_with_its_first_part() {
    let app = TestApp::start().await;

    let answer = app.creation(10).header("content-type", PART).body("12345").send().await;

    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    assert_eq!(answer.header("upload-offset"), "5");
    assert_eq!(app.offset(answer.header("location")).await, "5");
}

#[tokio::test]
async fn an_upload_whose_first_part_is_refused_does_not_begin() {
    let app = TestApp::start().await;

    let answer = app.creation(4).header("content-type", PART).body("12345").send().await;

    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", answer.text());
    assert_eq!(app.get("/api/v1/uploads").await.json()["uploads"], serde_json::json!([]));
    assert_eq!(app.app.bundles.staged_bytes(), 0);
}

#[tokio::test]
async fn another_version_of_the_protocol_is_refused_with_ours() {
    let app = TestApp::start().await;
    let path = app.begin(10).await;

    for (method, path) in [
        (Method::POST, "/api/v1/uploads"),
        (Method::HEAD, &path),
        (Method::PATCH, &path),
        (Method::DELETE, &path),
    ] {
        for call in [
            app.call(method.clone(), path),
            app.call(method.clone(), path).header("tus-resumable", "0.2.2"),
        ] {
            let answer = call.send().await;
            assert_eq!(answer.status, StatusCode::PRECONDITION_FAILED, "{method}");
            assert_eq!(answer.header("tus-version"), "1.0.0", "{method}");
            assert_eq!(answer.header("tus-resumable"), "1.0.0", "{method}");
        }
    }
}

#[tokio::test]
async fn headers_that_make_no_sense_are_refused() {
    let app = TestApp::start().await;
    let path = app.begin(10).await;
    let create = || app.tus(Method::POST, "/api/v1/uploads");
    let append = || app.tus(Method::PATCH, &path).header("content-type", PART);

    for call in [
        create(),
        create().header("upload-defer-length", "1"),
        create().header("upload-length", "-1"),
        app.creation(0),
        app.creation(10).header("upload-metadata", "sha256 YWJj"),
        append(),
        append().header("upload-offset", "x"),
        append().header("upload-offset", "0").header("upload-checksum", "sha1 YWJj"),
    ] {
        let answer = call.send().await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text());
        assert_eq!(answer.code(), "malformed_request");
    }
}

#[tokio::test]
async fn a_part_of_another_media_type_is_refused() {
    let app = TestApp::start().await;
    let path = app.begin(10).await;

    let call = app.tus(Method::PATCH, &path).header("upload-offset", "0");
    let answer = call.header("content-type", "application/zstd").body("12345").send().await;

    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(answer.code(), "unsupported_media_type");
    assert_eq!(app.offset(&path).await, "0");
}

#[tokio::test]
async fn a_file_that_calls_itself_something_else_does_not_begin() {
    let app = TestApp::start().await;
    let call = |filetype: &str| {
        app.creation(10).header("upload-metadata", &metadata(&[("filetype", filetype)])).send()
    };

    let refused = call("image/png").await;

    assert_eq!(refused.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(refused.code(), "unsupported_media_type");
    assert_eq!(call("application/zstd").await.status, StatusCode::CREATED);
    assert_eq!(call("").await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn an_upload_can_be_given_up_and_leaves_nothing() {
    let app = TestApp::start().await;
    let path = app.begin(10).await;
    app.part(&path, 0, "12345").send().await;
    assert_eq!(app.staged(), 1);

    let answer = app.tus(Method::DELETE, &path).send().await;

    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(app.tus(Method::HEAD, &path).send().await.status, StatusCode::NOT_FOUND);
    assert_eq!((app.staged(), app.app.bundles.staged_bytes()), (0, 0));
}

#[tokio::test]
async fn an_upload_expires_at_its_time_and_is_swept() {
    let app = TestApp::start().await;
    let path = app.begin(10).await;
    app.part(&path, 0, "12345").send().await;
    app.clock.advance(24 * 3600 - 1);
    assert_eq!(app.offset(&path).await, "5");
    app.app.sweep().await.unwrap();
    assert_eq!(app.staged(), 1);

    app.clock.advance(1);

    assert_eq!(app.tus(Method::HEAD, &path).send().await.status, StatusCode::NOT_FOUND);
    app.app.sweep().await.unwrap();
    assert_eq!((app.staged(), app.app.bundles.staged_bytes()), (0, 0));
}

#[tokio::test]
async fn a_file_name_is_kept_as_a_list_can_show_it() {
    let app = TestApp::start().await;
    let long = "é".repeat(200);
    for (sent, shown) in
        [("C:\\tmp\\a/b\u{1b}[31m\n.zst", "b[31m.zst"), (long.as_str(), &long[..254])]
    {
        let line = metadata(&[("filename", sent)]);
        let created = app.creation(10).header("upload-metadata", &line).send().await;

        assert_eq!(created.json()["filename"], shown, "{}", created.text());
    }
}

#[tokio::test]
async fn metadata_is_limited_in_size() {
    let app = TestApp::start().await;
    let line = metadata(&[("filename", &"a".repeat(1025))]);

    let answer = app.creation(10).header("upload-metadata", &line).send().await;

    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", answer.text());
    assert_eq!(answer.json()["limit_bytes"], 1024);
}
