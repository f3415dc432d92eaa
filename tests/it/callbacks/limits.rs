//! Applications that are slow, away, or not who they say: each costs its own call.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::HeaderMap;
use plugboard::callbacks::{Answer, CallbackError, Callbacks, Interface, Outcome, Question, Route};
use plugboard::config::HostCallbacksConfig;
use plugboard::model::{InstallId, TenantId};
use tokio::net::TcpListener;

use crate::support::internet::{Authority, Script, Server};
use crate::support::{is_again, most_memory, passes_again_in_own_memory};

/// Calls to one application, and how they ended.
struct Asking {
    callbacks: Callbacks,
    ended: Arc<Mutex<Vec<(&'static str, &'static str)>>>,
}

impl Asking {
    /// `ui-proxy` has little time, `clients` has much.
    fn at(url: &str, change: impl FnOnce(&mut HostCallbacksConfig)) -> Self {
        let mut config = HostCallbacksConfig {
            ui_proxy_base_url: url.to_owned(),
            clients_url: url.to_owned(),
            token: "a-token-of-it".to_owned().into(),
            ui_proxy_timeout_ms: 50,
            ..HostCallbacksConfig::default()
        };
        change(&mut config);
        let ended = Arc::<Mutex<Vec<_>>>::default();
        let noted = Arc::clone(&ended);
        let observer = Arc::new(move |interface: Interface, outcome: Outcome, _: Duration| {
            noted.lock().unwrap().push((interface.as_str(), outcome.as_str()));
        });
        Self { callbacks: Callbacks::new(&config, observer).unwrap(), ended }
    }

    async fn ask(&self, interface: Interface) -> Result<Answer, CallbackError> {
        let application = self.callbacks.find(&TenantId::default_tenant(), interface).unwrap();
        let route = Route::of_install(InstallId::random());
        application.ask(Question { route, headers: HeaderMap::new(), body: None }).await
    }

    fn ended(&self) -> Vec<(&'static str, &'static str)> {
        self.ended.lock().unwrap().clone()
    }
}

fn url(server: &Server) -> String {
    format!("http://{}", server.address)
}

#[tokio::test]
async fn one_call_more_than_there_may_be_waits_within_its_time_and_is_not_sent() {
    let server = Server::start(Script::Hang(Vec::new())).await;
    let asking = Arc::new(Asking::at(&url(&server), |config| config.parallel = 1));
    let first = Arc::clone(&asking);
    let first = tokio::spawn(async move { first.ask(Interface::Clients).await });
    while server.requests().is_empty() {
        tokio::task::yield_now().await;
    }

    let second = asking.ask(Interface::UiProxy).await;

    assert!(matches!(second, Err(CallbackError::Timeout(_))), "{second:?}");
    assert_eq!(server.connections(), 1);
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    asking.ask(Interface::UiProxy).await.unwrap_err();
    assert_eq!(server.connections(), 2, "the place is free again");
    let ended = asking.ended();
    assert_eq!(ended[0], ("ui-proxy", "timed_out"));
    assert!(ended.contains(&("clients", "abandoned")), "{ended:?}");
}

#[tokio::test]
async fn an_application_that_is_away_is_said_to_be() {
    let gone = TcpListener::bind("127.77.0.1:0").await.unwrap().local_addr().unwrap();
    let asking = Asking::at(&format!("http://{gone}"), |_| ());

    let answered = asking.ask(Interface::Clients).await;

    assert!(matches!(answered, Err(CallbackError::Connect(_))), "{answered:?}");
    assert_eq!(asking.ended(), [("clients", "unreachable")]);
}

#[tokio::test]
async fn a_slow_application_has_its_time_and_no_more() {
    for said in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab"] {
        let server = Server::start(Script::Hang(said.into())).await;
        let asking = Asking::at(&url(&server), |_| ());

        let answered = asking.ask(Interface::UiProxy).await;

        let Err(CallbackError::Timeout(limit)) = answered else { panic!("{said}: {answered:?}") };
        assert_eq!(limit, Duration::from_millis(50));
        assert_eq!(asking.ended(), [("ui-proxy", "timed_out")]);
    }
}

#[tokio::test]
async fn each_way_to_end_has_its_word() {
    for (said, outcome) in [
        ("HTTP/1.1 204 No Content\r\n\r\n", "answered"),
        ("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", "rejected"),
        ("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", "failed"),
        ("HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n", "failed"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab", "broken"),
        ("SSH-2.0\r\n", "broken"),
    ] {
        let server = Server::start(Script::Say(said.into())).await;
        let asking = Asking::at(&url(&server), |_| ());

        asking.ask(Interface::Clients).await.ok();

        assert_eq!(asking.ended(), [("clients", outcome)], "{said}");
    }
}

#[tokio::test]
async fn an_encrypted_application_must_be_who_it_says_before_it_gets_the_token() {
    let authority = Authority::new(&["127.77.0.1"]);
    let server = authority.start(Script::body("hello")).await;
    let other = Authority::new(&["app.example.com"]);
    let not_it = other.start(Script::body("hello")).await;
    let at = |server: &Server, ca_file: &std::path::Path| {
        Asking::at(&format!("https://{}", server.address), |config| {
            config.ca_file = ca_file.to_owned();
        })
    };

    let known = at(&server, &authority.ca_file).ask(Interface::Clients).await.unwrap();
    assert_eq!(known.body, "hello");
    let [request] = &server.requests()[..] else { panic!("{:?}", server.requests()) };
    assert!(request.contains("\r\nx-runner-auth: a-token-of-it\r\n"), "{request}");

    for asking in [at(&server, &other.ca_file), at(&not_it, &other.ca_file)] {
        let answered = asking.ask(Interface::Clients).await;
        assert!(matches!(answered, Err(CallbackError::Connect(_))), "{answered:?}");
        assert_eq!(asking.ended(), [("clients", "unreachable")]);
    }
    assert_eq!((server.requests().len(), not_it.requests().len()), (1, 0));
}

/// In a process of its own: others have memory, too.
#[test]
fn an_answer_takes_its_memory_once() {
    const MIB: u64 = 1024 * 1024;
    if !is_again() {
        return passes_again_in_own_memory("callbacks::limits::an_answer_takes_its_memory_once");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let warm = Server::start(Script::body("warm")).await;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 8 * MIB).into_bytes();
        let server = Server::start(Script::Repeat(head, vec![b'a'; 64 * 1024])).await;
        let asking = |server: &Server| {
            Asking::at(&url(server), |config| config.ui_proxy_timeout_ms = 20_000)
        };
        asking(&warm).ask(Interface::UiProxy).await.unwrap();
        let before = most_memory();

        let answer = asking(&server).ask(Interface::UiProxy).await.unwrap();

        assert_eq!(answer.body.len() as u64, 8 * MIB);
        let grown = most_memory() - before;
        assert!(grown < 12 * MIB, "{grown} bytes more");
    });
}
