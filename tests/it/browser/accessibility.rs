//! Every page as axe-core sees it: with scripts and without, by day and by night,
//! and as narrow as a telephone.

use std::fs;
use std::time::{Duration, Instant};

use axum::http;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fantoccini::Locator;
use fantoccini::wd::WebDriverCompatibleCommand;
use plugboard::web::access::Access;
use plugboard::web::routes::table;
use serde_json::{Value, json};
use url::{ParseError, Url};

use super::{PATIENCE, Stage, key};
use crate::support::bundle_builder::BundleBuilder;
use crate::support::npm;
use crate::support::test_app::sign_with;

/// Names as long as people choose them: no page may become wider than a telephone for one.
const NAME: &str = "com.example.a-talker-with-a-name-that-goes-on.and-on.as-people-choose-them";
const KEY: &str = "api_key_of_the_service_that_sends_the_monthly_reports_to_all_of_the_customers";

/// A command of Chromium's own protocol.
#[derive(Debug)]
struct DevTools(&'static str, Value);

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        let Self(command, parameters) = self;
        (http::Method::POST, Some(json!({ "cmd": command, "params": parameters }).to_string()))
    }
}

/// How somebody reads the pages.
struct Reader {
    name: &'static str,
    runs_scripts: bool,
    colors: &'static str,
    width_px: u32,
}

const READERS: [Reader; 3] = [
    Reader { name: "day", runs_scripts: true, colors: "light", width_px: 1200 },
    Reader { name: "night", runs_scripts: true, colors: "dark", width_px: 1200 },
    Reader { name: "telephone, no scripts", runs_scripts: false, colors: "light", width_px: 390 },
];

impl Stage {
    /// What the API answers once it has something at `pointer`.
    async fn until(&self, path: &str, pointer: &str) -> Value {
        let begun = Instant::now();
        loop {
            let answer = self.api(http::Method::GET, path, Value::Null).await;
            if answer.pointer(pointer).is_some() {
                return answer;
            }
            assert!(begun.elapsed() < PATIENCE, "{path} has no {pointer}: {answer}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn tell(&self, command: &'static str, parameters: Value) {
        self.browser.issue_cmd(DevTools(command, parameters)).await.unwrap();
    }

    /// Whether the scripts of the pages that are opened from now on run.
    pub(super) async fn let_scripts_run(&self, may: bool) {
        self.tell("Emulation.setScriptExecutionDisabled", json!({ "value": !may })).await;
    }

    async fn read_as(&self, reader: &Reader) {
        let scheme = json!({ "name": "prefers-color-scheme", "value": reader.colors });
        self.tell("Emulation.setEmulatedMedia", json!({ "features": [scheme] })).await;
        let size = json!({
            "width": reader.width_px, "height": 800, "deviceScaleFactor": 1, "mobile": false
        });
        self.tell("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// What axe-core finds wrong with a page, a line each; and what overflows its width.
    async fn faults_of(&self, axe: &str, path: &str, reader: &Reader) -> Vec<String> {
        self.let_scripts_run(reader.runs_scripts).await;
        self.go(path).await;
        // Those of the page have not run, and do not run later: they were not loaded.
        self.let_scripts_run(true).await;
        self.browser.execute(axe, vec![]).await.unwrap();
        let found = self.check().await;
        found.into_iter().map(|fault| format!("{path} ({}): {fault}", reader.name)).collect()
    }

    /// What axe-core, which is loaded, says of the page as it is now.
    async fn check(&self) -> Vec<String> {
        let script = "const done = arguments[0];
            axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => done(
              violations.flatMap(({ id, help, nodes }) => nodes.map(({ target, html }) =>
                `${id}: ${help}: ${target.join(' ')}: ${html}`))
              .concat(document.documentElement.scrollWidth > innerWidth + 1
                ? [`wider than the window: ${document.documentElement.scrollWidth}`] : [])
              .concat([...document.querySelectorAll('.card :not(.visually-hidden)')]
                .filter((part) => part.getBoundingClientRect().right
                  > part.closest('.card').getBoundingClientRect().right + 1)
                .map((part) => `sticks out of its card: ${part.outerHTML}`))
              .concat([...document.querySelectorAll('.tabs ul')]
                .filter((tabs) => tabs.scrollWidth > tabs.clientWidth + 1)
                .map((tabs) => `cut off: ${tabs.textContent}`))
            ), (error) => done([String(error)]))";
        let found = self.browser.execute_async(script, vec![]).await.unwrap();
        serde_json::from_value(found).expect("axe answers with a list of texts")
    }

    /// Whether the page, which has a part for readers without scripts, was read without.
    async fn is_read_without_scripts(&self) -> bool {
        let script = "return document.querySelector('noscript').children.length > 0";
        self.browser.execute(script, vec![]).await.unwrap() == json!(true)
    }
}

/// The addresses of all pages, with what `stage` has in place of their parameters.
fn addresses(install: &str) -> Vec<String> {
    let pages = table().into_iter().filter(|route| {
        let is_page = route.access == Access::Page || route.path == "/sign-in";
        is_page && route.method == "GET"
    });
    let fill = |path: &str| {
        path.replace("{name}", NAME)
            .replace("{version}", "1.0.0")
            .replace("{id}", install)
            .replace("{key}", KEY)
    };
    let mut addresses: Vec<_> = pages.map(|route| fill(route.path)).collect();
    addresses.push("/admin/nowhere".to_owned());
    addresses.push(format!("/admin/extensions/{NAME}?version=9.0.0"));
    let unfilled = addresses.iter().find(|address| address.contains('{'));
    assert_eq!(unfilled, None, "a parameter that this test does not know");
    addresses
}

fn talker() -> BundleBuilder {
    let hello = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/hello/bundle/dist/main.wasm");
    let settings = json!({"type": "object", "required": ["region"], "properties": {
        "region": {"type": "string", "title": "Region", "default": "eu", "enum": ["eu", "us"]},
        "loud": {"type": "boolean", "title": "Loud"},
        "limit": {"type": "integer", "description": "Calls a minute", "minimum": 1},
        "secret": {"type": "string", "format": "password", "description": "x".repeat(300)},
        "a_key_that_is_its_own_label_and_goes_on_and_on_and_on": {"type": "array"},
    }});
    BundleBuilder::new(NAME, "1.0.0")
        .page("<!doctype html><html lang=en><title>Talker</title><p>Hello</p>")
        .component(fs::read(hello).unwrap())
        .capabilities(&["cap:http.fetch", "cap:secrets.get"])
        .manifest("egress", json!(["api.example.com", "*.example.net"]))
        .manifest("settings", settings)
        .endpoint("GET", "/greeting")
}

/// Lets two bundles wait: one without a signature, one with that of somebody unknown.
async fn quarantine(stage: &Stage) {
    let stranger = plugboard::trust::keys::generate().unwrap();
    for (version, key) in [("0.1.0", None), ("0.2.0", Some(&stranger))] {
        let archive = BundleBuilder::new(NAME, version).page("<title>x</title>").build();
        let client = reqwest::Client::new();
        let mut call = client.put(format!("{}/api/v1/bundles", stage.origin));
        if let Some(key) = key {
            let line = STANDARD.encode(sign_with(key, &archive));
            call = call.header("plugboard-signature", line);
        }
        let answer = call.bearer_auth(&stage.token).body(archive).send().await.unwrap();
        assert_eq!(answer.status(), 202, "{}", answer.text().await.unwrap());
    }
}

/// Uploads and installs, grants a host, sets a secret and some settings: so that every
/// table has a row. Gives the install.
async fn furnish(stage: &Stage) -> String {
    let archive = talker().build();
    stage.upload(&archive, &sign_with(key(), &archive)).await;
    stage.press("Install and enable").await;
    stage.find("a[href^='/admin/open/']").await;
    let installs = stage.api(http::Method::GET, "/api/v1/installs", Value::Null).await;
    let install = installs["installs"][0]["id"].as_str().unwrap().to_owned();
    let of_install = format!("/api/v1/installs/{install}");
    let granted = json!({ "granted": ["api.example.com"] });
    stage.api(http::Method::PUT, &format!("{of_install}/egress"), granted).await;
    let secret = json!({ "value": "s3cret", "expires_at": "2040-01-01T00:00:00Z" });
    stage.api(http::Method::PUT, &format!("{of_install}/secrets/{KEY}"), secret).await;
    let values = json!({ "region": "us", "loud": true });
    stage.api(http::Method::PUT, &format!("{of_install}/settings"), values).await;
    stage.api(http::Method::GET, &format!("/api/ext/{NAME}/greeting"), Value::Null).await;
    quarantine(stage).await;
    install
}

#[tokio::test(flavor = "multi_thread")]
async fn axe_core_finds_nothing_on_any_page_for_any_reader() {
    let axe = npm::modules_of("tests/browser").join("axe-core/axe.min.js");
    let axe = fs::read_to_string(axe).unwrap();
    let stage = Stage::set().await;
    stage.sign_in().await;
    let install = furnish(&stage).await;

    let mut faults = Vec::new();
    for reader in &READERS {
        stage.read_as(reader).await;
        for address in addresses(&install) {
            faults.extend(stage.faults_of(&axe, &address, reader).await);
            if address.starts_with("/admin/open/") {
                assert_eq!(stage.is_read_without_scripts().await, !reader.runs_scripts);
            }
        }
    }

    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    let spoil = "document.querySelector('main').append(new Image())";
    stage.browser.execute(spoil, vec![]).await.unwrap();
    let spoilt = stage.check().await;
    assert!(spoilt.len() == 1 && spoilt[0].starts_with("image-alt"), "{spoilt:?}");
    stage.browser.clone().close().await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_install_may_use_is_changed_without_scripts() {
    let stage = Stage::set().await;
    stage.sign_in().await;
    let install = furnish(&stage).await;
    stage.let_scripts_run(false).await;

    stage.go(&format!("/admin/installs/{install}/egress")).await;
    stage.find("textarea[name=hosts]").await.send_keys("\nx.example.net").await.unwrap();
    stage.press("Save hosts").await;
    let egress = stage.until(&format!("/api/v1/installs/{install}/egress"), "/granted/1").await;
    assert_eq!(egress["granted"][1]["entry"], "https://x.example.net");

    stage.go(&format!("/admin/extensions/{NAME}/secrets")).await;
    stage.fill("key", "second").await;
    stage.find("textarea[name=value]").await.send_keys("value").await.unwrap();
    stage.press("Set secret").await;
    let secrets = stage.until(&format!("/api/v1/installs/{install}/secrets"), "/secrets/1").await;
    assert_eq!(secrets["secrets"][1]["name"], "second");
    stage.go(&format!("/admin/installs/{install}/secrets/{KEY}/remove")).await;
    stage.press("Remove").await;
    stage.find("main .table").await;
    let secrets = stage.browser.source().await.unwrap();
    assert!(secrets.contains("second") && !secrets.contains(&format!(">{KEY}<")), "{secrets}");

    stage.go(&format!("/admin/extensions/{NAME}/settings")).await;
    stage.find("form.stack select option:not([selected])").await.click().await.unwrap();
    stage.press("Save").await;
    stage.go("/admin/audit").await;
    stage.find("select[name=action] option[value=settings_changed]").await.click().await.unwrap();
    stage.press("Filter").await;
    stage.find("a[href='/admin/audit']").await;
    let rows = stage.browser.find_all(Locator::Css("main tbody tr")).await.unwrap();
    assert_eq!(rows.len(), 2, "one change by the API and one on the page");
    stage.browser.clone().close().await.ok();
}
