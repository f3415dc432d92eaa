//! The logs tab: as it is without a script, and as lines come.

use super::*;

const NAME: &str = "com.example.says";
const PAGE: &str = "/admin/extensions/com.example.says/logs";

/// An operator before the logs of an extension that says what it is told.
async fn prepared(stage: Stage) -> Stage {
    stage.sign_in().await;
    let bundle = BundleBuilder::new(NAME, "1.0.0")
        .component(crate::support::guests::wasi_extension("says"))
        .endpoint_with("POST", "/i", &json!({"auth": "public"}))
        .endpoint_with("POST", "/e", &json!({"auth": "public"}));
    let archive = bundle.build();
    stage.upload(&archive, &crate::support::test_app::sign_with(key(), &archive)).await;
    stage.press("Install and enable").await;
    stage.find("nav.tabs a[href$='/logs']").await;
    stage
}

async fn say(stage: &Stage, does: &str, text: &str) {
    let url = format!("{}/api/ext/{NAME}/{does}", stage.origin);
    let answer = reqwest::Client::new().post(url).body(text.to_owned()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

/// The messages of the table, from its top.
async fn messages(stage: &Stage) -> Vec<String> {
    let mut texts = Vec::new();
    for cell in stage.browser.find_all(Locator::Css("[data-rows] td.message")).await.unwrap() {
        texts.push(cell.text().await.unwrap());
    }
    texts
}

async fn until(stage: &Stage, expected: &[&str]) {
    for _ in 0..300 {
        if messages(stage).await == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{:?} and not {expected:?}", messages(stage).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_come_to_the_page_and_wait_while_it_is_paused() {
    let stage = prepared(Stage::set().await).await;
    stage.go(PAGE).await;
    assert_eq!(text_of(&stage, "[data-state]").await, "Live: new lines appear at the top.");

    say(&stage, "i", "one").await;
    say(&stage, "e", "<b>two</b>\u{202e}\n").await;
    until(&stage, &["<b>two</b>\\u{202e}", "one"]).await;
    stage.press("Pause").await;
    say(&stage, "i", "three").await;

    for _ in 0..300 {
        if text_of(&stage, "[data-state]").await == "Paused. 1 line came since." {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(text_of(&stage, "[data-state]").await, "Paused. 1 line came since.");
    assert_eq!(messages(&stage).await.len(), 2, "nothing moves");
    stage.press("Go on").await;
    until(&stage, &["three", "<b>two</b>\\u{202e}", "one"]).await;
    // As the server writes it: the page looks the same when it is loaded again.
    let of_script = stage.find("[data-rows]").await.html(true).await.unwrap();
    stage.go(PAGE).await;
    let of_server = stage.find("[data-rows]").await.html(true).await.unwrap();
    let words = |html: &str| html.split_whitespace().collect::<String>().replace("=\"\"", "");
    assert_eq!(words(&of_script), words(&of_server));
    stage.browser.clone().close().await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_script_lines_are_filtered_by_a_form() {
    let stage = prepared(Stage::set().await).await;
    stage.let_scripts_run(false).await;
    say(&stage, "i", "quiet").await;
    say(&stage, "e", "loud").await;

    stage.go(PAGE).await;
    assert_eq!(messages(&stage).await, ["loud", "quiet"]);
    let bar = stage.find("[data-live]").await.attr("hidden").await.unwrap();
    assert!(bar.is_some(), "what only a script can do is not offered");
    stage.find("select[name=level] option[value=error]").await.click().await.unwrap();
    stage.press("Filter").await;

    stage.find("a.button[href$='/logs']").await;
    assert_eq!(messages(&stage).await, ["loud"]);
    let row = text_of(&stage, "[data-rows] tr").await;
    assert!(row.contains("error") && row.contains("log"), "{row}");
    stage.browser.clone().close().await.ok();
}
