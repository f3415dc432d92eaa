//! Where the appliance listens and for whom.

use serde::{Deserialize, Serialize};

/// `[server]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Address and port of pages, API, gateway and, without `ext_ui_listen`, extension pages.
    pub listen: String,
    /// A second address for extension pages only; empty: the same as `listen`.
    pub ext_ui_listen: String,
    /// The origin browsers see, as `https://plugboard.example.net`; empty: made from `listen`.
    pub public_origin: String,
    /// Addresses or networks of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
    /// Plain HTTP on an address that is not loopback. Every page shows it in red.
    pub insecure_http: bool,
    /// The data folder: registry, bundles, caches, admin socket.
    pub data_dir: String,
    /// Milliseconds in which a request head must arrive.
    pub header_timeout_ms: u64,
    /// Milliseconds a connection may be idle between requests.
    pub idle_timeout_ms: u64,
    /// Bytes of a request head.
    pub max_head_bytes: usize,
    /// Header lines of a request.
    pub max_headers: usize,
    /// Open connections.
    pub max_connections: usize,
    /// Open connections from one address; trusted proxies are not counted.
    pub max_connections_per_ip: usize,
    /// Milliseconds that requests in flight get to finish at shutdown.
    pub shutdown_grace_ms: u64,
    /// `[server.tls]`
    pub tls: TlsConfig,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:7420".to_owned(),
            ext_ui_listen: String::new(),
            public_origin: String::new(),
            trusted_proxies: Vec::new(),
            insecure_http: false,
            data_dir: "plugboard-data".to_owned(),
            header_timeout_ms: 10_000,
            idle_timeout_ms: 60_000,
            max_head_bytes: 32 * 1024,
            max_headers: 64,
            max_connections: 4096,
            max_connections_per_ip: 256,
            shutdown_grace_ms: 30_000,
            tls: TlsConfig::default(),
        }
    }
}

/// `[server.tls]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// A PEM file with the certificate chain; empty: plain HTTP.
    pub cert_file: String,
    /// A PEM file with the private key.
    pub key_file: String,
}
