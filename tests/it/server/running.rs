//! A server with a few routes of its own, and a client that writes bytes.

use std::{error::Error, future::Future, io, net::SocketAddr, path::Path, time::Duration};

use axum::{
    Extension, Router,
    body::{Body, Bytes, to_bytes},
    routing::{get, post},
};
use plugboard::config::ServerConfig;
use plugboard::web::server::{BodyTooSlow, Bound, Peer, Routes, Stopped, bind, serve};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

/// Longer than any configured time-out here, so that a test fails and does not hang.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The appliance's defaults on a free port.
pub(super) fn config() -> ServerConfig {
    ServerConfig { listen: "127.0.0.1:0".parse().unwrap(), ..ServerConfig::default() }
}

/// Bytes of `/large`: more than the kernel keeps for a client that does not read.
pub(super) const LARGE: usize = 16 * 1024 * 1024;

pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) ext_ui: Option<SocketAddr>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Stopped>,
}

impl Running {
    pub(super) async fn start(config: ServerConfig) -> Self {
        let bound = bind(&config).await.unwrap();
        Self::serve(bound, config)
    }

    pub(super) async fn start_with_admin_socket(config: ServerConfig, path: &Path) -> Self {
        let bound = bind(&config).await.unwrap().with_admin_socket(path).unwrap();
        Self::serve(bound, config)
    }

    fn serve(bound: Bound, config: ServerConfig) -> Self {
        let (address, ext_ui) = (bound.local_addr(), bound.ext_ui_addr());
        let (stop, stopped) = oneshot::channel::<()>();
        let routes = Routes { main: main_routes(), ext_ui: ext_ui_routes() };
        let served = tokio::spawn(async move {
            serve(bound, routes, &config, async { drop(stopped.await) }).await
        });
        Self { address, ext_ui, stop, served }
    }

    pub(super) async fn connect(&self) -> Client<TcpStream> {
        Client::new(TcpStream::connect(self.address).await.unwrap())
    }

    /// As a client for which the kernel keeps little that it has not read.
    pub(super) async fn connect_with_little_room(&self) -> Client<TcpStream> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(64 * 1024).unwrap();
        Client::new(socket.connect(self.address).await.unwrap())
    }

    /// Sends bytes on a new connection and returns everything that comes back
    /// until the server closes it.
    pub(super) async fn exchange(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut client = self.connect().await;
        client.send(bytes).await;
        client.rest().await
    }

    pub(super) async fn stop(self) -> Stopped {
        self.stop.send(()).unwrap();
        self.served.await.unwrap()
    }

    /// Stops, and calls `meanwhile` once the server knows.
    pub(super) async fn stop_while(self, meanwhile: impl Future<Output = ()>) -> Stopped {
        self.stop.send(()).unwrap();
        let (stopped, ()) = tokio::join!(self.served, meanwhile);
        stopped.unwrap()
    }
}

pub(super) struct Client<S>(S);

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(super) fn new(stream: S) -> Self {
        Self(stream)
    }

    /// Sends bytes; a server that has closed already is no failure here.
    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        drop(self.try_send(bytes.as_ref()).await);
    }

    pub(super) async fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }

    /// Everything until the server closes the connection.
    pub(super) async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        let read = timeout(PATIENCE, self.0.read_to_end(&mut bytes)).await;
        // A reset is a way to close.
        drop(read.expect("the server did not close the connection"));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// One response with a `content-length`.
    pub(super) async fn response(&mut self) -> String {
        let mut bytes = Vec::new();
        let read = async {
            while !is_whole(&bytes) {
                let mut byte = [0];
                match self.0.read(&mut byte).await {
                    Ok(1) => bytes.push(byte[0]),
                    Ok(_) | Err(_) => break,
                }
            }
        };
        timeout(PATIENCE, read).await.expect("no response");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Reads so many bytes after each pause, until the body of [`main_routes`]' `/large` is all
    /// there or the server closes the connection; says how many there were.
    pub(super) async fn read_slowly(&mut self, bytes: usize, pause: Duration) -> usize {
        let (mut piece, mut all) = (vec![0; bytes], 0);
        while all < LARGE {
            tokio::time::sleep(pause).await;
            let mut rest = &mut piece[..];
            while !rest.is_empty() && all < LARGE {
                let read = timeout(PATIENCE, self.0.read(rest)).await.expect("nothing came");
                let Ok(count @ 1..) = read else { return all };
                (rest, all) = (&mut rest[count..], all + count);
            }
        }
        all
    }

    pub(super) async fn get(&mut self, path: &str) -> String {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        self.response().await
    }
}

fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() == length.map_or(0, |length| length.parse().unwrap())
}

fn main_routes() -> Router {
    Router::new()
        .route("/", get(async || "hello"))
        .route("/canary", get(async || "canary"))
        .route("/peer", get(async |Extension(peer): Extension<Peer>| format!("{peer:?}")))
        .route("/length", post(async |body: Bytes| body.len().to_string()))
        .route("/pace", post(read_at_the_clients_pace))
        .route("/slow", get(answer_later))
        .route("/never", get(std::future::pending::<&str>))
        .route("/large", get(async || vec![b'x'; LARGE]))
}

fn ext_ui_routes() -> Router {
    Router::new().route("/", get(async || "extension pages"))
}

async fn answer_later() -> &'static str {
    tokio::time::sleep(Duration::from_millis(200)).await;
    "slow"
}

async fn read_at_the_clients_pace(body: Body) -> String {
    match to_bytes(body, usize::MAX).await {
        Ok(bytes) => bytes.len().to_string(),
        Err(error) => {
            let first = &error as &(dyn Error + 'static);
            let mut causes = std::iter::successors(Some(first), |&cause| cause.source());
            let is_slow = causes.any(<dyn Error>::is::<BodyTooSlow>);
            if is_slow { "too slow".to_owned() } else { error.to_string() }
        }
    }
}
