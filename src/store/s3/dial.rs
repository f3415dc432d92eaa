//! Connections to the server: TCP without delay, TLS, and one limit for all of it.

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use std::vec;

use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::Service;

use super::super::StoreError;
use super::bodies::TimedOut;
use crate::tls_client;

/// Makes connections.
#[derive(Clone, Debug)]
pub(super) struct Dial {
    connector: HttpsConnector<HttpConnector<Names>>,
    limit: Duration,
}

/// The names of the system, and those below `localhost`, which are this machine
/// (RFC 6761, section 6.3) and which not every system knows: a bucket in the host of
/// a server on this machine has one.
#[derive(Clone, Debug)]
struct Names(GaiResolver);

type BoxError = Box<dyn Error + Send + Sync>;

impl Dial {
    /// `ca_file` is trusted beside the authorities of the system; empty: none is.
    pub(super) fn new(limit: Duration, tls: bool, ca_file: &Path) -> Result<Self, StoreError> {
        let tcp = HttpConnector::new_with_resolver(Names(GaiResolver::new()));
        // Without TLS nobody's word is needed, and a system without authorities works, too.
        let roots = if tls { roots(ca_file)? } else { RootCertStore::empty() };
        let connector = tls_client::connector(tcp, roots);
        Ok(Self { connector, limit })
    }
}

impl Service<Name> for Names {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<vec::IntoIter<SocketAddr>>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        if is_this_machine(name.as_str()) {
            let both = [(Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()];
            return Box::pin(async move { Ok(Vec::from(both).into_iter()) });
        }
        let found = self.0.call(name);
        Box::pin(async move { Ok(found.await?.collect::<Vec<_>>().into_iter()) })
    }
}

fn is_this_machine(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

impl Service<Uri> for Dial {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(cx)
    }

    /// The limit covers the name, the connection and the handshake together.
    fn call(&mut self, server: Uri) -> Self::Future {
        let (connecting, limit) = (self.connector.call(server), self.limit);
        Box::pin(async move {
            let timed_out = TimedOut { what: "no connection to the server was made", limit };
            timeout(limit, connecting).await.map_err(|_| timed_out)?
        })
    }
}

/// Whom an encrypted server is trusted by: somebody at least.
fn roots(ca_file: &Path) -> Result<RootCertStore, StoreError> {
    const DOING: &str = "trust any authority";
    let roots = tls_client::roots(ca_file).map_err(|error| {
        let problem = format!("store.s3.ca_file: {error}");
        StoreError::unavailable("read its certificates", problem)
    })?;
    if roots.is_empty() {
        let problem = "the system has no certificates of authorities, and `store.s3.ca_file` is \
                       not set";
        return Err(StoreError::unavailable(DOING, problem));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_below_localhost_are_this_machine() {
        for name in ["localhost", "bundles.localhost", "Bundles.LocalHost.", "a.b.localhost"] {
            assert!(is_this_machine(name), "{name}");
        }
        for name in ["localhost.example.net", "notlocalhost", "local", ""] {
            assert!(!is_this_machine(name), "{name}");
        }
    }
}
