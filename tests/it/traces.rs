//! Traces, from the header of a caller to what a collector gets.

mod collectors;
pub(crate) mod lines;
mod propagation;

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::bundle_builder::BundleBuilder;
use crate::support::collector::{Collector, Seen, attributes};
use crate::support::guests;
use crate::support::test_app::{Answer, TestApp};

const NAME: &str = "com.example.traced";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

const INTERNAL: i32 = 1;
const SERVER: i32 = 2;
const CLIENT: i32 = 3;

/// A `traceparent` with these flags.
fn parent(flags: &str) -> String {
    format!("00-{TRACE}-{SPAN}-{flags}")
}

fn bundle(guest: &str) -> BundleBuilder {
    BundleBuilder::new(NAME, "1.0.0")
        .component(guests::extension(guest))
        .endpoint("GET", "/items/:id")
        .endpoint("POST", "/items/:id")
}

/// Calls `/items/7` with a `traceparent`, if there is one.
async fn call(app: &TestApp, traceparent: Option<&str>) -> Answer {
    let call = app.call(Method::GET, &format!("/api/ext/{NAME}/items/7?query=canary"));
    let call = match traceparent {
        Some(traceparent) => call.header("traceparent", traceparent),
        None => call,
    };
    call.send().await
}

fn names(spans: &[Seen]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

#[tokio::test]
async fn a_call_is_a_span_in_the_trace_of_its_caller() {
    let collector = Collector::start().await;
    let app = collector.app(|config| config.telemetry.otlp.service_name = "mine".into()).await;
    let id = app.install(&bundle("echoes")).await;

    let answer = call(&app, Some(&parent("01"))).await;

    assert_eq!(answer.status, 200);
    let spans = collector.wait_for(&app, 1).await;
    let [span] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((span.trace.as_str(), span.parent.as_str(), span.kind), (TRACE, SPAN, SERVER));
    assert_eq!(span.name, "GET /api/ext/com.example.traced/items/:id");
    assert!(!span.failed && span.id != SPAN && span.id.len() == 16, "{span:?}");
    for (key, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/api/ext/com.example.traced/items/:id"),
        ("http.response.status_code", "200"),
        ("plugboard.tenant", "default"),
        ("plugboard.extension", NAME),
        ("plugboard.version", "1.0.0"),
        ("plugboard.install", &id),
        ("plugboard.outcome", "answered"),
        ("plugboard.host_calls", "0"),
    ] {
        assert_eq!(span.get(key), value, "{key}: {span:?}");
    }
    assert!(
        !span.get("plugboard.cpu_us").is_empty() && !span.get("plugboard.memory_bytes").is_empty()
    );
    let (began, ended) = span.nanoseconds;
    assert!(began == 1_790_000_000_000_000_000 && ended > began, "{span:?}");
    let resource = collector.requests()[0].resource_spans[0].resource.clone().unwrap();
    let resource = attributes(&resource.attributes);
    assert_eq!((&*resource["service.name"], &*resource["service.version"]), ("mine", "0.1.0"));
}

#[tokio::test]
async fn a_call_whose_caller_names_no_trace_begins_one() {
    let collector = Collector::start().await;
    let app = collector.app(|_| ()).await;
    app.install(&bundle("echoes")).await;

    call(&app, None).await;
    for malformed in ["", "00", &parent("01").to_uppercase(), &format!("{}-x", parent("01"))] {
        assert_eq!(call(&app, Some(malformed)).await.status, 200, "{malformed}");
    }

    let spans = collector.wait_for(&app, 5).await;
    let traces: std::collections::BTreeSet<_> = spans.iter().map(|span| &span.trace).collect();
    assert_eq!(traces.len(), 5);
    assert!(spans.iter().all(|span| span.parent.is_empty() && span.trace != TRACE), "{spans:?}");
}

#[tokio::test]
async fn the_caller_decides_what_is_recorded_if_it_is_known_and_the_ratio_otherwise() {
    let collector = Collector::start().await;
    let app = collector.app(|config| config.telemetry.otlp.sample_ratio = 0.0).await;
    let members = json!({"auth": "public"});
    app.install(&bundle("echoes").endpoint_with("GET", "/open", &members)).await;
    let open = || app.call(Method::GET, &format!("/api/ext/{NAME}/open")).anonymous();

    // Not recorded: nobody asks for it, the parent is not, or nobody knows who asks.
    call(&app, None).await;
    call(&app, Some(&parent("00"))).await;
    open().header("traceparent", &parent("01")).send().await;
    let recorded = call(&app, Some(&parent("01"))).await;

    assert_eq!(recorded.status, 200);
    let spans = collector.wait_for(&app, 1).await;
    assert_eq!(names(&spans), ["GET /api/ext/com.example.traced/items/:id"]);

    let all = collector.app(|config| config.telemetry.otlp.sample_ratio = 1.0).await;
    all.install(&bundle("echoes")).await;
    call(&all, Some(&parent("00"))).await;
    all.app.traces.flush().await;
    assert_eq!(collector.spans().len(), 1);
}

#[tokio::test]
async fn a_call_that_fails_says_how() {
    let collector = Collector::start().await;
    let app = collector.app(|_| ()).await;
    app.install(&bundle("traps")).await;

    let answer = call(&app, None).await;

    assert_eq!(answer.status, 502);
    let spans = collector.wait_for(&app, 1).await;
    assert!(spans[0].failed);
    assert_eq!(spans[0].get("error.type"), "trap");
    assert_eq!(spans[0].get("plugboard.outcome"), "trap");
    assert_eq!(spans[0].get("http.response.status_code"), "502");
}

#[tokio::test]
async fn each_host_call_is_a_span_of_the_call_by_name_alone() {
    let collector = Collector::start().await;
    let app = collector.app(|_| ()).await;
    let bundle = bundle("keeps").capabilities(&["cap:storage.kv"]);
    app.install(&bundle).await;
    let put = app.call(Method::POST, &format!("/api/ext/{NAME}/items/canary")).body("canary");

    put.send().await;
    let missing = call(&app, None).await;

    assert_eq!(missing.status, 460);
    let spans = collector.wait_for(&app, 4).await;
    let route = |method: &str| format!("{method} /api/ext/com.example.traced/items/:id");
    assert_eq!(names(&spans), ["storage.put", &route("POST"), "storage.get", &route("GET")]);
    for pair in spans.chunks(2) {
        let [part, whole] = pair else { panic!("{spans:?}") };
        assert_eq!((&part.trace, &part.parent), (&whole.trace, &whole.id));
        assert!(part.attributes.is_empty() && !part.failed && part.kind == INTERNAL, "{part:?}");
        assert!(
            part.nanoseconds.1 - part.nanoseconds.0 <= whole.nanoseconds.1 - whole.nanoseconds.0
        );
    }
    let sent = collector.received().concat();
    assert!(!String::from_utf8_lossy(&sent).contains("canary"));
}

#[tokio::test]
async fn nothing_confidential_is_in_a_span() {
    let collector = Collector::start().await;
    let app = collector.app(|config| {
        config.telemetry.otlp.headers = "authorization=Bearer%20of-the-collector".to_owned().into();
    });
    let app = app.await;
    let bundle = ["a", "n", "l", "e", "h"].into_iter().fold(
        BundleBuilder::new(NAME, "1.0.0")
            .component(guests::wasi_extension("confides"))
            .capabilities(&["cap:secrets.get"]),
        |bundle, does| bundle.endpoint("POST", &format!("/{does}")),
    );
    let id = app.install(&bundle).await;
    let secret = format!("/api/v1/installs/{id}/secrets/api_key");
    app.call(Method::PUT, &secret).json(json!({"value": "canary-of-the-vault"})).send().await;

    for does in ["a", "n", "l", "e", "h"] {
        // The guest goes by the last letter.
        let path = format!("/api/ext/{NAME}/{does}?x=canary-of-the-query-{does}");
        let call = app.call(Method::POST, &path).header("x-ext-a", "canary-of-a-header");
        let call = call.header("x-request-id", "canary-of-an-id");
        let call = call.header("traceparent", &parent("01")).header("tracestate", "a=canary-state");
        call.body("canary-of-the-body").send().await;
    }

    let spans = collector.wait_for(&app, 10).await;
    let calls = |name: &str| names(&spans).iter().filter(|found| **found == name).count();
    assert_eq!((calls("secrets.get"), calls("secrets.list-keys")), (4, 1), "{:?}", names(&spans));
    let sent = collector.received().concat();
    let sent = String::from_utf8_lossy(&sent);
    assert!(!sent.contains("canary") && !sent.contains("api_key"), "{sent}");
    assert!(sent.contains("\r\nauthorization: Bearer of-the-collector\r\n"), "{sent}");
    assert!(
        sent.starts_with("POST /v1/traces HTTP/1.1\r\ncontent-type: application/x-protobuf\r\n")
    );
}

#[tokio::test]
async fn an_answer_that_was_kept_is_a_span_without_an_execution() {
    let collector = Collector::start().await;
    let app = collector.app(|_| ()).await;
    app.install(&bundle("echoes")).await;
    let post = || {
        let call = app.call(Method::POST, &format!("/api/ext/{NAME}/items/7"));
        call.header("x-idempotency-key", "k").body("x").send()
    };

    post().await;
    post().await;

    let spans = collector.wait_for(&app, 2).await;
    let outcomes: Vec<_> = spans.iter().map(|span| span.get("plugboard.outcome")).collect();
    assert_eq!(outcomes, ["answered", ""]);
    assert_eq!(spans[1].get("http.response.status_code"), "201");
}
