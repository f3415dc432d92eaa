//! Who may ask, whom, and what is told of it.

use super::*;

#[tokio::test]
async fn nothing_is_asked_without_the_grant_or_the_setting() {
    let server = Recorder::answering(200, r#"{"item":null}"#).await;
    let unset = HostCallbacksConfig::default();
    for (config, grants, proxy, sentence) in [
        (
            &at(&server),
            &[][..],
            ProxyError::Denied,
            "Permission denied: cap:invoice.manual.create not granted",
        ),
        (
            &unset,
            &Capability::ALL,
            ProxyError::RouteNotFound,
            "invoicing is not available on this host",
        ),
    ] {
        let mut host = host_with(config, grants);
        assert_eq!(route(&mut host, "/a", None).await, Err(proxy));
        let made = make(&mut host, invoice(vec![])).await;
        assert_eq!((made.success, made.error.as_deref()), (false, Some(sentence)));
        let got = clients::Host::list_clients(&mut host, ANY_CLIENTS).await.unwrap();
        assert_eq!(got.err(), Some(ClientReadError::NotAllowed));
        let got = services::Host::get_service(&mut host, String::new()).await.unwrap();
        assert_eq!(got.err(), Some(ServiceReadError::NotAllowed));
    }
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn a_tenant_with_a_table_of_its_own_has_that_and_nothing_of_the_others() {
    let (general, own) =
        (Recorder::answering(200, "general").await, Recorder::answering(200, "own").await);
    let mut config = at(&general);
    let table =
        TenantCallbacks { ui_proxy_base_url: own.url("/own"), ..TenantCallbacks::default() };
    config.tenants.insert("acme".parse().unwrap(), table.clone());
    assert_eq!(
        route(&mut host_with(&config, &Capability::ALL), "a", None).await.unwrap(),
        b"general"
    );
    config.tenants.insert("default".parse().unwrap(), table);

    let mut host = host_with(&config, &Capability::ALL);

    assert_eq!(route(&mut host, "/a", None).await.unwrap(), b"own");
    let (line, head, _) = own.request();
    assert_eq!(line, "GET /own/com.example.a/a HTTP/1.1");
    assert!(!head.contains("x-runner-auth"), "{head}");
    let got = clients::Host::list_clients(&mut host, ANY_CLIENTS).await.unwrap();
    assert_eq!(got.err(), Some(ClientReadError::NotAllowed));
    assert_eq!(general.requests().len(), 1);
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(&mut *self.0.lock().unwrap(), bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn the_log_says_what_failed_and_neither_the_token_nor_what_was_said() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone());
    let subscriber = subscriber.with_max_level(tracing::Level::TRACE).finish();
    let _heard = tracing::subscriber::set_default(subscriber);
    // With one listener alone, a line that another thread, which has none, logs first is taken for
    // one that nobody listens to, in all threads.
    let _other = tracing::Dispatch::new(tracing_subscriber::registry());
    let closed = Recorder::answering(200, "").await;
    let mut config = at(&closed);
    drop(closed);
    config.clients_url = "http://127.0.0.1:1".to_owned();
    let odd = Recorder::answering(200, r#"{"item":"said-by-it"}"#).await;
    config.services_url = odd.url("");
    let mut host = host_with(&config, &Capability::ALL);

    let got = clients::Host::get_client(&mut host, "asked-for".to_owned()).await.unwrap();
    assert_eq!(got.err(), Some(ClientReadError::Internal));
    let got = services::Host::get_service(&mut host, "asked-for".to_owned()).await.unwrap();
    assert_eq!(got.err(), Some(ServiceReadError::Internal));

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("asked for clients in vain: no connection"), "{log}");
    assert!(log.contains("asked for services in vain: the answer is not as agreed"), "{log}");
    for text in [TOKEN, "said-by-it", "asked-for in"] {
        assert!(!log.contains(text), "{text}: {log}");
    }
    assert!(!format!("{config:?}").contains(TOKEN));
}
