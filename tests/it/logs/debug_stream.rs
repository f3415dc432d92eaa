//! The lines as the existing application streams them: interfaces of others, to the letter.

use super::following::Listening;
use super::*;

const PATH: &str = "/api/ext-debug/stream";

#[tokio::test]
async fn events_have_the_members_that_clients_know() {
    let stage = Stage::new().await;
    stage.say("r", "oh\n").await;

    let mut listening = Listening::to(&stage.app, &format!("{PATH}?extensionId={NAME}")).await;
    let event = listening.next().await.unwrap();

    let hash = stage.app.content_hash(&bundle("1.0.0")).to_string();
    let event: Value = serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(
        event,
        json!({
            "ts": "1790000000000",
            "level": "warn",
            "stream": "stderr",
            "tenantId": "default",
            "extensionId": NAME,
            "installId": stage.id,
            "requestId": "request-1",
            "versionId": "1.0.0",
            "contentHash": hash,
            "message": "oh",
            "truncated": false,
        })
    );
}

#[tokio::test]
async fn the_last_lines_come_first_and_then_those_that_are_written() {
    let stage = Stage::with(|config| config.logs.debug_stream_lines = 2).await;
    for (text, request) in [("1", "a"), ("2", "a"), ("3", "b")] {
        stage.say_as("i", text, request).await;
    }

    let path = format!("{PATH}?extensionId={}&requestId=A&installId={}", stage.id, stage.id);
    let mut listening = Listening::to(&stage.app, &path).await;
    let tail = listening.next().await.unwrap();
    stage.say_as("i", "4", "b").await;
    stage.say_as("i", "5", "a").await;
    let live = listening.next().await.unwrap();

    assert!(tail.contains("\"message\":\"2\""), "the last two, and of them those of the request");
    assert!(live.contains("\"message\":\"5\""), "{live}");
}

#[tokio::test]
async fn who_cannot_stream_polls() {
    let stage = Stage::new().await;
    stage.say("i", "one").await;
    stage.say("i", "two").await;
    let poll = async |body: &str| {
        let call = stage.app.call(Method::POST, &format!("{PATH}?extensionId={NAME}"));
        call.body(body.to_owned()).send().await
    };

    let first = poll("").await.json();
    let next = poll(&json!({ "lastId": "1" }).to_string()).await.json();
    let none = poll(&json!({ "lastId": "2" }).to_string()).await.json();
    let wrong = poll(r#"{"lastId": "1700000000000-0"}"#).await;

    assert_eq!(first["lastId"], "2");
    assert_eq!(first["events"].as_array().unwrap().len(), 2);
    assert_eq!((&next["events"][0]["message"], &next["lastId"]), (&json!("two"), &json!("2")));
    assert_eq!(none, json!({ "events": [], "lastId": "2" }));
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn refusals_are_a_status_and_a_sentence() {
    let stage = Stage::new().await;
    let other = stage.app.make_token("other", &ALL_SCOPES).await;
    let publisher = stage.app.make_token("default", &["bundle:publish"]).await;
    let of = |query: &str| stage.app.call(Method::GET, &format!("{PATH}{query}"));
    let ours = format!("?extensionId={NAME}");

    let calls = [
        (of(""), 400, "extensionId is required"),
        (of(&ours).anonymous(), 401, "Unauthorized"),
        (of(&ours).token(&publisher), 403, "Forbidden"),
        (of(&format!("{ours}&tenantId=other")), 403, "Forbidden"),
    ];

    for (call, status, sentence) in calls {
        let answer = call.send().await;
        assert_eq!(answer.status.as_u16(), status);
        assert_eq!(answer.json(), json!({ "error": sentence }));
        assert_eq!(answer.header("content-type"), "application/json");
    }
    let foreign = of(&ours).token(&other).send().await;
    assert_eq!(foreign.status, StatusCode::NOT_FOUND, "{}", foreign.text());
}

#[tokio::test]
async fn a_signed_in_operator_streams_by_cookie() {
    let stage = Stage::new().await;
    stage.app.add_operator("ada").await;
    let cookie = stage.app.session().await;

    let call = stage.app.call(Method::GET, &format!("{PATH}?extensionId={NAME}")).session(&cookie);

    assert_eq!(call.open().await.status(), StatusCode::OK);
}
