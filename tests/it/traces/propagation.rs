//! What servers are told of the trace that a call belongs to.

use super::*;
use crate::support::internet::{Script, Server};

const STATE: &str = "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7";

/// The value of a field of a request, if it was sent once.
fn field(request: &str, name: &str) -> Option<String> {
    let start = format!("{name}: ");
    let mut found = request.split("\r\n").filter_map(|line| line.strip_prefix(&start));
    let value = found.next().map(str::to_owned);
    assert!(found.next().is_none(), "{name} was sent twice: {request}");
    value
}

/// Whether the part of this id has the parent and the trace that it was sent with.
fn sent(request: &str, span: &Seen) {
    let traceparent = field(request, "traceparent");
    assert_eq!(traceparent, Some(format!("00-{}-{}-01", span.trace, span.id)), "{request}");
}

/// An extension that calls `server`, which is allowed to.
async fn calling(app: &TestApp, server: &Server, guest: axum::body::Bytes) -> String {
    app.internet.name("api.example.com", &["127.77.0.1"]);
    let bundle = BundleBuilder::new(NAME, "1.0.0")
        .component(guest)
        .capabilities(&["cap:http.fetch"])
        .manifest("egress", json!([server.entry("api.example.com")]))
        .endpoint("POST", "/call")
        .endpoint("GET", "/:server");
    app.publish(&bundle).await;
    app.install_published(NAME, json!(["cap:http.fetch"])).await
}

async fn fetch(app: &TestApp, server: &Server, traceparent: Option<&str>) -> Answer {
    let call = app.call(Method::POST, &format!("/api/ext/{NAME}/call"));
    let call = match traceparent {
        Some(parent) => call.header("traceparent", parent).header("tracestate", STATE),
        None => call,
    };
    let url = format!("{}/canary?q=canary", server.entry("api.example.com"));
    call.body(url).send().await
}

fn listing(server: &Server) -> impl FnOnce(&mut plugboard::config::Config) + use<> {
    let entry = server.entry("api.example.com").parse().unwrap();
    move |config| config.egress.allowlist = vec![entry]
}

#[tokio::test]
async fn a_call_to_a_server_is_a_span_and_the_server_is_told_of_it() {
    let (server, collector) =
        (Server::start(Script::body("hello")).await, Collector::start().await);
    let app = collector.app(listing(&server)).await;
    calling(&app, &server, guests::extension("calls")).await;

    let answer = fetch(&app, &server, Some(&parent("01"))).await;

    assert_eq!(answer.text(), "hello");
    let spans = collector.wait_for(&app, 2).await;
    let [part, whole] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((part.name.as_str(), part.kind, part.failed), ("POST", CLIENT, false));
    assert_eq!((&*part.trace, &part.parent, &*whole.parent), (TRACE, &whole.id, SPAN));
    let at = server.address.port().to_string();
    for (key, value) in [
        ("http.request.method", "POST"),
        ("http.response.status_code", "200"),
        ("server.address", "api.example.com"),
        ("server.port", &at),
        ("url.scheme", "http"),
        ("plugboard.host_call", "http.fetch"),
    ] {
        assert_eq!(part.get(key), value, "{key}: {part:?}");
    }
    assert!(!format!("{spans:?}").contains("canary"));
    let [request] = &server.requests()[..] else { panic!("{:?}", server.requests()) };
    sent(request, part);
    assert_eq!(field(request, "tracestate"), None);
}

#[tokio::test]
async fn a_guest_of_wasi_is_in_the_same_trace() {
    let (server, collector) =
        (Server::start(Script::body("hello")).await, Collector::start().await);
    let app = collector.app(listing(&server)).await;
    calling(&app, &server, guests::proxy("relays")).await;
    let path = format!("/api/ext/{NAME}/api.example.com:{}", server.address.port());

    let answer = app.call(Method::GET, &path).header("traceparent", &parent("01")).send().await;

    assert_eq!(answer.text(), "hello");
    let spans = collector.wait_for(&app, 2).await;
    let part = spans.iter().find(|span| span.kind == CLIENT).unwrap();
    assert_eq!((&*part.trace, part.name.as_str()), (TRACE, "GET"));
    assert_eq!(part.get("plugboard.host_call"), "wasi:http/outgoing-handler");
    assert_eq!(part.get("http.response.status_code"), "200");
    sent(&server.requests()[0], part);
}

#[tokio::test]
async fn a_call_that_is_refused_is_a_span_that_says_so() {
    let (server, collector) =
        (Server::start(Script::body("hello")).await, Collector::start().await);
    let app = collector.app(|_| ()).await;
    calling(&app, &server, guests::extension("calls")).await;

    fetch(&app, &server, None).await;

    let spans = collector.wait_for(&app, 2).await;
    assert_eq!((spans[0].failed, spans[0].get("error.type")), (true, "denied"));
    assert_eq!(spans[1].get("plugboard.outcome"), "answered");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn without_a_collector_a_server_is_told_what_the_caller_said() {
    let server = Server::start(Script::body("hello")).await;
    let app = TestApp::start_with(listing(&server)).await;
    calling(&app, &server, guests::extension("calls")).await;

    for traceparent in [Some(parent("01")), Some(parent("00")), None, Some(parent("0x"))] {
        fetch(&app, &server, traceparent.as_deref()).await;
    }

    let told: Vec<_> =
        server.requests().iter().map(|request| field(request, "traceparent")).collect();
    assert_eq!(told, [Some(parent("01")), Some(parent("00")), None, None]);
}

#[tokio::test]
async fn an_operator_can_keep_traces_from_servers() {
    let (server, collector) =
        (Server::start(Script::body("hello")).await, Collector::start().await);
    let listed = listing(&server);
    let app = collector.app(|config| {
        listed(config);
        config.egress.send_traceparent = false;
    });
    let app = app.await;
    calling(&app, &server, guests::extension("calls")).await;

    fetch(&app, &server, Some(&parent("01"))).await;

    assert_eq!(collector.wait_for(&app, 2).await.len(), 2);
    assert_eq!(field(&server.requests()[0], "traceparent"), None);
}

async fn ask(app: &TestApp) -> Answer {
    let call = app.call(Method::GET, &format!("/api/ext/{NAME}/a"));
    call.header("traceparent", &parent("01")).header("tracestate", STATE).send().await
}

#[tokio::test]
async fn the_host_application_is_told_the_trace_and_its_state() {
    let (server, collector) = (Server::start(Script::body("Ada")).await, Collector::start().await);
    let url = format!("http://{}", server.address);
    let app = collector.app(|config| config.host_callbacks.ui_proxy_base_url = url.clone()).await;
    let bundle = BundleBuilder::new(NAME, "1.0.0")
        .component(guests::extension("asks_host"))
        .capabilities(&["cap:ui.proxy"])
        .endpoint("GET", "/a");
    app.install(&bundle).await;

    assert_eq!(ask(&app).await.text(), "Ada");

    let spans = collector.wait_for(&app, 2).await;
    let [part, whole] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((part.name.as_str(), part.kind), ("ui-proxy", CLIENT));
    assert_eq!((&*part.trace, &part.parent), (TRACE, &whole.id));
    assert_eq!(
        (part.get("server.address"), part.get("http.request.method")),
        ("127.77.0.1", "GET")
    );
    assert_eq!(part.get("http.response.status_code"), "200");
    sent(&server.requests()[0], part);
    assert_eq!(field(&server.requests()[0], "tracestate").as_deref(), Some(STATE));

    let without = TestApp::start_with(|config| config.host_callbacks.ui_proxy_base_url = url).await;
    without.install(&bundle).await;
    ask(&without).await;
    assert_eq!(field(&server.requests()[1], "traceparent"), Some(parent("01")));
    assert_eq!(field(&server.requests()[1], "tracestate").as_deref(), Some(STATE));
}

#[tokio::test]
async fn a_wait_for_a_slot_is_a_part_of_the_call_that_waited() {
    let (server, collector) =
        (Server::start(Script::Hang(Vec::new())).await, Collector::start().await);
    let listed = listing(&server);
    let app = collector.app(|config| {
        listed(config);
        config.runner.slots = 1;
        config.runner.queue_ms = 60_000;
        config.egress.timeout_ms = 100;
        config.egress.connect_timeout_ms = 100;
    });
    let app = app.await;
    calling(&app, &server, guests::extension("calls")).await;

    tokio::join!(fetch(&app, &server, None), async {
        while server.connections() == 0 {
            tokio::task::yield_now().await;
        }
        fetch(&app, &server, Some(&parent("01"))).await
    });

    let spans = collector.wait_for(&app, 5).await;
    let waits: Vec<_> = spans.iter().filter(|span| span.name == "queue").collect();
    let [wait] = &waits[..] else { panic!("{spans:?}") };
    assert_eq!((&*wait.trace, wait.kind), (TRACE, INTERNAL));
    let hung: Vec<_> = spans.iter().filter(|span| span.kind == CLIENT).collect();
    assert!(hung.len() == 2 && hung.iter().all(|span| span.get("error.type") == "timeout"));
    let took = |kind| {
        let span = spans.iter().find(|span| span.trace == TRACE && span.kind == kind).unwrap();
        span.nanoseconds.1 - span.nanoseconds.0
    };
    assert!(took(INTERNAL) + took(CLIENT) <= took(SERVER), "{spans:?}");
    let text = app.get("/metrics").await.text();
    assert!(text.contains("\nplugboard_slot_waits_total 1\n"), "{text}");
}
