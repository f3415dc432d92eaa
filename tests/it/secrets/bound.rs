//! Secrets that are bound to hosts: the appliance sends them there, and the guest sees none.

use plugboard::model::AuditAction;

use super::*;
use crate::support::internet::{Authority, Script, Server};

const GUEST: &str = "com.example.signs";
const KEY: &str = "hunter2hunter2";
/// What `signs.wat` and `relays.wat` answer for a call that may not be made.
const NOT_ALLOWED: &str = "1";
const REQUEST_DENIED: &[u8] = &[15];

/// An appliance with a guest that asks for `api_key`, and a server at `api.example.com` and
/// `other.example.com` that both are granted.
struct World {
    app: TestApp,
    server: Server,
    /// Of the secrets of the install.
    path: String,
    _authority: Authority,
}

impl World {
    /// With encryption.
    async fn new(script: Script) -> Self {
        let authority = Authority::new(&["api.example.com", "other.example.com"]);
        let server = authority.start(script).await;
        Self::with(guests::extension("signs"), authority, server, false).await
    }

    async fn with(
        guest: axum::body::Bytes,
        authority: Authority,
        server: Server,
        in_clear: bool,
    ) -> Self {
        let port = server.address.port();
        let hosts: Vec<String> =
            ["http", "https"].map(|scheme| format!("{scheme}://*.example.com:{port}")).into();
        let app = TestApp::start_with(|config| {
            config.egress.allowlist = hosts.iter().map(|host| host.parse().unwrap()).collect();
            config.egress.ca_file.clone_from(&authority.ca_file);
            config.egress.secrets_in_clear = in_clear;
        })
        .await;
        for name in ["api.example.com", "other.example.com"] {
            app.internet.name(name, &["127.77.0.1"]);
        }
        let bundle = BundleBuilder::new(GUEST, "1.0.0")
            .component(guest)
            .capabilities(&["cap:http.fetch", "cap:log.emit"])
            .manifest("egress", json!(hosts))
            .endpoint("POST", "/call")
            .endpoint("GET", "/:server");
        let id = app.install(&bundle).await;
        Self { app, server, path: format!("/api/v1/installs/{id}/secrets"), _authority: authority }
    }

    fn host(&self, name: &str) -> String {
        format!("{name}.example.com:{}", self.server.address.port())
    }

    async fn bind(&self, hosts: Value, header: Option<&str>) -> Answer {
        let body = json!({"value": KEY, "hosts": hosts, "header": header});
        set(&self.app, &self.path, "api_key", body).await
    }

    async fn call(&self, url: &str) -> Answer {
        let call = self.app.call(Method::POST, &format!("/api/ext/{GUEST}/call"));
        call.body(url.to_owned()).send().await
    }

    async fn call_host(&self, name: &str) -> Answer {
        self.call(&format!("https://{}/v1", self.host(name))).await
    }

    async fn refused(&self) -> Value {
        let egress = self.path.replace("/secrets", "/egress");
        self.app.get(&egress).await.json()["refused"].clone()
    }
}

#[tokio::test]
async fn a_bound_secret_goes_to_its_host_and_the_guest_never_reads_it() {
    let world = World::new(Script::body("hello")).await;
    let bound = world.bind(json!([world.host("api")]), None).await;
    assert_eq!(bound.status, StatusCode::CREATED, "{}", bound.text());

    let answer = world.call_host("api").await;

    assert_eq!((answer.status, answer.text().as_str()), (StatusCode::OK, "hello"));
    let [request] = &world.server.requests()[..] else { panic!("{:?}", world.server.requests()) };
    assert!(request.contains(&format!("\r\nauthorization: Bearer {KEY}\r\n")), "{request}");
    assert!(!request.contains("of-the-guest") && !request.contains("x-plugboard"), "{request}");
    let row = &world.app.get(&world.path).await.json()["secrets"][0];
    assert_eq!(row["hosts"], json!([format!("https://{}", world.host("api"))]));
    assert_eq!(row["header"], "authorization: Bearer {secret}");
}

#[tokio::test]
async fn the_guest_that_asks_for_it_at_another_host_is_denied_and_on_record() {
    let world = World::new(Script::body("hello")).await;
    world.bind(json!([world.host("api")]), Some("x-api-key")).await;

    let answers = [world.call_host("other").await, world.call_host("other").await];

    for answer in answers {
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (418, NOT_ALLOWED));
    }
    assert_eq!(world.server.connections(), 0);
    let sentence = "the secret api_key is not bound to this host";
    let refused = world.refused().await;
    assert_eq!((&refused[0]["secret"], &refused[0]["count"]), (&json!(sentence), &json!(2)));
    let events = world.app.app.registry.read(|txn| audit::newest(txn, 1)).await.unwrap();
    let event = &events[0].1;
    assert_eq!(
        (event.action, event.detail.as_deref()),
        (AuditAction::EgressDenied, Some(sentence))
    );
    assert_eq!(event.subject, GUEST);
}

#[tokio::test]
async fn what_the_lists_refuse_is_refused_whatever_the_secret_says() {
    let world = World::new(Script::body("hello")).await;
    world.bind(json!(["evil.test", "api.example.com:1"]), None).await;

    for url in ["https://evil.test/", "https://api.example.com:1/"] {
        assert_eq!(world.call(url).await.text(), NOT_ALLOWED, "{url}");
    }

    assert_eq!(world.app.internet.asked(), Vec::<String>::new());
    for row in world.refused().await.as_array().unwrap() {
        assert_eq!((&row["secret"], &row["missing_on"][0]), (&Value::Null, &json!("appliance")));
    }
}

#[tokio::test]
async fn a_secret_that_is_not_there_not_bound_or_expired_does_not_go_and_neither_does_the_call() {
    let world = World::new(Script::body("hello")).await;
    let sentence = async || world.refused().await[0]["secret"].as_str().unwrap().to_owned();

    assert_eq!(world.call_host("api").await.text(), NOT_ALLOWED);
    assert_eq!(sentence().await, "there is no secret api_key");
    set(&world.app, &world.path, "api_key", json!({"value": KEY})).await;
    assert_eq!(world.call_host("api").await.text(), NOT_ALLOWED);
    assert!(sentence().await.contains("bound to no hosts"));
    let expiring = json!({
        "value": KEY, "hosts": [world.host("api")], "expires_at": "2026-09-21T15:13:20Z",
    });
    set(&world.app, &world.path, "api_key", expiring).await;
    assert_eq!(world.call_host("api").await.status, StatusCode::OK);
    world.app.clock.advance(60 * 60);
    assert_eq!(world.call_host("api").await.text(), NOT_ALLOWED);
    assert_eq!(sentence().await, "the secret api_key is expired");
    assert_eq!(world.server.connections(), 1);
}

#[tokio::test]
async fn without_encryption_a_secret_goes_only_where_the_operator_says_so() {
    let authority = || Authority::new(&["api.example.com"]);
    let server = Server::start(Script::body("hello")).await;
    let open = World::with(guests::extension("signs"), authority(), server, true).await;
    let url = format!("http://{}", open.host("api"));
    open.bind(json!([url]), Some("X-Api-Key: {secret}")).await;

    assert_eq!(open.call(&url).await.status, StatusCode::OK);
    let request = open.server.requests().concat();
    assert!(request.contains(&format!("\r\nx-api-key: {KEY}\r\n")), "{request}");
    assert!(request.contains("\r\nauthorization: Bearer of-the-guest\r\n"), "{request}");

    let closed = World::new(Script::body("hello")).await;
    let refused = closed.bind(json!(["http://api.example.com"]), None).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (422, "invalid_secret_hosts".to_owned()));
    assert!(refused.text().contains("egress.secrets_in_clear"), "{}", refused.text());
}

#[tokio::test]
async fn a_wasi_guest_asks_in_the_same_way() {
    for (bound_to, status) in [("api", 200), ("other", 418)] {
        let server = Server::start(Script::body("hello")).await;
        let authority = Authority::new(&["api.example.com"]);
        let world = World::with(guests::signing_relay(), authority, server, true).await;
        world.bind(json!([format!("http://{}", world.host(bound_to))]), None).await;

        let path = format!("/api/ext/{GUEST}/{}", world.host("api"));
        let answer = world.app.get(&path).await;

        assert_eq!(answer.status.as_u16(), status);
        let requests = world.server.requests().concat();
        if status == 200 {
            assert!(
                requests.contains(&format!("\r\nauthorization: Bearer {KEY}\r\n")),
                "{requests}"
            );
            assert!(!requests.contains("x-plugboard"), "{requests}");
        } else {
            assert_eq!(answer.body.as_ref(), REQUEST_DENIED);
            assert_eq!(requests, "");
        }
    }
}

#[tokio::test]
async fn a_server_that_quotes_it_in_a_field_gives_nothing_away() {
    let quotes =
        format!("HTTP/1.1 200 OK\r\nx-ext-echo: Bearer {KEY}\r\ncontent-length: 2\r\n\r\nok");
    let world = World::new(Script::Say(quotes.into_bytes())).await;
    world.bind(json!([world.host("api")]), None).await;

    let answer = world.call_host("api").await;

    assert_eq!(answer.header("x-ext-echo"), "Bearer [secret]");
}

#[tokio::test]
async fn a_new_value_keeps_the_hosts_and_only_a_word_takes_them_away() {
    let (app, path) = installed().await;
    let hosts = json!(["api.example.com"]);
    set(&app, &path, "api_key", json!({"value": "one", "hosts": hosts})).await;
    assert_eq!(guest(&app, "a").await, DENIED);
    assert_eq!(guest(&app, "n").await, "api_key\n");

    let kept = set(&app, &path, "api_key", json!({"value": "two"})).await;
    assert_eq!(kept.json()["hosts"], json!(["https://api.example.com"]));
    assert_eq!(guest(&app, "a").await, DENIED);
    let not_a_header = set(&app, &path, "api_key", json!({"value": "a\nb"})).await;
    assert_eq!(not_a_header.code(), "invalid_secret_hosts");

    let freed = set(&app, &path, "api_key", json!({"value": "three", "hosts": []})).await;
    assert_eq!((&freed.json()["hosts"], &freed.json()["version"]), (&Value::Null, &json!(3)));
    assert_eq!(guest(&app, "a").await, "three");
}

#[tokio::test]
async fn what_is_no_host_or_no_header_is_refused_without_being_quoted() {
    let (app, path) = installed().await;
    let many = vec!["a.example.com"; 17];
    let host = ["a.example.com"];
    for (hosts, header, part) in [
        (json!(["hunter2 hunter2"]), None, "host 1: an entry is"),
        (json!(["a.example.com", "*"]), None, "host 2: `*` would allow everything"),
        (json!(many), None, "17 hosts are named; 16 are allowed"),
        (json!(host), Some("host: {secret}"), "this header is not for secrets"),
        (json!(host), Some("x-forwarded-for"), "this header is not for secrets"),
        (json!(host), Some("authorization: hunter2"), "with `{secret}` in it once"),
        (json!(host), Some("a: {secret}\r\nb: c"), "with `{secret}` in it once"),
        (json!([]), Some("x-api-key"), "none are named"),
    ] {
        let body = json!({"value": KEY, "hosts": hosts, "header": header});
        let answer = set(&app, &path, "api_key", body).await;
        assert_eq!(answer.code(), "invalid_secret_hosts", "{part}: {}", answer.text());
        assert!(answer.text().contains(part), "{part}: {}", answer.text());
        assert!(!answer.text().contains("hunter2"), "{}", answer.text());
        assert!(answer.json()["hint"].is_string(), "{}", answer.text());
    }
    assert_eq!(app.get(&path).await.json(), json!({"secrets": []}));
}

#[tokio::test]
async fn where_a_secret_goes_is_on_record() {
    let (app, path) = installed().await;
    let hosts = json!(["api.example.com", "*.example.net:8443"]);
    set(&app, &path, "api_key", json!({"value": KEY, "hosts": hosts, "header": "x-key"})).await;

    let events = app.app.registry.read(|txn| audit::newest(txn, 1)).await.unwrap();

    let detail = events[0].1.detail.as_deref().unwrap();
    let expected = "goes to https://api.example.com, https://*.example.net:8443 as \
                    `x-key: {secret}`";
    assert_eq!(detail, expected);
}
