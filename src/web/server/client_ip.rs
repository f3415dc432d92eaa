//! Which address a request came from, through the proxies we trust.

use std::net::IpAddr;

use http::HeaderMap;

use super::Peer;
use crate::config::Network;

/// The address of the client, or `None` on the admin socket.
///
/// Every proxy appends the address it saw to `X-Forwarded-For`, so the list is
/// read from its end: an entry counts only if a trusted proxy wrote it. What a
/// client put there itself lies before the first address we do not trust.
pub fn client_ip(peer: &Peer, headers: &HeaderMap, trusted: &[Network]) -> Option<IpAddr> {
    let Peer::Tcp(socket) = peer else { return None };
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = socket.ip().to_canonical();
    for line in headers.get_all("x-forwarded-for").iter().rev() {
        let entries = line.to_str().unwrap_or_default();
        for entry in entries.rsplit(',') {
            if !is_trusted(client) {
                return Some(client);
            }
            let Some(address) = address(entry.trim()) else { return Some(client) };
            client = address;
        }
    }
    Some(client)
}

/// An entry as proxies write it; some add the port.
fn address(entry: &str) -> Option<IpAddr> {
    let with_port = || entry.parse().map(|socket: std::net::SocketAddr| socket.ip()).ok();
    entry.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(peer: &str, forwarded: &[&'static str]) -> String {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_static(line));
        }
        let peer = Peer::Tcp(peer.parse().unwrap());
        client_ip(&peer, &headers, &trusted).unwrap().to_string()
    }

    #[test]
    fn only_a_trusted_proxy_can_say_who_the_client_is() {
        assert_eq!(client("192.0.2.1:9", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(client("10.0.0.1:9", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(client("[::ffff:10.0.0.1]:9", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1:9", &[]), "10.0.0.1");
    }

    #[test]
    fn what_the_client_wrote_itself_is_not_believed() {
        assert_eq!(client("10.0.0.1:9", &["203.0.113.9, 198.51.100.7"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1:9", &["203.0.113.9", "198.51.100.7"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1:9", &["203.0.113.9, 198.51.100.7, 10.0.0.2"]), "198.51.100.7");
    }

    #[test]
    fn an_entry_that_is_no_address_ends_the_search() {
        assert_eq!(client("10.0.0.1:9", &["198.51.100.7, unknown"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1:9", &["198.51.100.7:4711"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1:9", &["[2001:db8::7]:4711"]), "2001:db8::7");
    }

    #[test]
    fn the_admin_socket_has_no_address() {
        assert_eq!(client_ip(&Peer::Unix { uid: 0 }, &HeaderMap::new(), &[]), None);
    }
}
