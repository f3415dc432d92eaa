//! Guests of either world that call servers, through the gateway.

use axum::http::{Method, StatusCode};
use plugboard::config::Config;
use serde_json::json;

use super::install;
use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;
use crate::support::internet::{Script, Server};
use crate::support::test_app::{Answer, TestApp};

/// What `calls.wat` answers for the errors of `http.fetch`.
const INVALID_URL: &str = "0";
const NOT_ALLOWED: &str = "1";
const TRANSPORT: &str = "2";
const INTERNAL: &str = "3";

/// An appliance whose allowlist is `*.example.com` at the port of `server`, with an
/// extension that asks for it.
async fn with_guest(server: &Server, guest: axum::body::Bytes) -> (TestApp, String) {
    with_guest_and(server, guest, |_| ()).await
}

async fn with_guest_and(
    server: &Server,
    guest: axum::body::Bytes,
    change: impl FnOnce(&mut Config),
) -> (TestApp, String) {
    let entry = server.entry("*.example.com");
    let listed = vec![entry.parse().unwrap()];
    let app = TestApp::start_with(|config| {
        config.egress.allowlist = listed;
        config.egress.calls_per_execution = 3;
        config.egress.max_response_bytes = 1_000;
        config.egress.timeout_ms = 300;
        change(config);
    })
    .await;
    app.internet.name("api.example.com", &["127.77.0.1"]);
    app.internet.name("bad.example.com", &["127.0.0.1"]);
    let bundle = BundleBuilder::new("com.example.guest", "1.0.0")
        .component(guest)
        .capabilities(&["cap:http.fetch"])
        .manifest("egress", json!([entry]))
        .endpoint("POST", "/call")
        .endpoint("GET", "/:server");
    let id = install(&app, &bundle, &["cap:http.fetch"]).await;
    (app, id)
}

async fn fetch(app: &TestApp, url: &str) -> Answer {
    let call = app.call(Method::POST, "/api/ext/com.example.guest/call");
    call.body(url.to_owned()).send().await
}

async fn relay(app: &TestApp, authority: &str) -> Answer {
    app.get(&format!("/api/ext/com.example.guest/{authority}")).await
}

#[tokio::test]
async fn an_extension_calls_a_server_that_every_list_has() {
    let server = Server::start(Script::body("hello")).await;
    let (app, _) = with_guest(&server, guests::extension("calls")).await;

    let answer = fetch(&app, &format!("{}/a?b=c", server.entry("api.example.com"))).await;

    assert_eq!((answer.status, answer.text().as_str()), (StatusCode::OK, "hello"));
    let port = server.address.port();
    assert_eq!(
        server.requests(),
        [format!(
            "POST /a?b=c HTTP/1.1\r\nhost: api.example.com:{port}\r\ncontent-length: 0\r\n\r\n"
        )]
    );
}

#[tokio::test]
async fn the_time_of_a_call_ends_a_request_that_nobody_answers() {
    let server = Server::start(Script::Hang(Vec::new())).await;
    let (app, _) = with_guest_and(&server, guests::extension("calls"), |config| {
        config.egress.timeout_ms = 30_000;
        config.gateway.timeout_ms = 200;
    })
    .await;

    let answer = fetch(&app, &server.entry("api.example.com")).await;

    let expected = (StatusCode::GATEWAY_TIMEOUT, "extension_timeout".to_owned());
    assert_eq!((answer.status, answer.code()), expected);
    assert_eq!(server.connections(), 1);
    server.until_ended(1).await;
}

#[tokio::test]
async fn what_goes_wrong_is_told_in_the_words_of_the_extension_world() {
    let server = Server::start(Script::Say(b"SSH-2.0\r\n".to_vec())).await;
    let (app, _) = with_guest(&server, guests::extension("calls")).await;
    let port = server.address.port();
    app.internet.name("away.example.com", &[]);

    for (url, error) in [
        (String::new(), INVALID_URL),
        ("file:///etc/passwd".to_owned(), INVALID_URL),
        (format!("http://api.example.com@127.0.0.1:{port}/"), INVALID_URL),
        ("http://127.0.0.1/".to_owned(), NOT_ALLOWED),
        (format!("http://evil.test:{port}/"), NOT_ALLOWED),
        (server.entry("bad.example.com"), NOT_ALLOWED),
        (server.entry("away.example.com"), TRANSPORT),
        (server.entry("api.example.com"), TRANSPORT),
    ] {
        let answer = fetch(&app, &url).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (418, error), "{url}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_or_is_too_long_is_an_internal_error_of_the_contract() {
    let broken = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc".to_vec();
    let long = format!("HTTP/1.1 200 OK\r\n\r\n{}", "a".repeat(1_001)).into_bytes();
    for script in [Script::Say(broken), Script::Say(long)] {
        let server = Server::start(script).await;
        let (app, _) = with_guest(&server, guests::extension("calls")).await;

        let answer = fetch(&app, &server.entry("api.example.com")).await;

        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (418, INTERNAL));
    }
}

#[tokio::test]
async fn a_wasi_guest_relays_a_server_that_every_list_has() {
    let server = Server::start(Script::body("hello")).await;
    let (app, _) = with_guest(&server, guests::proxy("relays")).await;
    let port = server.address.port();

    let answer = relay(&app, &format!("api.example.com:{port}")).await;

    assert_eq!((answer.status, answer.text().as_str()), (StatusCode::OK, "hello"));
    assert_eq!(
        server.requests(),
        [format!("GET / HTTP/1.1\r\nhost: api.example.com:{port}\r\n\r\n")]
    );
}

#[tokio::test]
async fn what_goes_wrong_is_told_in_the_words_of_wasi_http() {
    /// `error-code` of `wasi:http/types` 0.2.
    const DNS_ERROR: u8 = 1;
    const DESTINATION_NOT_FOUND: u8 = 2;
    const DESTINATION_IP_PROHIBITED: u8 = 4;
    const REQUEST_DENIED: u8 = 15;
    const RESPONSE_INCOMPLETE: u8 = 25;
    let server = Server::start(Script::Say(b"SSH-2.0\r\n".to_vec())).await;
    let (app, _) = with_guest(&server, guests::proxy("relays")).await;
    let port = server.address.port();
    app.internet.name("away.example.com", &[]);

    for (authority, error) in [
        (format!("evil.test:{port}"), REQUEST_DENIED),
        ("127.0.0.1".to_owned(), REQUEST_DENIED),
        (format!("bad.example.com:{port}"), DESTINATION_IP_PROHIBITED),
        (format!("away.example.com:{port}"), DESTINATION_NOT_FOUND),
        (format!("unknown.example.com:{port}"), DNS_ERROR),
        (format!("api.example.com:{port}"), RESPONSE_INCOMPLETE),
    ] {
        let answer = relay(&app, &authority).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_ref()),
            (418, &[error][..]),
            "{authority}"
        );
    }
}

#[tokio::test]
async fn one_execution_makes_so_many_calls_and_the_next_has_as_many() {
    let server = Server::start(Script::body("hello")).await;
    let (app, _) = with_guest(&server, guests::extension("calls_on")).await;

    let first = fetch(&app, &server.entry("api.example.com")).await;
    assert_eq!((first.status.as_u16(), first.text()), (418, format!("3{TRANSPORT}")));
    assert_eq!(server.requests().len(), 3);

    let second = fetch(&app, &server.entry("api.example.com")).await;
    assert_eq!((second.status.as_u16(), second.text()), (418, format!("3{TRANSPORT}")));
    assert_eq!(server.requests().len(), 6);
}

#[tokio::test]
async fn a_call_that_is_refused_is_one_of_those_that_an_execution_makes() {
    let server = Server::start(Script::body("hello")).await;
    let (app, _) = with_guest(&server, guests::extension("calls_on")).await;

    let (bad, good) = (&["127.0.0.1"][..], &["127.77.0.1"][..]);
    app.internet.answers("api.example.com", &[bad, bad, good]);

    let answer = fetch(&app, &server.entry("api.example.com")).await;

    assert_eq!((answer.status.as_u16(), answer.text()), (418, format!("1{TRANSPORT}")));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn without_calls_an_execution_of_either_world_makes_none() {
    /// `connection-limit-reached` of `wasi:http/types` 0.2.
    const CONNECTION_LIMIT: u8 = 11;
    let server = Server::start(Script::body("hello")).await;
    for (guest, expected) in [
        (guests::extension("calls"), TRANSPORT.as_bytes()),
        (guests::proxy("relays"), &[CONNECTION_LIMIT][..]),
    ] {
        let none = |config: &mut Config| config.egress.calls_per_execution = 0;
        let (app, _) = with_guest_and(&server, guest, none).await;

        let answer = if expected == TRANSPORT.as_bytes() {
            fetch(&app, &server.entry("api.example.com")).await
        } else {
            relay(&app, &format!("api.example.com:{}", server.address.port())).await
        };

        assert_eq!((answer.status.as_u16(), answer.body.as_ref()), (418, expected));
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn nothing_is_called_without_the_capability_or_with_an_empty_list() {
    let server = Server::start(Script::body("hello")).await;
    let port = server.address.port();
    for guest in ["calls", "relays"] {
        let component =
            if guest == "calls" { guests::extension(guest) } else { guests::proxy(guest) };
        for (listed, grants) in [(true, &[][..]), (false, &["cap:http.fetch"][..])] {
            let entry = server.entry("api.example.com");
            let list = if listed { vec![entry.parse().unwrap()] } else { Vec::new() };
            let app = TestApp::start_with(|config| config.egress.allowlist = list).await;
            let bundle = BundleBuilder::new("com.example.guest", "1.0.0")
                .component(component.clone())
                .capabilities(&["cap:http.fetch"])
                .endpoint("POST", "/call")
                .endpoint("GET", "/:server");
            let id = install(&app, &bundle, grants).await;
            let granted = json!({ "granted": [entry] });
            let path = format!("/api/v1/installs/{id}/egress");
            let saved = app.call(Method::PUT, &path).json(granted).send().await;
            assert_eq!(saved.status, StatusCode::OK);

            let answer = if guest == "calls" {
                fetch(&app, &entry).await
            } else {
                relay(&app, &format!("api.example.com:{port}")).await
            };

            assert_eq!(answer.status.as_u16(), 418, "{guest} {listed}");
            assert_eq!(app.internet.asked(), Vec::<String>::new());
        }
    }
    assert_eq!(server.connections(), 0);
}
