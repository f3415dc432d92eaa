//! What extensions may call, and what one call may take.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Network, problems::Findings};
use crate::model::{EgressHost, EgressRule, InvalidEgressRule, Scheme};

/// `[egress]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EgressConfig {
    /// `EXT_EGRESS_ALLOWLIST`: `[scheme://]host[:port]`, `*.suffix` for sub-domains; empty: nothing.
    #[schemars(with = "Vec<String>")]
    pub allowlist: Vec<EgressRule>,
    /// Private networks that may be called all the same, as `10.1.2.3/32:443`; never this machine.
    #[schemars(with = "Vec<String>")]
    pub allow_private: Vec<PrivateNetwork>,
    /// Let installs call every public host that they ask for and were granted.
    pub dangerous_allow_all: bool,
    /// Let secrets be bound to `http://` hosts, where everybody on the way reads them.
    pub secrets_in_clear: bool,
    /// A file of PEM certificates, trusted beside those of the system.
    pub ca_file: PathBuf,
    /// Milliseconds to find the addresses of a name.
    pub resolve_timeout_ms: u64,
    /// Milliseconds for a connection, its encryption included.
    pub connect_timeout_ms: u64,
    /// Milliseconds for all of a call.
    pub timeout_ms: u64,
    /// Bytes of the body of a request.
    pub max_request_bytes: u64,
    /// Bytes of the body of a response, as it comes: nothing is decompressed.
    pub max_response_bytes: u64,
    /// Bytes of whole responses (`http.fetch`) that are held at the same time, for all installs.
    pub max_held_bytes: u64,
    /// Calls at the same time in the whole appliance.
    pub parallel: usize,
    /// Calls at the same time of all installs of one tenant.
    pub parallel_per_tenant: usize,
    /// Calls at the same time of one install.
    pub parallel_per_install: usize,
    /// Calls of one execution.
    pub calls_per_execution: u32,
    /// Tell the servers which trace a call belongs to, by `traceparent`.
    pub send_traceparent: bool,
    /// Bytes of bodies that one install may send and receive in a day (UTC); 0: no limit.
    pub bytes_per_install_per_day: u64,
}

/// A network with addresses that are not public, and the port that may be called in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PrivateNetwork {
    network: Network,
    port: u16,
}

/// The text is no network with a port.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPrivateNetwork {
    #[error("an entry is `address/prefix:port`, an IPv6 address in brackets")]
    Malformed,
    #[error("this machine and link-local addresses are never called")]
    OwnMachine,
}

impl Default for EgressConfig {
    fn default() -> Self {
        Self {
            allowlist: Vec::new(),
            allow_private: Vec::new(),
            dangerous_allow_all: false,
            secrets_in_clear: false,
            ca_file: PathBuf::new(),
            resolve_timeout_ms: 2_000,
            connect_timeout_ms: 3_000,
            timeout_ms: 10_000,
            max_request_bytes: 10 * 1024 * 1024,
            max_response_bytes: 10 * 1024 * 1024,
            max_held_bytes: 12 * 1024 * 1024,
            parallel: 64,
            parallel_per_tenant: 32,
            parallel_per_install: 8,
            calls_per_execution: 32,
            send_traceparent: true,
            bytes_per_install_per_day: 1024 * 1024 * 1024,
        }
    }
}

impl PrivateNetwork {
    /// Whether this entry is about `port` of `address`.
    pub fn allows(&self, address: IpAddr, port: u16) -> bool {
        self.port == port && self.network.contains(address)
    }
}

impl FromStr for PrivateNetwork {
    type Err = InvalidPrivateNetwork;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (network, port) = text.rsplit_once(':').ok_or(InvalidPrivateNetwork::Malformed)?;
        // `[fd00::]/8:443` and `[fd00::1]:443`: the port has a colon, too.
        let network = match network.strip_prefix('[') {
            Some(rest) => rest.replacen(']', "", 1),
            None if network.contains(':') => return Err(InvalidPrivateNetwork::Malformed),
            None => network.to_owned(),
        };
        let network: Network = network.parse().map_err(|_| InvalidPrivateNetwork::Malformed)?;
        let digits = port.bytes().all(|b| b.is_ascii_digit());
        let port = match port.parse::<u16>() {
            Ok(port) if port > 0 && digits => port,
            Ok(_) | Err(_) => return Err(InvalidPrivateNetwork::Malformed),
        };
        if network.is_of_own_machine() {
            return Err(InvalidPrivateNetwork::OwnMachine);
        }
        Ok(Self { network, port })
    }
}

impl fmt::Display for PrivateNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let network = self.network.to_string();
        if !network.contains(':') {
            return write!(f, "{network}:{}", self.port);
        }
        match network.split_once('/') {
            Some((address, prefix)) => write!(f, "[{address}]/{prefix}:{}", self.port),
            None => write!(f, "[{network}]:{}", self.port),
        }
    }
}

impl fmt::Debug for PrivateNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for PrivateNetwork {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PrivateNetwork {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error| de::Error::custom(format!("`{text}`: {error}")))
    }
}

impl EgressConfig {
    pub(super) fn check(&self, findings: &mut Findings) {
        if self.connect_timeout_ms > self.timeout_ms {
            let most = self.timeout_ms;
            findings.add(
                "egress.connect_timeout_ms",
                format!("is more than egress.timeout_ms ({most}), which is for all of a call"),
            );
        }
        if self.max_held_bytes < self.max_response_bytes {
            let one = self.max_response_bytes;
            findings.add(
                "egress.max_held_bytes",
                format!(
                    "is less than egress.max_response_bytes ({one}), which one response may have"
                ),
            );
        }
        if self.parallel_per_tenant > self.parallel {
            let most = self.parallel;
            findings.add(
                "egress.parallel_per_tenant",
                format!("is more than egress.parallel ({most}), which is for all installs"),
            );
        }
        if self.parallel_per_install > self.parallel_per_tenant {
            let most = self.parallel_per_tenant;
            findings.add(
                "egress.parallel_per_install",
                format!(
                    "is more than egress.parallel_per_tenant ({most}), which is for all installs \
                     of one tenant"
                ),
            );
        }
    }
}

/// Translates the older reading of `EXT_EGRESS_ALLOWLIST`: comma-separated
/// names, each with its sub-domains, on 443 and 80. Empty means nothing.
pub(super) fn translate(list: &str) -> Result<Vec<EgressRule>, (String, InvalidEgressRule)> {
    let mut rules = Vec::new();
    for entry in list.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let malformed = |error| (entry.to_owned(), error);
        let host: EgressHost = entry.parse().map_err(malformed)?;
        let below = match &host {
            EgressHost::Exact(name) if name.contains('.') => Some(EgressHost::Below(name.clone())),
            EgressHost::Exact(_) | EgressHost::Below(_) | EgressHost::Address(_) => None,
        };
        for host in [host].into_iter().chain(below) {
            rules.push(EgressRule { scheme: Scheme::Https, host: host.clone(), port: None });
            rules.push(EgressRule { scheme: Scheme::Http, host, port: None });
        }
    }
    Ok(rules)
}

#[cfg(test)]
mod tests;
