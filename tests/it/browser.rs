//! What a person sees in Chromium: sign in, upload, install, open, and what the
//! frame of an extension cannot do.

mod accessibility;
mod bridge;
mod logs;
mod uploading;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::bundle_builder::BundleBuilder;

const PASSWORD: &str = "a socket in the board";
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Starts a program and gives what `find` likes of the lines that it prints, or, if it ends or says
/// nothing more, all of them.
fn start(
    command: &mut Command,
    find: impl Fn(&str) -> Option<String>,
) -> Result<(Running, String), Vec<String>> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let err = BufReader::new(child.stderr.take().unwrap());
    let running = Running(child);
    // There are no more lines when both readers are at their ends.
    let lines = {
        let (found, lines) = std::sync::mpsc::channel();
        for reader in [Box::new(out) as Box<dyn BufRead + Send>, Box::new(err)] {
            let found = found.clone();
            std::thread::spawn(move || {
                for line in reader.lines().map_while(Result::ok) {
                    found.send(line).ok();
                }
            });
        }
        lines
    };
    let mut printed = Vec::new();
    while let Ok(line) = lines.recv_timeout(PATIENCE) {
        if let Some(answer) = find(&line) {
            return Ok((running, answer));
        }
        printed.push(line);
    }
    Err(printed)
}

/// Starts chromedriver and gives its port. It takes a free one of IPv6 and ends if any socket of
/// IPv4 has the same, of which there are hundreds while other tests go on.
fn start_driver() -> (Running, String) {
    for _ in 0..8 {
        let driver = start(Command::new("chromedriver").arg("--port=0"), |line| {
            let rest = line.split("successfully on port ").nth(1)?;
            Some(rest.trim_end_matches('.').to_owned())
        });
        match driver {
            Ok(driver) => return driver,
            Err(lines) if lines.iter().any(|line| line.contains("port not available")) => {}
            Err(lines) => panic!("chromedriver does not say where it is: {lines:#?}"),
        }
    }
    panic!("chromedriver found no port that nobody has, eight times");
}

/// An appliance, a browser, and a folder for files.
struct Stage {
    browser: Client,
    origin: String,
    /// Of the first operator, for what a test needs and does not look at.
    token: String,
    folder: TempDir,
    _processes: [Running; 2],
}

impl Stage {
    async fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let (server, origin) = start(
            Command::new(env!("CARGO_BIN_EXE_plugboard")).args([
                "serve",
                "--set",
                "server.listen=127.0.0.1:0",
                "--set",
                "store.min_free_bytes=0",
                "--set",
                &format!("server.data_dir={}", data.display()),
            ]),
            |line| {
                let at = line.find("http://127.0.0.1:")?;
                let end = |c: char| c.is_whitespace() || c == '/';
                let host = line[at + "http://".len()..].split(end).next()?;
                Some(format!("http://{host}"))
            },
        )
        .unwrap_or_else(|lines| panic!("the server does not say where it is: {lines:#?}"));
        let token = set_up(&origin, &data).await;
        let (driver, port) = start_driver();
        let browser = browser(&port, folder.path()).await;
        Self { browser, origin, token, folder, _processes: [server, driver] }
    }

    /// Asks the API, which must agree.
    async fn api(&self, method: http::Method, path: &str, body: Value) -> Value {
        let client = reqwest::Client::new();
        let call = client.request(method, format!("{}{path}", self.origin));
        let answer = call.bearer_auth(&self.token).json(&body).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status}: {text}");
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    }

    async fn go(&self, path: &str) {
        self.browser.goto(&format!("{}{path}", self.origin)).await.unwrap();
    }

    async fn find(&self, css: &str) -> fantoccini::elements::Element {
        let wait = self.browser.wait().at_most(PATIENCE).for_element(Locator::Css(css));
        wait.await.unwrap_or_else(|error| panic!("{css}: {error}"))
    }

    async fn fill(&self, name: &str, text: &str) {
        let css = format!("input[name={name}]");
        self.find(&css).await.send_keys(text).await.unwrap();
    }

    async fn press(&self, text: &str) {
        let xpath = format!("//main//button[contains(normalize-space(), '{text}')]");
        let wait = self.browser.wait().at_most(PATIENCE).for_element(Locator::XPath(&xpath));
        let button = wait.await.unwrap_or_else(|error| panic!("{text}: {error}"));
        button.click().await.unwrap();
    }

    async fn sign_in(&self) {
        self.go("/sign-in").await;
        self.fill("name", "ada").await;
        self.fill("password", PASSWORD).await;
        self.press("Sign in").await;
        self.find("ul.board, form[data-upload]").await;
    }

    /// Uploads through the page; approves nothing.
    async fn upload(&self, archive: &[u8], signature: &[u8]) {
        let (bundle, envelope) = (
            self.folder.path().join("bundle.tar.zst"),
            self.folder.path().join("bundle.dsse.json"),
        );
        std::fs::write(&bundle, archive).unwrap();
        std::fs::write(&envelope, signature).unwrap();
        self.go("/admin/upload").await;
        self.fill("bundle", &bundle.to_string_lossy()).await;
        self.fill("signature", &envelope.to_string_lossy()).await;
        self.press("Upload and verify").await;
    }
}

/// Names the first operator and trusts the key of this file; gives the operator's token.
async fn set_up(origin: &str, data: &Path) -> String {
    rustls::crypto::ring::default_provider().install_default().ok();
    let token = std::fs::read_to_string(data.join("setup-token")).unwrap();
    let answer = reqwest::Client::new()
        .post(format!("{origin}/api/v1/setup"))
        .bearer_auth(token.trim())
        .json(&json!({"operator": "ada", "password": PASSWORD}))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 201);
    let token = answer.json::<Value>().await.unwrap()["token"].as_str().unwrap().to_owned();
    let trusted = reqwest::Client::new()
        .post(format!("{origin}/api/v1/trust/keys"))
        .bearer_auth(&token)
        .json(&json!({"name": "tests", "scopes": ["*"], "public_key": key().public_pem}))
        .send()
        .await
        .unwrap();
    assert_eq!(trusted.status(), 201);
    token
}

/// The key that signs in this file.
fn key() -> &'static plugboard::trust::keys::GeneratedKey {
    static KEY: std::sync::LazyLock<plugboard::trust::keys::GeneratedKey> =
        std::sync::LazyLock::new(|| plugboard::trust::keys::generate().unwrap());
    &KEY
}

async fn browser(port: &str, folder: &Path) -> Client {
    let arguments = [
        "--headless=new".to_owned(),
        "--no-sandbox".to_owned(),
        "--disable-gpu".to_owned(),
        "--disable-dev-shm-usage".to_owned(),
        "--disable-background-networking".to_owned(),
        "--disable-component-update".to_owned(),
        "--no-first-run".to_owned(),
        format!("--user-data-dir={}", folder.join("profile").display()),
    ];
    let options = json!({ "args": arguments });
    let wanted = serde_json::Map::from_iter([("goog:chromeOptions".to_owned(), options)]);
    // The driver is on this machine: no TLS, and so no second crypto library to build.
    let mut builder = ClientBuilder::new(HttpConnector::new());
    builder.capabilities(wanted).connect(&format!("http://127.0.0.1:{port}")).await.unwrap()
}

/// A page that tries what it must not be able to do, and calls its handler.
const PROBE: &str = r#"
const results = {};
const attempt = (name, run) => {
  try { results[name] = String(run()); } catch (error) { results[name] = error.name; }
};
attempt("cookie", () => document.cookie);
attempt("storage", () => localStorage.length);
attempt("database", () => indexedDB.open("x").readyState);
attempt("parent", () => parent.document.title);
attempt("top", () => { top.location = "about:blank"; return "moved"; });
attempt("worker", () => { new SharedWorker("x.js"); return "made"; });
attempt("popup", () => window.open("about:blank") === null ? "SecurityError" : "opened");
results.origin = String(self.origin);
document.getElementById("inline").dataset.ran ??= "no";
fetch("/api/v1/installs").then(() => "reached", (error) => error.name).then((text) => {
  results.fetch = text;
  document.getElementById("results").textContent = JSON.stringify(results);
});
addEventListener("message", (event) => {
  if (event.data?.type !== "apiproxy_response") return;
  const { body, error } = event.data.payload;
  document.getElementById("answer").textContent = error ?? atob(body);
});
const send = (type, payload, id) =>
  parent.postMessage({ alga: true, version: "1", type, request_id: id, payload }, "*");
send("ready", {});
send("apiproxy", { route: "/greeting?name=Ada", method: "GET" }, "1");
"#;

fn probe() -> BundleBuilder {
    let hello = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/hello/bundle/dist/main.wasm");
    let page = "<!doctype html><title>Probe</title><p id=inline></p><pre id=results></pre>\
                <pre id=answer></pre><script>document.getElementById('inline').dataset.ran='yes'\
                </script><script type=module src=probe.js></script>";
    BundleBuilder::new("com.example.probe", "1.0.0")
        .page(page)
        .file("ui/probe.js", PROBE)
        .component(std::fs::read(hello).unwrap())
        .endpoint("GET", "/greeting")
        .manifest("display_name", json!("<b onmouseover=alert(1)>Probe</b>"))
        .manifest("description", json!("<img src=x onerror=alert(1)> & \"quotes\""))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_uploads_installs_and_opens_an_extension_that_cannot_leave_its_frame() {
    let stage = Stage::set().await;
    stage.sign_in().await;
    let archive = probe().build();
    stage.upload(&archive, &crate::support::test_app::sign_with(key(), &archive)).await;
    stage.press("Install and enable").await;
    let open = stage.find("a[href^='/admin/open/']").await;
    let heading = stage.find("h1").await.text().await.unwrap();

    open.click().await.unwrap();
    let frame = stage.find("iframe").await;
    let sandbox = frame.attr("sandbox").await.unwrap().unwrap();
    frame.enter_frame().await.unwrap();
    let results = text_of(&stage, "#results").await;
    let answer = text_of(&stage, "#answer").await;
    let inline = stage.find("#inline").await.attr("data-ran").await.unwrap();

    assert!(heading.contains("com.example.probe") || heading.contains("<b"), "{heading}");
    assert_eq!(sandbox, "allow-scripts allow-forms allow-downloads");
    let results: Value = serde_json::from_str(&results).unwrap();
    for denied in ["cookie", "storage", "database", "parent", "top", "popup"] {
        assert_eq!(results[denied], "SecurityError", "{denied}: {results}");
    }
    assert_eq!(results["origin"], "null");
    assert_eq!(results["fetch"], "TypeError");
    assert_ne!(results["worker"], "made");
    assert_eq!(inline.as_deref(), Some("no"), "an inline script ran");
    assert!(answer.contains("Hello, Ada"), "{answer}");
    stage.browser.clone().close().await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sets_a_secret_that_no_page_shows_again() {
    let stage = Stage::set().await;
    stage.sign_in().await;
    let archive = probe().build();
    stage.upload(&archive, &crate::support::test_app::sign_with(key(), &archive)).await;
    stage.press("Install only").await;
    stage.find("nav.tabs a[href$='/secrets']").await.click().await.unwrap();

    stage.fill("key", "api_key").await;
    stage.find("textarea[name=value]").await.send_keys("CANARY\none\n").await.unwrap();
    stage.press("Set secret").await;

    assert_eq!(text_of(&stage, "main tbody th code").await, "api_key");
    let page = stage.browser.source().await.unwrap();
    assert!(!page.contains("CANARY"), "{page}");
    assert!(page.contains("operator ada") && page.contains("never"), "{page}");

    stage.fill("key", "other_key").await;
    stage.find("textarea[name=value]").await.send_keys("CANARY-two").await.unwrap();
    stage.find("textarea[name=hosts]").await.send_keys("api.example.com").await.unwrap();
    stage.fill("header", "X-Api-Key").await;
    stage.press("Set secret").await;
    stage.find("main tbody tr:nth-child(2)").await;
    let page = stage.browser.source().await.unwrap();
    assert!(!page.contains("CANARY"), "{page}");
    assert!(page.contains("https://api.example.com") && page.contains("x-api-key: {secret}"));
    stage.browser.clone().close().await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_lets_an_install_learn_and_stops_it() {
    let stage = Stage::set().await;
    stage.sign_in().await;
    let archive = probe().capabilities(&["cap:http.fetch"]).build();
    stage.upload(&archive, &crate::support::test_app::sign_with(key(), &archive)).await;
    stage.press("Install only").await;
    stage.find("nav.tabs a[href$='/egress']").await.click().await.unwrap();

    stage.press("Start learning").await;
    assert!(text_of(&stage, ".notice.attention").await.contains("Learn mode is on and ends"));
    stage.press("Stop learning").await;

    stage.find("select[name=seconds]").await;
    let page = stage.browser.source().await.unwrap();
    assert!(!page.contains("Learn mode is on"), "{page}");
    stage.browser.clone().close().await.ok();
}

/// The text of an element, once it has one.
async fn text_of(stage: &Stage, css: &str) -> String {
    let element = stage.find(css).await;
    for _ in 0..300 {
        let text = element.text().await.unwrap();
        if !text.is_empty() {
            return text;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{css} stays empty")
}
