//! Under which addresses the appliance is seen.

use http::HeaderValue;

use super::App;
use crate::config::{Config, Origin};

/// The addresses, worked out once from the settings: every request asks.
#[derive(Clone, Debug)]
pub struct Origins {
    public: Origin,
    ext_ui: Origin,
}

impl Origins {
    /// Those that `config` says, or leads to.
    pub fn of(config: &Config) -> Self {
        let ext_ui = config.ext_ui.base(&config.server);
        Self { public: config.server.public_origin(), ext_ui }
    }
}

impl App {
    /// The origin of pages, API and gateway.
    pub fn public_origin(&self) -> &str {
        self.origins.public.as_str()
    }

    /// The origin extension pages are linked at.
    pub fn ext_ui_origin(&self) -> &str {
        self.origins.ext_ui.as_str()
    }

    /// Whether browsers reach the pages over TLS: cookies are `Secure` then.
    pub fn is_secure(&self) -> bool {
        self.origins.public.is_https()
    }

    /// Whether `origin` is one of ours: the public one, or, on a loopback
    /// address without TLS, whatever name the browser calls loopback by.
    pub fn is_own_origin(&self, origin: &str, host: Option<&HeaderValue>) -> bool {
        let own = &self.origins.public;
        if origin == own.as_str() {
            return true;
        }
        let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
        own.is_loopback()
            && origin.strip_prefix("http://").is_some_and(|authority| {
                authority == host && LOOPBACK_NAMES.contains(&without_port(authority))
            })
    }
}

const LOOPBACK_NAMES: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    }
}
