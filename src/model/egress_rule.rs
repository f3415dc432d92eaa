//! One entry of an egress allowlist: which destination may be called.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// One entry of an allowlist: `https` unless it says `http`, and the port of
/// the scheme unless it says one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EgressRule {
    pub scheme: Scheme,
    pub host: EgressHost,
    pub port: Option<u16>,
}

/// How a request goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    Https,
    Http,
}

/// Which hosts an entry names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EgressHost {
    /// This name and no other, lower case.
    Exact(String),
    /// Every name below this one, which has at least two labels; not the name itself.
    Below(String),
    /// This address, only when the request names it literally.
    Address(IpAddr),
}

/// The text is not an allowlist entry.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEgressRule {
    #[error("`*` would allow everything, which is not supported: name the hosts")]
    Everything,
    #[error("`*.` needs a name of at least two labels behind it, as `*.example.com`")]
    ShortSuffix,
    #[error("an entry is `host`, `*.host` or an address, with `http://` and `:port` if needed")]
    Malformed,
}

impl Scheme {
    /// As it is written before `://`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
        }
    }

    /// The port that a URL of this scheme means without naming one.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Https => 443,
            Self::Http => 80,
        }
    }
}

impl EgressRule {
    /// Whether a request to this host and port goes by this entry.
    ///
    /// `host` is a name in lower case without a dot at its end, or an address as a request
    /// names it.
    pub fn allows(&self, scheme: Scheme, host: &EgressHost, port: u16) -> bool {
        let fits = match (&self.host, host) {
            (EgressHost::Exact(rule), EgressHost::Exact(name)) => rule == name,
            (EgressHost::Below(rule), EgressHost::Exact(name)) => is_below(name, rule),
            (EgressHost::Address(rule), EgressHost::Address(address)) => rule == address,
            (EgressHost::Exact(_) | EgressHost::Below(_), EgressHost::Address(_))
            | (EgressHost::Address(_), EgressHost::Exact(_))
            | (_, EgressHost::Below(_)) => false,
        };
        fits && self.scheme == scheme && self.port() == port
    }

    /// Whether this entry allows all that `other` does.
    pub fn covers(&self, other: &Self) -> bool {
        let hosts = match (&self.host, &other.host) {
            (EgressHost::Below(rule), EgressHost::Below(name)) => {
                rule == name || is_below(name, rule)
            }
            (_, EgressHost::Below(_)) => false,
            (_, EgressHost::Exact(_) | EgressHost::Address(_)) => {
                return self.allows(other.scheme, &other.host, other.port());
            }
        };
        hosts && self.scheme == other.scheme && self.port() == other.port()
    }

    fn port(&self) -> u16 {
        self.port.unwrap_or(self.scheme.default_port())
    }
}

impl FromStr for EgressRule {
    type Err = InvalidEgressRule;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = match text.split_once("://") {
            Some(("https", rest)) => (Scheme::Https, rest),
            Some(("http", rest)) => (Scheme::Http, rest),
            Some(_) => return Err(InvalidEgressRule::Malformed),
            None => (Scheme::Https, text),
        };
        let (host, port) = split_port(rest)?;
        Ok(Self { scheme, host: host.parse()?, port })
    }
}

/// Whether `name` is a sub-domain of `suffix`. The dot counts: `evilexample.com` is none of
/// `example.com`.
fn is_below(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

/// Splits `host:port`; an IPv6 address has its colons in brackets.
fn split_port(text: &str) -> Result<(&str, Option<u16>), InvalidEgressRule> {
    let Some((host, digits)) = text.rsplit_once(':').filter(|(_, after)| !after.contains(']'))
    else {
        return Ok((text, None));
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(InvalidEgressRule::Malformed);
    }
    match digits.parse() {
        Ok(port) if port > 0 => Ok((host, Some(port))),
        Ok(_) | Err(_) => Err(InvalidEgressRule::Malformed),
    }
}

impl FromStr for EgressHost {
    type Err = InvalidEgressRule;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "*" {
            return Err(InvalidEgressRule::Everything);
        }
        if let Some(inside) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let address: Ipv6Addr = inside.parse().map_err(|_| InvalidEgressRule::Malformed)?;
            return Ok(Self::Address(address.into()));
        }
        if let Ok(address) = text.parse::<std::net::Ipv4Addr>() {
            return Ok(Self::Address(address.into()));
        }
        if let Some(suffix) = text.strip_prefix("*.") {
            let name = host_name(suffix)?;
            let long_enough = name.contains('.');
            return if long_enough {
                Ok(Self::Below(name))
            } else {
                Err(InvalidEgressRule::ShortSuffix)
            };
        }
        host_name(text).map(Self::Exact)
    }
}

/// A DNS name in lower case. One whose last label is a number is refused: URL
/// parsers read `127.1` and `0x7f.1` as addresses.
fn host_name(text: &str) -> Result<String, InvalidEgressRule> {
    let name = text.to_ascii_lowercase();
    let label_is_good = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last_is_number = name
        .rsplit('.')
        .next()
        .is_some_and(|last| last.starts_with("0x") || last.bytes().all(|b| b.is_ascii_digit()));
    if name.len() <= 253 && name.split('.').all(label_is_good) && !last_is_number {
        Ok(name)
    } else {
        Err(InvalidEgressRule::Malformed)
    }
}

impl fmt::Display for EgressHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Below(name) => write!(f, "*.{name}"),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl fmt::Display for EgressRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Debug for EgressRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for EgressRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EgressRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error| de::Error::custom(format!("`{text}`: {error}")))
    }
}

#[cfg(test)]
mod tests;
