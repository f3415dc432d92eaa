//! Stopping: what is in flight finishes, what is new is not taken.

use plugboard::config::ServerConfig;
use plugboard::web::server::Stopped;
use tokio::net::TcpStream;

use super::running::{Running, config};

#[tokio::test]
async fn a_request_in_flight_finishes() {
    let server = Running::start(config()).await;
    let address = server.address;
    let mut client = server.connect().await;
    client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut idle = server.connect().await;
    assert!(idle.get("/").await.ends_with("hello"));

    let stopped = server
        .stop_while(async {
            let answer = client.rest().await;
            assert!(answer.ends_with("slow"), "{answer}");
            assert!(answer.contains("connection: close"), "{answer}");
            assert_eq!(idle.rest().await, "");
        })
        .await;

    assert_eq!(stopped, Stopped { cut: 0 });
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_request_that_does_not_finish_is_cut() {
    let server = Running::start(ServerConfig { shutdown_grace_ms: 100, ..config() }).await;
    let mut client = server.connect().await;
    client.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut other = server.connect().await;
    assert!(other.get("/").await.ends_with("hello"));

    let stopped = server.stop().await;

    assert_eq!(stopped, Stopped { cut: 1 });
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn the_second_listener_has_routes_of_its_own() {
    let ext_ui_listen = Some("127.0.0.1:0".parse().unwrap());
    let server = Running::start(ServerConfig { ext_ui_listen, ..config() }).await;

    let mut main = server.connect().await;
    assert!(main.get("/").await.ends_with("hello"));
    assert!(main.get("/peer").await.contains("Tcp(127.0.0.1:"));
    let stream = TcpStream::connect(server.ext_ui.unwrap()).await.unwrap();
    let mut second = super::running::Client::new(stream);
    assert!(second.get("/").await.ends_with("extension pages"));
    assert!(second.get("/canary").await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let server = Running::start(config()).await;
    let taken = ServerConfig { listen: server.address, ..config() };

    let error = plugboard::web::server::bind(&taken).await.err().unwrap();

    assert_eq!(error.to_string(), format!("cannot listen on {}", server.address));
}
