//! The page: names and dates come out, values go in, all without a script.

use plugboard::app::sign_in::csrf_token;

use super::*;

const PAGE: &str = "/admin/extensions/com.example.confides/secrets";

/// A browser with a session, on the appliance.
struct Browser<'a> {
    app: &'a TestApp,
    cookie: String,
}

impl<'a> Browser<'a> {
    async fn of(app: &'a TestApp) -> Self {
        Self { app, cookie: app.session().await }
    }

    async fn open(&self, path: &str) -> String {
        let answer = self.app.call(Method::GET, path).session(&self.cookie).send().await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        answer.text()
    }

    async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = csrf_token(self.cookie.split_once('=').unwrap().1);
        let fields = [&[("csrf_token", token.as_str())], fields].concat();
        let call = self.app.call(Method::POST, path).session(&self.cookie).same_origin();
        call.form(&fields).send().await
    }
}

#[tokio::test]
async fn a_secret_is_set_and_removed_on_the_page_and_never_shown() {
    let (app, path) = installed().await;
    let browser = Browser::of(&app).await;
    let form = path.replace("/api/v1", "/admin");
    assert!(browser.open(PAGE).await.contains("It has no secret yet"));

    let fields =
        [("key", " api_key "), ("value", "hunter2\r\nhunter3\r\n"), ("expires", "2030-01-31")];
    let set = browser.submit(&form, &fields).await;

    assert_eq!(set.header("location"), format!("{PAGE}?done=secret_set"), "{}", set.text());
    assert_eq!(guest(&app, "a").await, "hunter2\nhunter3");
    let shown = browser.open(&format!("{PAGE}?done=secret_set")).await;
    assert!(shown.contains("<code>api_key</code>") && shown.contains("operator ada"), "{shown}");
    assert!(shown.contains("2030-01-31") && shown.contains("The secret is set."), "{shown}");
    assert!(!shown.contains("hunter"), "{shown}");

    let question = browser.open(&format!("{form}/api_key/remove")).await;
    assert!(question.contains("Remove the secret api_key of com.example.confides?"), "{question}");
    let removed = browser.submit(&format!("{form}/api_key/remove"), &[]).await;
    assert_eq!(removed.header("location"), format!("{PAGE}?done=secret_removed"));
    assert_eq!(guest(&app, "a").await, MISSING);
    let gone = app.call(Method::GET, &format!("{form}/api_key/remove")).session(&browser.cookie);
    assert_eq!(gone.send().await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_form_that_does_not_fit_is_shown_again_without_the_value() {
    let (app, path) = installed().await;
    let browser = Browser::of(&app).await;
    let form = path.replace("/api/v1", "/admin");
    let large = "hunter2".repeat(3_000);
    let cases = [
        (["-key", "hunter2", ""], "1 to 128"),
        (["api_key", "", ""], "1 to 16384 bytes"),
        (["api_key", &large, ""], "this one has 21000"),
        (["api_key", "hunter2", "tomorrow"], "is no date"),
        (["api_key", "hunter2", "2020-01-01"], "cannot expire at 2020-01-01"),
    ];

    for ([key, value, expires], part) in cases {
        let fields = [("key", key), ("value", value), ("expires", expires)];
        let again = browser.submit(&form, &fields).await;
        assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY, "{part}");
        let text = again.text();
        assert!(text.contains(part), "{part}: {text}");
        assert!(text.contains(&format!("value=\"{key}\"")), "{part}: {text}");
        assert!(!text.contains("hunter2"), "{part}: {text}");
    }
    assert_eq!(app.get(&path).await.json(), json!({"secrets": []}));
}

#[tokio::test]
async fn a_form_without_the_token_of_the_session_sets_nothing() {
    let (app, path) = installed().await;
    let cookie = app.session().await;
    let form = path.replace("/api/v1", "/admin");

    for token in ["", "x"] {
        let fields = [("csrf_token", token), ("key", "api_key"), ("value", "hunter2")];
        let call = app.call(Method::POST, &form).session(&cookie).same_origin().form(&fields);
        let answer = call.send().await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text());
    }

    assert_eq!(app.get(&path).await.json(), json!({"secrets": []}));
}

#[tokio::test]
async fn the_pages_say_what_goes_with_an_install_and_what_it_may_not_read() {
    let app = TestApp::start().await;
    app.publish(&version("1.0.0")).await;
    let id = app.install_published(NAME, json!([])).await;
    set(&app, &format!("/api/v1/installs/{id}/secrets"), "a", json!({"value": "x"})).await;
    let browser = Browser::of(&app).await;

    let page = browser.open(PAGE).await;
    let question = browser.open(&format!("/admin/installs/{id}/uninstall")).await;

    assert!(page.contains("does not grant <code>cap:secrets.get</code>"), "{page}");
    assert!(question.contains("Deleted with it, at once: 1 secret."), "{question}");
    assert!(question.contains("settings and secrets cannot be brought back"), "{question}");
}
