//! Components of every tool that makes them, from upload to answer.
//!
//! `PLUGBOARD_TEST_TOOLCHAINS` names the folder that `.ci/toolchains` fills. Each
//! test notes the size of a component, the time to publish and enable it, and the
//! median of warm calls: of a debug build, in which only Wasmtime is optimized.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use wit_component::ComponentEncoder;

use crate::examples::imports_and_exports;
use crate::support::bundle_builder::BundleBuilder;
use crate::support::test_app::TestApp;
use crate::support::{guests, note};

/// Every interface of `wit/extension`. Tools for scripts import all of them, used or not.
const INTERFACES: [&str; 13] = [
    "types",
    "context",
    "secrets",
    "http",
    "storage",
    "logging",
    "ui-proxy",
    "user",
    "user-v2",
    "scheduler",
    "invoicing",
    "clients",
    "services",
];

/// How many calls the median is of.
const CALLS: usize = 21;

#[expect(clippy::disallowed_methods, reason = "where tests find their input is no setting of ours")]
fn built(name: &str) -> Bytes {
    let folder = std::env::var_os("PLUGBOARD_TEST_TOOLCHAINS");
    let folder = folder.expect("PLUGBOARD_TEST_TOOLCHAINS names what .ci/toolchains made");
    let wasm = fs::read(PathBuf::from(folder).join(format!("{name}.wasm"))).unwrap();
    if wasmparser::Parser::is_component(&wasm) {
        return wasm.into();
    }
    // Compilers make modules; this is what `wasm-tools component new` does.
    let mut encoder = ComponentEncoder::default().module(&wasm).unwrap().validate(true);
    encoder.encode().unwrap().into()
}

/// The interfaces of WASI a component imports, after a look at the others.
fn wasi_imports(component: &[u8]) -> BTreeSet<String> {
    let (imports, _exports) = imports_and_exports(component);
    let (wasi, ours): (BTreeSet<_>, BTreeSet<_>) =
        imports.into_iter().partition(|name| name.starts_with("wasi:"));
    let every = INTERFACES.map(|name| format!("alga:extension/{name}"));
    assert_eq!(ours, every.into());
    wasi
}

/// A running extension.
struct Running {
    app: TestApp,
    size: usize,
    published: Duration,
}

impl Running {
    async fn start(component: Bytes) -> Self {
        let app = TestApp::start().await;
        let size = component.len();
        let bundle = BundleBuilder::new("com.example.tool", "1.0.0")
            .component(component)
            .endpoint("GET", "/greeting")
            .endpoint("POST", "/echo")
            .endpoint("GET", "/refusals")
            .endpoint("GET", "/surroundings")
            .endpoint("GET", "/later");
        let begun = Instant::now();
        app.install(&bundle).await;
        Self { app, size, published: begun.elapsed() }
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.app.get(&format!("/api/ext/com.example.tool{path}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), "application/json");
        answer.json()
    }

    async fn greets(&self) {
        assert_eq!(self.get("/greeting?name=Ada").await["greeting"], "Hello, Ada");
    }

    async fn echoes(&self) {
        let sent = json!({"words": ["Grüße", "板", "🔌"], "number": -1.5, "nothing": null});
        let call = self.app.call(Method::POST, "/api/ext/com.example.tool/echo");

        let echoed = call.json(sent.clone()).send().await;

        assert_eq!(echoed.status, StatusCode::OK, "{}", echoed.text());
        assert_eq!(echoed.json(), json!({ "echo": sent }));
    }

    /// Every host function that takes a grant, without one; nobody is signed in.
    async fn is_refused(&self) {
        let refusals = self.get("/refusals").await;

        let expected = json!({
            "secrets": "denied",
            "http": "not-allowed",
            "storage": "denied",
            "ui-proxy": "denied",
            "user": "not-available",
            "user-v2": "not-available",
            "scheduler": "denied",
            "invoicing": false,
            "clients": "not-allowed",
            "services": "not-allowed",
        });
        assert_eq!(refusals, expected);
    }

    /// The handler gives a promise, and the tool drives it within the call.
    async fn keeps_its_promise(&self) {
        assert_eq!(self.get("/later").await, json!({ "answer": "later" }));
    }

    /// It knows what time it is, can wait, and sees nothing of the host.
    async fn has_a_clock_and_no_more(&self) {
        let before = Timestamp::now().as_millisecond();
        let seen = self.get("/surroundings").await;
        let after = Timestamp::now().as_millisecond();

        let milliseconds = seen["milliseconds"].as_i64().unwrap();
        assert!((before - 1..=after).contains(&milliseconds), "{before}, {seen}, {after}");
        // Not every tool offers each of these.
        let absent = |member: &str, value: Value| {
            assert!(seen.get(member).is_none_or(|found| *found == value), "{seen}");
        };
        absent("slept", json!(true));
        absent("environment", json!({}));
        absent("file", json!("FileNotFoundError"));
    }

    async fn has_randomness(&self) {
        let (first, second) = (self.get("/surroundings").await, self.get("/surroundings").await);

        assert!(first["random"].is_f64(), "{first}");
        assert_ne!(first["random"], second["random"]);
    }

    /// Notes what it weighs.
    async fn weigh(&self, name: &str) {
        let mut times = Vec::new();
        for _ in 0..CALLS {
            let begun = Instant::now();
            self.greets().await;
            times.push(begun.elapsed());
        }
        times.sort();
        let (size, published, median) = (self.size, self.published, times[CALLS / 2]);
        note(&format!(
            "{name}: {size} bytes, published in {published:.1?}, a call in {median:.1?}"
        ));
    }
}

/// A component of the extension world that knows the whole of `wit/extension`.
async fn serves_without_wasi(name: &str) -> Running {
    let component = built(name);
    assert_eq!(wasi_imports(&component), BTreeSet::new());

    let running = Running::start(component).await;

    running.greets().await;
    running.echoes().await;
    running.is_refused().await;
    running.weigh(name).await;
    running
}

/// The same, and it asks WASI for the time.
async fn serves_with_wasi(name: &str) -> Running {
    let component = built(name);
    assert_ne!(wasi_imports(&component), BTreeSet::new());

    let running = Running::start(component).await;

    running.greets().await;
    running.echoes().await;
    running.is_refused().await;
    running.has_a_clock_and_no_more().await;
    running.weigh(name).await;
    running
}

/// A `wasi:http` component; `refusal` is how its tool words that a request may not go out.
async fn serves_http(name: &str, refusal: &str) {
    let running = Running::start(built(name)).await;

    running.greets().await;
    running.echoes().await;
    assert_eq!(running.get("/refusals").await, json!({ "http": refusal }));
    running.has_a_clock_and_no_more().await;
    running.has_randomness().await;
    running.weigh(name).await;
}

/// The component of a sample, which the usual tests look at.
async fn weigh_sample(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    let component = fs::read(folder.join("bundle/dist/main.wasm")).unwrap();

    let running = Running::start(component.into()).await;

    running.weigh(&format!("examples/{name}")).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by .ci/soak toolchains, which builds the components"]
async fn componentize_js_0_19_without_wasi() {
    serves_without_wasi("js-0.19").await.keeps_its_promise().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by .ci/soak toolchains, which builds the components"]
async fn componentize_js_0_19_with_wasi() {
    serves_with_wasi("js-0.19-wasi").await.has_randomness().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by .ci/soak toolchains, which builds the components"]
async fn componentize_js_0_19_for_wasi_http() {
    serves_http("js-0.19-http", "refused: TypeError").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by .ci/soak toolchains, which builds the components"]
async fn componentize_js_0_23_without_wasi() {
    serves_without_wasi("js-0.23").await.keeps_its_promise().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by .ci/soak toolchains, which builds the components"]
async fn componentize_js_0_23_with_wasi() {
    serves_with_wasi("js-0.23-wasi").await.has_randomness().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by .ci/soak toolchains, which builds the components"]
async fn componentize_js_0_23_for_wasi_http() {
    serves_http("js-0.23-http", "refused: TypeError").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by .ci/soak toolchains, which builds the components"]
async fn componentize_qjs_without_wasi() {
    serves_without_wasi("qjs").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by .ci/soak toolchains, which builds the components"]
async fn componentize_qjs_with_wasi() {
    // Its `Math.random` goes on from where the build was, in every call.
    serves_with_wasi("qjs-wasi").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by .ci/soak toolchains, which builds the components"]
async fn componentize_py_without_wasi() {
    serves_without_wasi("py").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by .ci/soak toolchains, which builds the components"]
async fn componentize_py_with_wasi() {
    serves_with_wasi("py-wasi").await.has_randomness().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by .ci/soak toolchains, which builds the components"]
async fn componentize_py_for_wasi_http() {
    serves_http("py-http", "refused: ErrorCode_HttpRequestDenied").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by .ci/soak toolchains, which builds the components"]
async fn wit_bindgen_for_rust() {
    serves_without_wasi("rust").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by .ci/soak toolchains, for a figure beside those of the tools"]
async fn the_samples_in_c_and_rust() {
    weigh_sample("hello").await;
    weigh_sample("hello-wasi").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by .ci/soak toolchains, for a figure beside those of the tools"]
async fn webassembly_written_by_hand() {
    let kind = [("content-type", "application/json")];
    let component = guests::answering(&kind, r#"{"greeting": "Hello, Ada"}"#);

    Running::start(component).await.weigh("wat").await;
}
