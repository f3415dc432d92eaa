//! The logs tab.

use std::time::Instant;

use super::*;
use crate::support::note;
use crate::support::test_app::Answer;

const PAGE: &str = "/admin/extensions/com.example.says/logs";

async fn signed_in() -> (Stage, String) {
    let stage = Stage::new().await;
    stage.app.add_operator("ada").await;
    let cookie = stage.app.session().await;
    (stage, cookie)
}

async fn show(stage: &Stage, cookie: &str, query: &str) -> Answer {
    stage.app.call(Method::GET, &format!("{PAGE}{query}")).session(cookie).send().await
}

#[tokio::test]
async fn the_page_shows_the_newest_lines_first_and_leads_to_those_before() {
    let (stage, cookie) = signed_in().await;
    for number in 1..=3 {
        stage.say("w", &format!("message {number}")).await;
    }

    let newest = show(&stage, &cookie, "?limit=2").await.text();
    let older = show(&stage, &cookie, "?limit=2&before=2").await.text();

    let at = |text: &str| newest.find(text).unwrap_or_else(|| panic!("{text}: {newest}"));
    assert!(at("message 3") < at("message 2") && !newest.contains("message 1"));
    assert!(newest.contains(&format!("{PAGE}?limit=2&#38;before=2")), "{newest}");
    let live = format!("/api/v1/installs/{}/logs?follow=true&#38;after=3", stage.id);
    assert!(newest.contains(&live) && newest.contains("/static/logs.js"), "{newest}");
    assert!(older.contains("message 1") && older.contains(">Newest<"), "{older}");
    assert!(!older.contains("data-live") && !older.contains("logs.js"), "old lines do not move");
}

#[tokio::test]
async fn a_page_of_a_full_ring_shows_the_newest_lines_and_what_is_gone() {
    let (stage, cookie) = signed_in().await;
    for thousand in 0..40 {
        let numbers = thousand * 1_000..(thousand + 1) * 1_000;
        stage.keep(numbers, |number| format!("line {number} {}", "x".repeat(100))).await;
    }

    let started = Instant::now();
    let shown = show(&stage, &cookie, "").await;
    let newest = started.elapsed();
    let nothing = show(&stage, &cookie, "?text=nowhere").await;
    let all = started.elapsed().saturating_sub(newest);

    assert_eq!(shown.status, StatusCode::OK, "{}", shown.text());
    assert!(shown.text().contains("line 39999 x"), "{}", shown.text());
    assert!(nothing.text().contains("Nothing found"), "{}", nothing.text());
    let oldest = stage.read("?after=1&limit=1").await;
    let missing = oldest["missing"].as_u64().unwrap();
    assert!((1..40_000).contains(&missing), "{missing}");
    note(&format!(
        "{} lines in the ring; the page in {newest:?}, and in {all:?} where no line fits",
        39_999 - missing
    ));
}

#[tokio::test]
async fn a_filter_stays_in_the_form_and_in_every_link() {
    let (stage, cookie) = signed_in().await;
    stage.say_as("e", "one", "r-1").await;
    stage.say_as("e", "two", "r-2").await;

    let shown = show(&stage, &cookie, "?level=error&text=o&limit=1").await.text();
    let none = show(&stage, &cookie, "?text=nowhere").await.text();

    assert!(shown.contains(r#"<option value="error" selected>"#), "{shown}");
    assert!(shown.contains("level=error&#38;text=o&#38;limit=1&#38;before=2"), "{shown}");
    assert!(shown.contains(&format!(r#"<a href="{PAGE}?request=r-2">"#)), "{shown}");
    assert!(none.contains("Nothing found") && none.contains("Show everything"), "{none}");
}

#[tokio::test]
async fn a_wrong_filter_is_said_beside_its_field() {
    let (stage, cookie) = signed_in().await;

    let answer = show(&stage, &cookie, "?level=loud&after=x").await;

    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let text = answer.text();
    assert!(text.contains(r##"<a href="#level">Level: it is one of info, warn, error.</a>"##));
    assert!(text.contains("after: it is the number of a line."), "{text}");
}

#[tokio::test]
async fn what_a_guest_writes_is_text_on_the_page() {
    let (stage, cookie) = signed_in().await;

    stage.say("e", "<script>alert(1)</script>\n</td>\u{202e}").await;

    let text = show(&stage, &cookie, "").await.text();
    assert!(text.contains("&#60;script&#62;alert(1)&#60;/script&#62;\\n&#60;/td&#62;\\u{202e}"));
    assert!(!text.contains("<script>alert") && !text.contains('\u{202e}'), "{text}");
}

#[tokio::test]
async fn without_an_install_and_without_lines_the_page_says_what_it_is() {
    let (stage, cookie) = signed_in().await;

    let empty = show(&stage, &cookie, "").await.text();
    stage.app.call(Method::DELETE, &format!("/api/v1/installs/{}", stage.id)).send().await;
    let gone = show(&stage, &cookie, "").await.text();

    assert!(empty.contains("No lines yet") && empty.contains("plugboard logs com.example.says"));
    assert!(gone.contains("is not installed"), "{gone}");
}
