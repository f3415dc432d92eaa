//! The HTTP server: sockets in, requests out to the router.
//!
//! `axum::serve` sets no timer, so a client that dribbles its request head
//! would hold a connection for ever. Here every wait for a client has an end
//! and every number of things a client can make us hold has a limit. Only
//! HTTP/1.1 is spoken: HTTP/2 cannot be reached from any socket.
//!
//! [`bind`] takes the addresses, [`serve`] answers until told to stop. A request
//! carries its [`Peer`] as an extension.

mod accept;
mod admin_socket;
mod admission;
mod body;
mod client_ip;
mod connection;
mod file_stream;
mod guard;
mod head;
mod notify;
mod patience;
mod tls;

pub use admin_socket::AdminSocketError;
pub use body::BodyTooSlow;
pub use client_ip::client_ip;
pub use file_stream::FileSender;
pub use notify::Notifier;
pub use tls::TlsError;

use std::{
    future::Future,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use accept::{Door, Socket};
use admin_socket::AdminSocket;
use admission::Admission;
use connection::Manners;
use tls::Tls;

use crate::config::{ServerConfig, TlsConfig};

/// Who is at the other end of the connection: an extension of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A socket address; behind a proxy it is the proxy's, see [`client_ip`].
    Tcp(SocketAddr),
    /// The admin socket: a process of this user or of root.
    Unix {
        /// The user the process runs as.
        uid: u32,
    },
}

/// What answers at which address.
#[derive(Clone, Debug)]
pub struct Routes {
    /// `server.listen` and the admin socket.
    pub main: Router,
    /// `server.ext_ui_listen`: extension pages and nothing else.
    pub ext_ui: Router,
}

/// Addresses that are taken and not yet answered at.
pub struct Bound {
    main: TcpListener,
    main_address: SocketAddr,
    ext_ui: Option<(TcpListener, SocketAddr)>,
    admin: Option<AdminSocket>,
    tls: Option<Tls>,
}

/// Why the appliance cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("cannot listen on {address}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    AdminSocket(#[from] AdminSocketError),
}

/// How the server stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Connections whose requests did not finish in `server.shutdown_grace_ms`.
    pub cut: usize,
}

/// Reads the certificate and its key, as [`bind`] does.
pub fn check_tls(config: &TlsConfig) -> Result<(), TlsError> {
    tls::read(config).map(drop)
}

/// Reads the certificate and takes the configured addresses.
pub async fn bind(config: &ServerConfig) -> Result<Bound, ServerError> {
    let tls = config.tls.is_set().then(|| tls::read(&config.tls)).transpose()?;
    let (main, main_address) = listen(config.listen).await?;
    let ext_ui = match config.ext_ui_listen {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    Ok(Bound { main, main_address, ext_ui, admin: None, tls })
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServerError> {
    let failed = |source| ServerError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

impl Bound {
    /// Also answers on a Unix socket, to this user and root only.
    pub fn with_admin_socket(mut self, path: &Path) -> Result<Self, ServerError> {
        self.admin = Some(AdminSocket::bind(path)?);
        Ok(self)
    }

    /// The address of `server.listen`, with the port it got.
    pub fn local_addr(&self) -> SocketAddr {
        self.main_address
    }

    /// The address of `server.ext_ui_listen`, with the port it got.
    pub fn ext_ui_addr(&self) -> Option<SocketAddr> {
        self.ext_ui.as_ref().map(|(_, address)| *address)
    }

    /// When the certificate ends, if there is one.
    pub fn certificate_ends_at(&self) -> Option<Timestamp> {
        self.tls.as_ref()?.ends_at
    }
}

/// Answers requests until `shutdown` is ready, then lets those in flight finish.
pub async fn serve(
    bound: Bound,
    routes: Routes,
    config: &ServerConfig,
    shutdown: impl Future<Output = ()>,
) -> Stopped {
    let stop = CancellationToken::new();
    let cut = CancellationToken::new();
    let tracker = TaskTracker::new();
    let door = |router: Router| Door {
        router,
        tls: bound.tls.as_ref().map(|tls| tls.acceptor.clone()),
        manners: Arc::new(Manners::new(config)),
        stop: stop.clone(),
        cut: cut.clone(),
        tracker: tracker.clone(),
    };
    let admission = Admission::new(config);
    let mut sockets = vec![(Socket::Tcp(bound.main, admission.clone()), door(routes.main.clone()))];
    if let Some((listener, _)) = bound.ext_ui {
        sockets.push((Socket::Tcp(listener, admission), door(routes.ext_ui)));
    }
    if let Some(socket) = bound.admin {
        sockets.push((Socket::Unix(socket), door(routes.main)));
    }
    for (socket, door) in sockets {
        tracker.spawn(accept::accept_all(socket, door));
    }

    shutdown.await;
    stop.cancel();
    tracker.close();
    let grace = Duration::from_millis(config.shutdown_grace_ms);
    if tokio::time::timeout(grace, tracker.wait()).await.is_ok() {
        return Stopped { cut: 0 };
    }
    let unfinished = tracker.len();
    cut.cancel();
    tracker.wait().await;
    Stopped { cut: unfinished }
}

/// Where the admin socket is.
pub fn admin_socket_path(data_dir: &Path) -> PathBuf {
    data_dir.join("admin.sock")
}
