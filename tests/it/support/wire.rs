//! An appliance at a socket.

use std::net::SocketAddr;
use std::sync::Arc;

use plugboard::config::ServerConfig;
use plugboard::web;
use plugboard::web::server::{Routes, bind, serve};
use tokio::net::{TcpSocket, TcpStream};

use super::test_app::TestApp;

/// The appliance at a socket. It ends with the test's runtime.
pub(crate) struct Wire {
    pub(crate) app: TestApp,
    pub(crate) address: SocketAddr,
}

impl Wire {
    pub(crate) async fn start(app: TestApp) -> Self {
        let config =
            ServerConfig { listen: "127.0.0.1:0".parse().unwrap(), ..ServerConfig::default() };
        let bound = bind(&config).await.unwrap();
        let address = bound.local_addr();
        let main = web::router(Arc::clone(&app.app));
        let routes = Routes { main, ext_ui: axum::Router::new() };
        tokio::spawn(async move { serve(bound, routes, &config, std::future::pending()).await });
        Self { app, address }
    }

    /// A new connection with a small window.
    pub(crate) async fn connect(&self) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        socket.connect(self.address).await.unwrap()
    }
}
