//! What a new operator finds on the pages, and where each leads to.

use axum::http::{Method, StatusCode};
use plugboard::app::sign_in::csrf_token;
use plugboard::trust::keys;
use serde_json::{Value, json};

use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;
use crate::support::test_app::{Answer, TestApp, sign_with};

const NAME: &str = "com.example.reports";
const PAGE: &str = "/admin/extensions/com.example.reports";

fn reports(version: &str) -> BundleBuilder {
    BundleBuilder::new(NAME, version).page("<h1>Reports</h1>")
}

async fn open(app: &TestApp, path: &str) -> Answer {
    app.call(Method::GET, path).session(&app.session().await).send().await
}

async fn page(app: &TestApp, path: &str) -> String {
    open(app, path).await.text()
}

async fn submit(app: &TestApp, path: &str, fields: &[(&str, &str)]) -> Answer {
    let cookie = app.session().await;
    let token = csrf_token(cookie.split_once('=').unwrap().1);
    let fields: Vec<_> = fields.iter().copied().chain([("csrf_token", token.as_str())]).collect();
    app.call(Method::POST, path).session(&cookie).same_origin().form(&fields).send().await
}

fn assert_has(page: &str, parts: &[&str]) {
    for part in parts {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
}

#[tokio::test]
async fn the_grants_of_an_install_are_changed_from_where_it_lacks_one() {
    let app = TestApp::start().await;
    app.publish(&reports("1.0.0").capabilities(&["cap:http.fetch", "cap:secrets.get"])).await;
    app.publish(&reports("1.1.0").capabilities(&["cap:http.fetch"])).await;
    let body = json!({"name": NAME, "version": "1.0.0", "grants": []});
    let id = app.post("/api/v1/installs", body).await.json()["id"].as_str().unwrap().to_owned();
    let way = format!("/admin/installs/{id}/upgrade?version=1.0.0");

    for path in [PAGE, &format!("{PAGE}/secrets"), &format!("/admin/installs/{id}/egress")] {
        let link = format!("href=\"{way}\">Change grants</a>");
        assert_has(&page(&app, path).await, &[&link]);
    }
    assert_has(&page(&app, &way).await, &["Change what com.example.reports 1.0.0 may do?"]);
    let fields = [("version", "1.0.0"), ("grant", "cap:secrets.get"), ("confirm", "true")];
    let changed = submit(&app, &format!("/admin/installs/{id}/upgrade"), &fields).await;

    assert_eq!(changed.header("location"), format!("{PAGE}?done=grants_changed"));
    assert_has(&page(&app, changed.header("location")).await, &["The grants are changed."]);
    let secrets = page(&app, &format!("{PAGE}/secrets")).await;
    assert!(!secrets.contains("Change grants"), "{secrets}");
}

#[tokio::test]
async fn what_the_manifest_does_not_ask_for_is_said_and_not_offered() {
    let app = TestApp::start().await;
    let id = app.install(&reports("1.0.0")).await;

    let overview = page(&app, PAGE).await;
    let hosts = page(&app, &format!("/admin/installs/{id}/egress")).await;
    let secrets = page(&app, &format!("{PAGE}/secrets")).await;

    assert_has(&hosts, &["its manifest does not ask for <code>cap:http.fetch</code>"]);
    assert!(!hosts.contains("name=\"hosts\""), "{hosts}");
    assert_has(&secrets, &["its manifest does not ask for <code>cap:secrets.get</code>"]);
    for shown in [overview, hosts, secrets] {
        assert!(!shown.contains("Change grants"), "{shown}");
    }
}

#[tokio::test]
async fn an_error_keeps_the_frame_of_whoever_is_signed_in_and_leads_back() {
    let app = TestApp::start().await;
    let id = app.install(&reports("1.0.0")).await;
    app.post(&format!("/api/v1/installs/{id}/disable"), json!({})).await;

    let nowhere = open(&app, "/admin/nowhere").await;
    let no_extension = page(&app, "/admin/extensions/com.nope").await;
    let no_version = page(&app, &format!("{PAGE}?version=9.0.0")).await;
    let disabled = page(&app, &format!("/admin/open/{id}")).await;
    let forged = app.call(Method::POST, "/sign-out").session(&app.session().await).send().await;

    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    assert_has(&no_extension, &["There is no extension com.nope."]);
    assert_has(&no_version, &["com.example.reports 9.0.0 is not published."]);
    let way = format!("href=\"{PAGE}\"");
    assert_has(&disabled, &["com.example.reports is disabled.", &way]);
    for shown in [nowhere.text(), no_extension, no_version, disabled, forged.text()] {
        let parts = ["Sign out", "aria-label=\"Main\"", "href=\"/admin/extensions\">To the ext"];
        assert_has(&shown, &parts);
    }
}

#[tokio::test]
async fn an_error_shows_nothing_of_a_session_to_others() {
    let app = TestApp::start().await;
    let cookie = app.session().await;
    let strangers = [
        app.call(Method::GET, "/nowhere").anonymous(),
        app.call(Method::GET, "/nowhere").session("plugboard=AAAA"),
        app.call(Method::GET, "/nowhere").header("cookie", &cookie),
    ];

    for call in strangers {
        let shown = call.send().await.text();
        assert!(!shown.contains("Sign out") && !shown.contains(">ada<"), "{shown}");
    }
}

#[tokio::test]
async fn where_the_pages_of_extensions_are_an_error_shows_nothing_of_a_session() {
    use tower::ServiceExt;
    let app = TestApp::start().await;
    let router = plugboard::web::ext_ui_router(app.app.clone());
    let request = http::Request::builder().uri("/nowhere").header("host", "127.0.0.1:7421");
    let request = request.header("cookie", app.session().await);

    let answer = router.oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();

    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    let shown = String::from_utf8_lossy(&body);
    assert!(!shown.contains("csrf_token") && !shown.contains(">ada<"), "{shown}");
}

#[tokio::test]
async fn an_empty_appliance_names_the_whole_path_of_the_command_line() {
    let list = page(&TestApp::start().await, "/admin/extensions").await;

    let commands = ["keygen my-key", "trust add my-key.pub", "token create", "publish my-ext"];
    assert_has(&list, &commands);
    assert_has(&list, &["--token-file my.token --install --enable"]);
}

#[tokio::test]
async fn a_stranger_s_key_is_named_by_its_first_digits() {
    let app = TestApp::start().await;
    let archive = reports("1.0.0").build();
    let stranger = sign_with(&keys::generate().unwrap(), &archive);
    app.put_bundle(archive, &[stranger]).await;

    let list = page(&app, "/admin/extensions").await;

    let (_, card) = list.split_once("<ul class=\"kept waiting\">").unwrap();
    let (why, _) = card.split_once("expires").unwrap();
    let (_, key) = why.split_once("sha256:").unwrap_or_else(|| panic!("no key in {why}"));
    assert_eq!(key.find('…'), Some(8), "{why}");
}

#[tokio::test]
async fn a_password_among_the_settings_is_not_shown() {
    let app = TestApp::start().await;
    let schema = json!({"type": "object", "properties": {
        "key": {"type": "string", "format": "password"},
        "limit": {"type": "integer", "minimum": 1, "maximum": 9},
    }});
    app.install(&reports("1.0.0").manifest("settings", schema)).await;

    let settings = page(&app, &format!("{PAGE}/settings")).await;

    assert_has(&settings, &["name=\"setting.key\" type=\"password\"", "From 1 to 9."]);
}

#[tokio::test]
async fn a_call_of_this_machine_is_not_said_to_lack_a_list() {
    let app = TestApp::start().await;
    let bundle = BundleBuilder::new("com.example.guest", "1.0.0")
        .component(guests::extension("calls"))
        .capabilities(&["cap:http.fetch"])
        .endpoint("POST", "/call");
    let id = app.install(&bundle).await;
    let urls =
        ["http://127.0.0.1:1/", "http://[::1]/", "http://169.254.169.254/", "http://x.localhost/"];
    for url in urls {
        let call = app.call(Method::POST, "/api/ext/com.example.guest/call");
        call.body(url.to_owned()).send().await;
    }

    let hosts = page(&app, &format!("/admin/installs/{id}/egress")).await;
    let report = app.get(&format!("/api/v1/installs/{id}/egress")).await.json();

    assert_eq!(
        hosts.matches("This machine, or link-local: cannot be called<").count(),
        4,
        "{hosts}"
    );
    assert!(!hosts.contains("name=\"allow\"") && !hosts.contains("Not in"), "{hosts}");
    assert_eq!(report["refused"][0]["missing_on"], json!([]));
    let named = app.call(Method::POST, "/api/ext/com.example.guest/call");
    named.body("http://api.example.com/").send().await;
    let hosts = page(&app, &format!("/admin/installs/{id}/egress")).await;
    assert_has(&hosts, &["Not in the appliance&#39;s <code>egress.allowlist</code>, nor in"]);
}

#[tokio::test]
async fn all_that_is_wrong_with_a_form_is_said_once_and_in_sentences() {
    let app = TestApp::start().await;
    let capabilities = ["cap:http.fetch", "cap:secrets.get"];
    let id = app.install(&reports("1.0.0").capabilities(&capabilities)).await;
    let of = |what: &str| format!("/admin/installs/{id}/{what}");

    let fields =
        [("key", "a b"), ("value", ""), ("expires", "soon"), ("hosts", ""), ("header", "")];
    let three = submit(&app, &of("secrets"), &fields).await;
    let lines = [("hosts", "a/b\nhttps://*\napi.example.com")];
    let two = submit(&app, &of("egress"), &lines).await;
    let one = submit(&app, &of("egress"), &[("hosts", "a/b")]).await;

    assert_eq!(three.status, StatusCode::UNPROCESSABLE_ENTITY);
    let three = three.text();
    assert_has(&three, &["3 things need your attention", "A secret has 1 to "]);
    for field in ["key", "value", "expires"] {
        assert_has(&three, &[&format!("href=\"#{field}\""), &format!("id=\"{field}-error\"")]);
    }
    let two = two.text();
    assert_has(&two, &["2 things need your attention", "“a/b”: an entry is <code>host</code>"]);
    let (summary, fields) = two.split_once("<form class=\"stack\"").unwrap();
    assert!(!summary.contains('`') && fields.matches("“").count() == 2, "{two}");
    let one = one.text();
    assert_has(&one, &["<a href=\"#hosts\">One thing needs your attention</a>"]);
    assert_eq!(one.matches("“a/b”").count(), 1, "{one}");
}

#[tokio::test]
async fn a_granted_capability_that_is_refused_here_is_not_green() {
    let asked = ["cap:scheduler.manage", "cap:ui.proxy", "cap:client.read", "cap:storage.kv"];
    let bundle = reports("1.0.0").capabilities(&asked);
    let alone = TestApp::start().await;
    let with_application = TestApp::start_with(|config| {
        config.host_callbacks.ui_proxy_base_url = "http://127.0.0.1:1".to_owned();
        config.host_callbacks.clients_url = "http://127.0.0.1:1".to_owned();
    })
    .await;

    for (app, refused) in [(alone, 2), (with_application, 0)] {
        app.install(&bundle).await;
        let shown = page(&app, PAGE).await;
        let count = shown.matches("granted; refused here: no host application").count();
        assert_eq!(count, refused, "{shown}");
        assert_eq!(shown.matches("granted; not offered by this appliance").count(), 1, "{shown}");
        assert_eq!(shown.matches("<span class=\"pill good\">granted</span>").count(), 3 - refused);
    }
}

#[tokio::test]
async fn uninstalling_counts_what_was_granted_and_purges_if_told_to() {
    let app = TestApp::start().await;
    let bundle = reports("1.0.0").capabilities(&["cap:storage.kv", "cap:user.read"]);
    let id = app.install(&bundle).await;
    let value = json!({"namespace": "n", "key": "a", "value_base64": "YQ=="}).to_string();
    let path = format!("/api/v1/installs/{id}/state");
    let kept = app.call(Method::POST, &path).body(value).send().await;
    assert_eq!(kept.status, StatusCode::OK, "{}", kept.text());
    let uninstall = format!("/admin/installs/{id}/uninstall");

    let question = page(&app, &uninstall).await;
    let done = submit(&app, &uninstall, &[("purge", "true")]).await;

    assert_has(&question, &["1 grant and 0 settings are deleted.", "name=\"purge\""]);
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    assert_eq!(app.get("/api/v1/state").await.json()["state"], json!([]));
}

#[tokio::test]
async fn a_version_in_use_names_who_has_it_and_leads_there() {
    let app = TestApp::start().await;
    let id = app.install(&reports("1.0.0")).await;

    let question = page(&app, &format!("{PAGE}/versions/1.0.0/remove")).await;

    let way = format!("href=\"/admin/installs/{id}/uninstall\">Uninstall {NAME}</a>");
    assert_has(&question, &["it is installed for tenant default.", &way]);
    assert!(!question.contains("installed anywhere"), "{question}");
}

#[tokio::test]
async fn other_versions_are_up_down_or_back() {
    let app = TestApp::start().await;
    for version in ["1.0.0", "1.1.0", "1.2.0", "1.3.0"] {
        app.publish(&reports(version)).await;
    }
    let body = json!({"name": NAME, "version": "1.1.0"});
    let id = app.post("/api/v1/installs", body).await.json()["id"].as_str().unwrap().to_owned();
    let version = format!("/api/v1/installs/{id}/version");
    app.call(Method::PUT, &version).json(json!({"version": "1.2.0"})).send().await;

    let versions = page(&app, &format!("{PAGE}/versions")).await;
    let down = page(&app, &format!("/admin/installs/{id}/upgrade?version=1.0.0")).await;

    for (word, version) in [("Upgrade", "1.3.0"), ("Go back", "1.1.0"), ("Downgrade", "1.0.0")] {
        let button = format!("{word}<span class=\"visually-hidden\"> to {version}</span>");
        assert_has(&versions, &[&button]);
    }
    assert_has(&down, &["Downgrade com.example.reports to 1.0.0?", "Downgrade to 1.0.0"]);
}

#[tokio::test]
async fn the_first_field_of_a_sign_in_has_the_focus() {
    let app = TestApp::start().await;
    let show = async |path: &str| app.call(Method::GET, path).anonymous().send().await.text();
    let fields = [("name", "ada"), ("password", "wrong")];

    let first = show("/sign-in").await;
    let call = app.call(Method::POST, "/sign-in").anonymous().same_origin();
    let again = call.form(&fields).send().await.text();
    let set_up = TestApp::start_empty().call(Method::GET, "/setup").anonymous().send().await;

    assert_has(&first, &["autocomplete=\"username\" required autofocus", "reset-password NAME<"]);
    assert!(!again.contains("autofocus") && again.contains("role=\"alert\""), "{again}");
    assert_eq!(set_up.text().matches(" autofocus").count(), 1);
}

#[tokio::test]
async fn endpoints_have_a_column_for_what_they_are_for_if_one_says() {
    let app = TestApp::start().await;
    let silent = reports("1.0.0").component(guests::extension("answers")).endpoint("GET", "/a");
    app.publish(&silent).await;
    assert!(!page(&app, PAGE).await.contains(">For</th>"));
    let members: Value = json!({"summary": "The list"});
    let told = reports("1.1.0").component(guests::extension("answers"));
    app.publish(&told.endpoint_with("GET", "/a", &members)).await;

    assert_has(&page(&app, PAGE).await, &[">For</th>", "The list"]);
}

#[tokio::test]
async fn authors_are_called_by_their_names() {
    let app = TestApp::start().await;
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let id = app.install(&reports("1.0.0").manifest("settings", schema)).await;
    let of = |what: &str| format!("/api/v1/installs/{id}/{what}");
    app.call(Method::PUT, &of("secrets/key")).json(json!({"value": "x"})).send().await;
    app.call(Method::PUT, &of("settings")).json(json!({"a": "b"})).send().await;

    let pages = ["/admin/audit", PAGE, "/versions", "/secrets", "/settings"];
    for path in pages {
        let path =
            if path.starts_with("/admin") { path.to_owned() } else { format!("{PAGE}{path}") };
        assert_has(&page(&app, &path).await, &["token tests ("]);
    }
}
