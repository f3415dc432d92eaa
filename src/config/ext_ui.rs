//! Extension pages.
//!
//! Every extension page is sent with `Content-Security-Policy: sandbox` and
//! without `allow-same-origin`. No setting turns that off: without it an
//! extension on the origin of the pages acts as the operator, and a second port
//! on the same host shares the cookies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Origin, ServerConfig, problems::Findings, text};

/// `[ext_ui]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExtUiConfig {
    /// `RUNNER_PUBLIC_BASE`: the origin extension pages are linked at; empty: made from `[server]`.
    #[serde(with = "text::optional")]
    #[schemars(with = "String")]
    pub public_base: Option<Origin>,
    /// Serve documents with `no-cache` instead of `immutable`.
    pub revalidate_documents: bool,
    /// Hours the pages of a replaced version are still served.
    pub previous_version_hours: u32,
    /// Bytes of page files kept in memory; 0 keeps none.
    pub memory_cache_bytes: u64,
    /// Bytes of the largest page file kept in memory.
    pub memory_cache_file_bytes: u64,
    /// Bytes of the largest page file that is also kept compressed; 0 compresses none.
    pub compress_max_file_bytes: u64,
}

impl Default for ExtUiConfig {
    fn default() -> Self {
        Self {
            public_base: None,
            revalidate_documents: false,
            previous_version_hours: 24,
            memory_cache_bytes: 64 * 1024 * 1024,
            memory_cache_file_bytes: 256 * 1024,
            compress_max_file_bytes: 8 * 1024 * 1024,
        }
    }
}

impl ExtUiConfig {
    /// The origin extension pages are linked at: the configured one, else the
    /// second listener beside the public origin, else the public origin itself.
    pub fn base(&self, server: &ServerConfig) -> Origin {
        match (&self.public_base, server.ext_ui_listen) {
            (Some(base), _) => base.clone(),
            (None, Some(address)) => match server.public_origin {
                Some(_) => server.public_origin().with_port(address.port()),
                None => Origin::of_listener(server.tls.is_set(), address),
            },
            (None, None) => server.public_origin(),
        }
    }

    pub(super) fn check(&self, server: &ServerConfig, findings: &mut Findings) {
        const KEY: &str = "ext_ui.public_base";
        let behind_proxy = server.public_origin.is_some() && !server.tls.is_set();
        if self.public_base.is_none() && server.ext_ui_listen.is_some() && behind_proxy {
            findings.add(
                KEY,
                "must be set: behind a proxy the origin of server.ext_ui_listen cannot be guessed",
            );
        }
        let insecure_frame = self.public_base.as_ref().is_some_and(|base| !base.is_https());
        if insecure_frame && server.public_origin().is_https() {
            findings.add(
                KEY,
                "must begin with https://: browsers refuse a plain HTTP frame in an HTTPS page",
            );
        }
    }
}
