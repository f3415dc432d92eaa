//! (skeleton, replaced by part/config)
use std::net::{IpAddr, SocketAddr};
use axum::http::HeaderMap;
use crate::config::Network;
#[derive(Clone, Debug)]
pub enum Peer { Tcp(SocketAddr), Unix { uid: u32 } }
pub fn client_ip(peer: &Peer, _h: &HeaderMap, _t: &[Network]) -> Option<IpAddr> { match peer { Peer::Tcp(a) => Some(a.ip()), Peer::Unix { .. } => None } }
