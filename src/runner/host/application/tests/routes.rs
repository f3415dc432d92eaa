//! Routes of the application, as `ui-proxy` asks for them.

use super::*;

#[tokio::test]
async fn a_route_is_asked_with_who_asks_and_only_its_bytes_come_back() {
    let server = Recorder::saying(201, "x-secret: 1\r\n", "\u{1}bytes").await;
    let mut host = host(&server);
    let install = host.context().install.install_text().to_owned();

    let got = route(&mut host, "tickets?open=1", None).await;

    assert_eq!(got.unwrap(), b"\x01bytes");
    let (line, head, body) = server.request();
    assert_eq!(line, "GET /base/com.example.a/tickets?open=1 HTTP/1.1");
    assert_eq!(body, "");
    for field in [
        format!("host: {}", server.address),
        "x-request-id: r".to_owned(),
        "x-alga-tenant: default".to_owned(),
        "x-alga-extension: com.example.a".to_owned(),
        format!("x-ext-install-id: {install}"),
        "x-ext-version-id: 1.0.0".to_owned(),
        "x-user-id: user-1".to_owned(),
        "x-user-email: ada@example.test".to_owned(),
        format!("x-runner-auth: {TOKEN}"),
    ] {
        assert!(head.contains(&format!("\r\n{field}\r\n")), "{field}: {head}");
    }
    assert!(!head.contains("x-api-key") && !head.contains("content-type"), "{head}");
}

#[tokio::test]
async fn a_payload_is_posted_as_json_and_api_routes_are_as_they_are() {
    let server = Recorder::answering(200, "").await;

    assert_eq!(route(&mut host(&server), "/api/v1/a", Some("{}")).await.unwrap(), b"");

    let (line, head, body) = server.request();
    assert_eq!((&*line, &*body), ("POST /base/api/v1/a HTTP/1.1", "{}"));
    assert!(head.contains("\r\ncontent-type: application/json\r\n"), "{head}");
}

#[tokio::test]
async fn the_api_key_of_the_install_goes_to_its_application() {
    let server = Recorder::answering(200, "").await;
    let kept = State::in_memory(&StateConfig::default(), Arc::new(SystemClock)).unwrap();
    let secrets = Secrets::new(kept, WrappingKey::new([1; 32].into()));
    // Without the grant to read it: it is not the guest that gets it.
    let mut host = host_with(&at(&server), &[Capability::UiProxy]);
    let owner = Owner::of(&host.context().install);
    for (value, sent) in [("key-of-the-install", true), ("a\nb", false)] {
        let new = NewSecret {
            name: "api_key".parse().unwrap(),
            value: value.into(),
            set_at: jiff::Timestamp::UNIX_EPOCH,
            set_by: "operator ada".to_owned(),
            expires_at: None,
            binding: crate::model::BindingChange::Keep,
        };
        secrets.set(owner, new).await.unwrap();
        host.confiding(Some(secrets.of(owner)));

        assert_eq!(route(&mut host, "/a", None).await.is_ok(), sent, "{value:?}");
    }

    let (_, head, _) = server.request();
    assert!(head.contains("\r\nx-api-key: key-of-the-install\r\n"), "{head}");
}

#[tokio::test]
async fn each_status_of_a_route_has_its_case() {
    for (status, case) in [
        (400, ProxyError::BadRequest),
        (401, ProxyError::Denied),
        (403, ProxyError::Denied),
        (404, ProxyError::RouteNotFound),
        (405, ProxyError::BadRequest),
        (422, ProxyError::BadRequest),
        (429, ProxyError::Denied),
        (304, ProxyError::Internal),
        (500, ProxyError::Internal),
        (503, ProxyError::Internal),
    ] {
        let server = Recorder::answering(status, "").await;
        assert_eq!(route(&mut host(&server), "/a", None).await, Err(case), "{status}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_token_stays() {
    let other = Recorder::answering(200, "").await;
    let field = format!("location: {}\r\n", other.url("/base/a"));
    let server = Recorder::saying(307, &field, "").await;

    assert_eq!(route(&mut host(&server), "/a", None).await, Err(ProxyError::Internal));
    assert_eq!((server.requests().len(), other.requests().len()), (1, 0));
}

#[tokio::test]
async fn a_route_that_leads_elsewhere_is_not_asked() {
    let server = Recorder::answering(200, "").await;
    let mut host = host(&server);
    for text in ["", " ", "/a/../b", "/%2e%2E/b", "//other.test/", "\\\\other.test", "/a\r\nb: c"] {
        assert_eq!(route(&mut host, text, None).await, Err(ProxyError::BadRequest), "{text:?}");
    }
    let other = format!("http://{}/a", server.address);
    assert_eq!(route(&mut host, &other, None).await, Err(ProxyError::BadRequest));
    let large = "a".repeat(8 * 1024 * 1024 + 1);
    assert_eq!(route(&mut host, "/a", Some(&large)).await, Err(ProxyError::BadRequest));
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn an_answer_is_read_up_to_its_limit() {
    const MIB: usize = 1024 * 1024;
    let most = Recorder::answering(200, "a".repeat(8 * MIB)).await;
    assert_eq!(route(&mut host(&most), "/a", None).await.unwrap().len(), 8 * MIB);
    let more = Recorder::answering(200, "a".repeat(8 * MIB + 1)).await;
    assert_eq!(route(&mut host(&more), "/a", None).await, Err(ProxyError::Internal));

    let filled = |bytes| format!("{{\"item\":null}}{}", " ".repeat(bytes));
    for (bytes, is_read) in [(MIB - 13, true), (MIB - 12, false)] {
        let server = Recorder::answering(200, filled(bytes)).await;
        let got = clients::Host::get_client(&mut host(&server), String::new()).await.unwrap();
        assert_eq!(got.is_ok(), is_read, "{bytes}");
    }
}

#[tokio::test]
async fn an_application_that_says_nothing_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let (ui_proxy_base_url, clients_url) = (url.clone(), url);
    let config = HostCallbacksConfig {
        ui_proxy_base_url,
        clients_url,
        ui_proxy_timeout_ms: 1,
        timeout_ms: 1,
        ..HostCallbacksConfig::default()
    };
    let mut host = host_with(&config, &Capability::ALL);

    assert_eq!(route(&mut host, "/a", None).await, Err(ProxyError::Internal));
    let got = clients::Host::get_client(&mut host, String::new()).await.unwrap();
    assert_eq!(got.err(), Some(ClientReadError::Internal));
}
