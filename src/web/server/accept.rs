//! Accepting connections, also when there is no file descriptor left.

use std::{fs::File, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use rustix::io::Errno;
use tokio::{
    net::{TcpListener, TcpStream, UnixStream},
    sync::OwnedSemaphorePermit,
    time::sleep,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::Peer;
use super::admin_socket::AdminSocket;
use super::admission::{Admission, Ticket};
use super::connection::{self, Manners};
use super::file_stream::FileStream;

/// How long to leave a socket alone that cannot accept.
const PAUSE: Duration = Duration::from_millis(50);

/// Where connections come from.
pub(super) enum Socket {
    Tcp(TcpListener, Admission),
    Unix(AdminSocket),
}

/// What a connection needs to be served.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) router: Router,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) manners: Arc<Manners>,
    /// No more requests, please.
    pub(super) stop: CancellationToken,
    /// The time for requests in flight is over.
    pub(super) cut: CancellationToken,
    pub(super) tracker: TaskTracker,
}

enum Accepted {
    Tcp(TcpStream, SocketAddr, OwnedSemaphorePermit),
    Unix(UnixStream, u32),
}

/// Serves every connection of a socket until the door is closed.
pub(super) async fn accept_all(socket: Socket, door: Door) {
    let mut trouble = Trouble::default();
    let stop = door.stop.clone();
    let accepting = async {
        loop {
            match accept(&socket).await {
                Ok(accepted) => {
                    trouble.is_over();
                    open(&socket, accepted, &door);
                }
                Err(error) if is_of_one_client(&error) => {}
                Err(error) => trouble.survive(&socket, &error).await,
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = accepting => {}
    }
}

async fn accept(socket: &Socket) -> io::Result<Accepted> {
    match socket {
        Socket::Tcp(listener, admission) => {
            let slot = admission.slot().await;
            let (stream, address) = listener.accept().await?;
            Ok(Accepted::Tcp(stream, address, slot))
        }
        Socket::Unix(socket) => {
            let (stream, uid) = socket.accept().await?;
            Ok(Accepted::Unix(stream, uid))
        }
    }
}

fn open(socket: &Socket, accepted: Accepted, door: &Door) {
    match (accepted, socket) {
        (Accepted::Tcp(stream, address, slot), Socket::Tcp(_, admission)) => {
            let Some(ticket) = admission.admit(slot, address.ip()) else {
                return tracing::debug!(client.ip = %address.ip(), "too many connections");
            };
            door.tracker.spawn(serve_tcp(stream, address, ticket, door.clone()));
        }
        (Accepted::Unix(stream, uid), _) => {
            door.tracker.spawn(connection::serve(stream, Peer::Unix { uid }, None, door.clone()));
        }
        (Accepted::Tcp(..), Socket::Unix(_)) => {}
    }
}

async fn serve_tcp(stream: TcpStream, address: SocketAddr, _ticket: Ticket, door: Door) {
    // Without this a streamed body waits for the client's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        return tracing::debug!("a connection was gone before it was served: {error}");
    }
    let peer = Peer::Tcp(address);
    let Some(tls) = door.tls.clone() else {
        let stream = FileStream::new(stream);
        let sender = stream.sender();
        return connection::serve(stream, peer, sender, door).await;
    };
    let limit = door.manners.guard.header_timeout;
    let handshake = tokio::select! {
        () = door.stop.cancelled() => return,
        handshake = tokio::time::timeout(limit, tls.accept(stream)) => handshake,
    };
    match handshake {
        Ok(Ok(stream)) => connection::serve(stream, peer, None, door).await,
        Ok(Err(error)) => tracing::debug!("a TLS handshake failed: {error}"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

/// The client went away while it waited: no reason to pause.
fn is_of_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// What to do when accepting fails, which is said once.
struct Trouble {
    /// A descriptor to give up when there is no other: with it one client can
    /// be told, by closing its connection, instead of all waiting in the queue.
    reserve: Option<File>,
    is_said: bool,
}

impl Default for Trouble {
    fn default() -> Self {
        Self { reserve: reserve(), is_said: false }
    }
}

fn reserve() -> Option<File> {
    File::open("/dev/null").ok()
}

impl Trouble {
    fn is_over(&mut self) {
        self.is_said = false;
        if self.reserve.is_none() {
            self.reserve = reserve();
        }
    }

    async fn survive(&mut self, socket: &Socket, error: &io::Error) {
        if !self.is_said {
            self.is_said = true;
            tracing::error!("connections cannot be accepted: {error}");
        }
        let out_of_files = [Errno::MFILE, Errno::NFILE].map(Errno::raw_os_error);
        if error.raw_os_error().is_some_and(|code| out_of_files.contains(&code)) {
            drop(self.reserve.take());
            drop(tokio::time::timeout(Duration::ZERO, accept(socket)).await);
            self.reserve = reserve();
        }
        sleep(PAUSE).await;
    }
}
