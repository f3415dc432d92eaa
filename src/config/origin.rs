//! A web origin: what a browser compares.

use std::{fmt, net::SocketAddr, str::FromStr};

use url::{Host, Url};

/// `https://host` or `http://host:port`, in the spelling browsers send as `Origin`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    text: String,
    https: bool,
    loopback: bool,
}

/// The text is not an origin.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an origin is `https://` or `http://`, a host and perhaps a port, and nothing after it")]
pub struct InvalidOrigin;

impl Origin {
    /// The origin of a listener as its own machine sees it.
    pub(super) fn of_listener(https: bool, address: SocketAddr) -> Self {
        let mut reachable = address;
        // "Every address" is no place to go to; the loopback of the same family always is.
        if address.ip().is_unspecified() {
            reachable.set_ip(match address {
                SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        let scheme = if https { "https" } else { "http" };
        format!("{scheme}://{reachable}").parse().expect("an address and a port make an origin")
    }

    /// The same scheme and host at another port.
    pub(super) fn with_port(&self, port: u16) -> Self {
        let mut url = Url::parse(&self.text).expect("an origin is a URL");
        url.set_port(Some(port)).expect("http and https URLs have ports");
        Self::of_url(&url).expect("a port does not change what an origin is")
    }

    /// The origin as browsers write it: no slash at the end, no default port.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether what is sent there is encrypted.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// Whether it is this machine: plain HTTP to it can be seen by nobody else.
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }

    fn of_url(url: &Url) -> Result<Self, InvalidOrigin> {
        let loopback = match url.host().ok_or(InvalidOrigin)? {
            Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
            Host::Ipv4(ip) => ip.is_loopback(),
            Host::Ipv6(ip) => ip.is_loopback(),
        };
        let https = url.scheme() == "https";
        Ok(Self { text: url.origin().ascii_serialization(), https, loopback })
    }
}

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| InvalidOrigin)?;
        let web = matches!(url.scheme(), "http" | "https");
        let bare = matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if web && bare { Self::of_url(&url) } else { Err(InvalidOrigin) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_spelled_as_browsers_spell_it() {
        let origin: Origin = "https://Plugboard.example.net:443/".parse().unwrap();

        assert_eq!(origin.as_str(), "https://plugboard.example.net");
        assert!(origin.is_https() && !origin.is_loopback());
    }

    #[test]
    fn what_has_more_than_scheme_host_and_port_is_not_an_origin() {
        for text in [
            "plugboard.example.net",
            "ftp://a.example",
            "https://a.example/x",
            "https://a.example?x",
            "https://a.example/#x",
            "https://user@a.example",
            "https://",
            "",
        ] {
            assert_eq!(text.parse::<Origin>(), Err(InvalidOrigin), "{text}");
        }
    }

    #[test]
    fn a_listener_on_every_address_is_reached_by_loopback() {
        let of = |address: &str| Origin::of_listener(false, address.parse().unwrap()).to_string();

        assert_eq!(of("0.0.0.0:7420"), "http://127.0.0.1:7420");
        assert_eq!(of("[::]:7420"), "http://[::1]:7420");
        assert_eq!(of("192.0.2.1:80"), "http://192.0.2.1");
    }

    #[test]
    fn the_port_can_be_replaced() {
        let origin: Origin = "https://a.example".parse().unwrap();
        assert_eq!(origin.with_port(8444).as_str(), "https://a.example:8444");
    }
}
