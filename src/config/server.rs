//! Where the appliance listens and for whom.

use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Network, Origin, problems::Findings, text};

/// `[server]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Address and port of pages, API, gateway and, without `ext_ui_listen`, extension pages.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// A second address and port for extension pages only; empty: the same as `listen`.
    #[serde(with = "text::optional")]
    #[schemars(with = "String")]
    pub ext_ui_listen: Option<SocketAddr>,
    /// The origin browsers see, as `https://plugboard.example.net`; empty: made from `listen`.
    #[serde(with = "text::optional")]
    #[schemars(with = "String")]
    pub public_origin: Option<Origin>,
    /// Addresses or networks of proxies whose `X-Forwarded-For` is believed.
    #[schemars(with = "Vec<String>")]
    pub trusted_proxies: Vec<Network>,
    /// Plain HTTP on an address that is not loopback. Every page shows it in red.
    pub insecure_http: bool,
    /// The data folder: registry, bundles, caches, admin socket.
    pub data_dir: PathBuf,
    /// A file with the 32 bytes of the master key, or the credential of this name; empty: made in `data_dir`.
    pub master_key_file: PathBuf,
    /// The master key before it, for one start: what it has sealed is sealed with the new one.
    pub previous_master_key_file: PathBuf,
    /// Milliseconds in which a request head must arrive.
    pub header_timeout_ms: u64,
    /// Milliseconds a connection may be idle between requests.
    pub idle_timeout_ms: u64,
    /// Milliseconds a client may leave a response unread before its connection is closed.
    pub write_timeout_ms: u64,
    /// Bytes a second that a request body must bring once `body_grace_ms` are used up, and that a client must take of its answers over `write_timeout_ms`.
    pub min_body_bytes_per_s: u64,
    /// Milliseconds of waiting for a request body that are free.
    pub body_grace_ms: u64,
    /// Bytes of a request head.
    pub max_head_bytes: usize,
    /// Header lines of a request.
    pub max_headers: usize,
    /// Bytes of a request's path and query.
    pub max_url_bytes: usize,
    /// Requests on one connection, which is then closed.
    pub max_requests_per_connection: u64,
    /// Open connections.
    pub max_connections: usize,
    /// Open connections from one address or IPv6 /64; trusted proxies are not counted.
    pub max_connections_per_ip: usize,
    /// Milliseconds that requests in flight get to finish at shutdown.
    pub shutdown_grace_ms: u64,
    /// HTTPS from files; without them plain HTTP.
    pub tls: TlsConfig,
}

/// `[server.tls]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// A PEM file with the certificate chain; also the credential `server.tls.cert_file`.
    pub cert_file: PathBuf,
    /// A PEM file with the private key; also the credential `server.tls.key_file`.
    pub key_file: PathBuf,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7420)),
            ext_ui_listen: None,
            public_origin: None,
            trusted_proxies: Vec::new(),
            insecure_http: false,
            data_dir: "plugboard-data".into(),
            master_key_file: PathBuf::new(),
            previous_master_key_file: PathBuf::new(),
            header_timeout_ms: 10_000,
            idle_timeout_ms: 60_000,
            write_timeout_ms: 30_000,
            min_body_bytes_per_s: 1024,
            body_grace_ms: 10_000,
            max_head_bytes: 32 * 1024,
            max_headers: 64,
            max_url_bytes: 8 * 1024,
            max_requests_per_connection: 200,
            max_connections: 4096,
            max_connections_per_ip: 256,
            shutdown_grace_ms: 30_000,
            tls: TlsConfig::default(),
        }
    }
}

impl TlsConfig {
    /// Whether the listeners speak HTTPS.
    pub fn is_set(&self) -> bool {
        is_set(&self.cert_file) && is_set(&self.key_file)
    }

    fn check(&self, findings: &mut Findings) {
        let pair = [
            ("server.tls.cert_file", &self.cert_file, &self.key_file),
            ("server.tls.key_file", &self.key_file, &self.cert_file),
        ];
        for (key, file, other) in pair {
            if !is_set(file) {
                findings.expect(!is_set(other), key, "must be set too: HTTPS needs both files");
            } else if let Err(error) = File::open(file) {
                findings.add(key, format!("{} cannot be read: {error}", file.display()));
            }
        }
    }
}

fn is_set(file: &Path) -> bool {
    !file.as_os_str().is_empty()
}

impl ServerConfig {
    /// The origin browsers see pages, API and gateway at.
    ///
    /// Without `public_origin` it is made from `listen`, so a caller that binds
    /// port 0 writes the bound address there first.
    pub fn public_origin(&self) -> Origin {
        let made = || Origin::of_listener(self.tls.is_set(), self.listen);
        self.public_origin.clone().unwrap_or_else(made)
    }

    /// Whether plain HTTP can be read by other machines: pages say so in red.
    pub fn is_exposed_plainly(&self) -> bool {
        self.insecure_http && !self.tls.is_set() && self.listeners().any(|(_, a)| is_reachable(a))
    }

    /// What to say where other machines are let in, and browsers are told an address that leads
    /// them to themselves.
    pub(super) fn origin_notice(&self) -> Option<String> {
        let is_told = self.public_origin.is_none() && self.listen.ip().is_unspecified();
        // Plain HTTP has a notice of its own, with the origin in it.
        (is_told && !self.is_exposed_plainly()).then(|| {
            format!(
                "server.public_origin is not set, and server.listen is every address: browsers \
                 are told {}, so extension pages open on this machine and nowhere else",
                self.public_origin()
            )
        })
    }

    fn listeners(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> {
        let second = self.ext_ui_listen.map(|address| ("server.ext_ui_listen", address));
        [("server.listen", self.listen)].into_iter().chain(second)
    }

    pub(super) fn check(&self, findings: &mut Findings) {
        self.tls.check(findings);
        self.check_exposure(findings);
        self.check_origin(findings);
        findings.expect(is_set(&self.data_dir), "server.data_dir", "must name a folder");
        findings.expect(
            is_set(&self.master_key_file) || !is_set(&self.previous_master_key_file),
            "server.previous_master_key_file",
            "needs server.master_key_file: a key of the appliance's own is changed with \
             `plugboard secret rotate-keys`",
        );
        findings.expect(
            self.max_connections_per_ip <= self.max_connections,
            "server.max_connections_per_ip",
            "must not be above server.max_connections",
        );
        findings.expect(
            self.listen.port() == 0 || self.ext_ui_listen != Some(self.listen),
            "server.ext_ui_listen",
            "must differ from server.listen: leave it empty to serve extension pages there",
        );
    }

    /// Session cookies and tokens must not cross a network in the clear by accident.
    fn check_exposure(&self, findings: &mut Findings) {
        let behind_proxy = !self.trusted_proxies.is_empty() && self.public_origin.is_some();
        // A half-written TLS pair is reported as such.
        let tls = is_set(&self.tls.cert_file) || is_set(&self.tls.key_file);
        if tls || behind_proxy || self.insecure_http {
            return;
        }
        for (key, address) in self.listeners().filter(|(_, address)| is_reachable(*address)) {
            findings.add(
                key,
                format!(
                    "other machines can reach {address}, and it would speak plain HTTP. Three \
                     ways out: give it a certificate (server.tls.cert_file and \
                     server.tls.key_file); or name the proxy that ends TLS \
                     (server.trusted_proxies) and the origin browsers see \
                     (server.public_origin); or accept plain HTTP (server.insecure_http = true)"
                ),
            );
        }
    }

    fn check_origin(&self, findings: &mut Findings) {
        let Some(origin) = &self.public_origin else { return };
        if self.tls.is_set() && !origin.is_https() {
            findings.add("server.public_origin", "must begin with https://, as TLS is configured");
        } else if !origin.is_https() && !origin.is_loopback() && !self.insecure_http {
            findings.add(
                "server.public_origin",
                format!(
                    "{origin} is plain HTTP, where sessions can be read on the way: use https://, \
                     or accept it with server.insecure_http = true"
                ),
            );
        }
    }
}

fn is_reachable(address: SocketAddr) -> bool {
    !address.ip().to_canonical().is_loopback()
}
