//! From a destination to a connection: the only place that dials for guests.
//!
//! A name is asked for once. All of its addresses must be good, not only the one that is
//! dialled: a name with a good and a bad one waits for the moment when the good one fails.
//! What is dialled is an address, never the name again. Servers that the appliance uses itself
//! are not called, under whatever name, as far as their addresses were found.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use super::addresses::{AddressRules, of_interfaces};
use super::destination::Destination;
use super::error::EgressError;
use super::own_hosts::OwnHosts;
use super::resolver::Resolve;
use super::shares::Place;
use super::{EgressParts, EgressUnusable};
use crate::config::EgressConfig;
use crate::model::{EgressHost, Scheme};
use crate::tls_client;

/// Addresses of one name that are tried.
const TRIED: usize = 4;

/// A connection that is ready for a request.
pub(super) type Connection = Either<TcpStream, Box<TlsStream<TcpStream>>>;

pub(super) struct Dialer {
    resolver: Arc<dyn Resolve>,
    rules: AddressRules,
    tls: TlsConnector,
    resolve_limit: Duration,
    connect_limit: Duration,
    own_hosts: OwnHosts,
}

impl Dialer {
    pub(super) fn new(config: &EgressConfig, parts: EgressParts) -> Result<Self, EgressUnusable> {
        // Without any authority, calls without encryption still work, and the others say that
        // nobody is trusted.
        let roots = tls_client::roots(&config.ca_file).map_err(EgressUnusable::CaFile)?;
        let mut tls = tls_client::config(roots);
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            resolver: parts.resolver,
            rules: AddressRules::new(&config.allow_private, &parts.stand_ins),
            tls: TlsConnector::from(Arc::new(tls)),
            resolve_limit: Duration::from_millis(config.resolve_timeout_ms),
            connect_limit: Duration::from_millis(config.connect_timeout_ms),
            own_hosts: OwnHosts::new(&parts.own_hosts),
        })
    }

    /// Connects to a destination that the lists allow. The search for its addresses may go on
    /// when nobody waits for it any more, and keeps the `place` of the call until then: else
    /// names that nobody answers could take all threads, one call after the other.
    pub(super) async fn dial(
        &self,
        to: &Destination,
        place: &Arc<Place>,
    ) -> Result<(Connection, SocketAddr), EgressError> {
        let own = self.own_addresses().await?;
        let addresses = self.good_addresses(to, &own, place).await?;
        let until = Instant::now() + self.connect_limit;
        let (tcp, address) = self.connect(to, &addresses, &own, until).await?;
        tcp.set_nodelay(true).ok();
        let stream = match to.scheme() {
            Scheme::Http => Either::Left(tcp),
            Scheme::Https => Either::Right(Box::new(self.encrypt(to, tcp, until).await?)),
        };
        Ok((stream, address))
    }

    /// Whether a destination is by its name alone one that is never dialled. RFC 6761, section
    /// 6.3: `localhost` and all below it is this machine.
    pub(super) fn bars(&self, to: &Destination) -> bool {
        match to.host() {
            EgressHost::Address(address) => self.rules.bar(*address),
            EgressHost::Exact(name) => name == "localhost" || name.ends_with(".localhost"),
            EgressHost::Below(_) => false,
        }
    }

    /// The addresses of a destination, if every one of them may be dialled.
    async fn good_addresses(
        &self,
        to: &Destination,
        own: &[IpAddr],
        place: &Arc<Place>,
    ) -> Result<Vec<SocketAddr>, EgressError> {
        let found = match to.host() {
            EgressHost::Address(address) => vec![*address],
            EgressHost::Exact(name) if self.own_hosts.has_name(name) => {
                return Err(EgressError::OwnHost(name.clone()));
            }
            EgressHost::Exact(name) => self.resolve(name, place).await?,
            EgressHost::Below(name) => return Err(EgressError::NoAddress(name.clone())),
        };
        let addresses: Vec<_> =
            found.into_iter().map(|address| SocketAddr::new(address, to.port())).collect();
        if addresses.is_empty() {
            return Err(EgressError::NoAddress(to.host().to_string()));
        }
        match addresses.iter().find(|address| !self.rules.allow(**address, own)) {
            Some(bad) => {
                Err(EgressError::Address { host: to.host().to_string(), address: bad.ip() })
            }
            None => Ok(addresses),
        }
    }

    async fn resolve(&self, name: &str, place: &Arc<Place>) -> Result<Vec<IpAddr>, EgressError> {
        let (limit, host) = (self.resolve_limit, || name.to_owned());
        let (resolver, place, asked) =
            (Arc::clone(&self.resolver), Arc::clone(place), name.to_owned());
        let search = tokio::spawn(async move {
            let _place = place;
            resolver.resolve(&asked).await
        });
        match timeout(limit, search).await {
            Err(_elapsed) => Err(EgressError::ResolveTimeout { host: host(), limit }),
            Ok(Err(_)) => Err(EgressError::Stopped),
            Ok(Ok(found)) => found.map_err(|cause| EgressError::Resolve { host: host(), cause }),
        }
    }

    /// Those of the interfaces of this machine, without which nothing is dialled: it could be one
    /// of them; and of the servers that it uses itself, as far as their names were found.
    async fn own_addresses(&self) -> Result<Vec<IpAddr>, EgressError> {
        let mut own = of_interfaces().map_err(EgressError::Interfaces)?;
        let now = Instant::now();
        own.extend(self.own_hosts.addresses(&self.resolver, self.resolve_limit, now).await?);
        Ok(own)
    }

    /// The first address that takes a connection; each has its share of the time.
    async fn connect(
        &self,
        to: &Destination,
        addresses: &[SocketAddr],
        own: &[IpAddr],
        until: Instant,
    ) -> Result<(TcpStream, SocketAddr), EgressError> {
        let host = || to.host().to_string();
        let tried = &addresses[..addresses.len().min(TRIED)];
        let mut failed = EgressError::NoAddress(host());
        for (index, address) in tried.iter().enumerate() {
            let left = u32::try_from(tried.len() - index).expect("four at most");
            let share = until.saturating_duration_since(Instant::now()) / left;
            failed = match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return self.check_peer(to, stream, own),
                Ok(Err(cause)) => EgressError::Connect { host: host(), cause },
                Err(_elapsed) => {
                    EgressError::ConnectTimeout { host: host(), limit: self.connect_limit }
                }
            };
        }
        Err(failed)
    }

    /// Asks the connection itself whom it leads to.
    fn check_peer(
        &self,
        to: &Destination,
        stream: TcpStream,
        own: &[IpAddr],
    ) -> Result<(TcpStream, SocketAddr), EgressError> {
        let host = || to.host().to_string();
        let peer = stream.peer_addr();
        let peer = peer.map_err(|cause| EgressError::Connect { host: host(), cause })?;
        if self.rules.allow(peer, own) {
            Ok((stream, peer))
        } else {
            Err(EgressError::Address { host: host(), address: peer.ip() })
        }
    }

    async fn encrypt(
        &self,
        to: &Destination,
        tcp: TcpStream,
        until: Instant,
    ) -> Result<TlsStream<TcpStream>, EgressError> {
        let host = || to.host().to_string();
        let name = match to.host() {
            EgressHost::Address(address) => Ok(ServerName::from(*address)),
            EgressHost::Exact(name) | EgressHost::Below(name) => name.clone().try_into(),
        };
        let name = name.map_err(|error| EgressError::Tls {
            host: host(),
            cause: io::Error::new(io::ErrorKind::InvalidInput, error),
        })?;
        match timeout_at(until, self.tls.connect(name, tcp)).await {
            Ok(encrypted) => encrypted.map_err(|cause| EgressError::Tls { host: host(), cause }),
            Err(_elapsed) => {
                Err(EgressError::ConnectTimeout { host: host(), limit: self.connect_limit })
            }
        }
    }
}
