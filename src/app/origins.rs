//! Under which addresses the appliance is seen.

use http::HeaderValue;

use super::App;

impl App {
    /// The origin of pages, API and gateway.
    pub fn public_origin(&self) -> String {
        self.config.server.public_origin().to_string()
    }

    /// The origin extension pages are linked at.
    pub fn ext_ui_origin(&self) -> String {
        self.config.ext_ui.base(&self.config.server).to_string()
    }

    /// Whether browsers reach the pages over TLS: cookies are `Secure` then.
    pub fn is_secure(&self) -> bool {
        self.config.server.public_origin().is_https()
    }

    /// Whether `origin` is one of ours: the public one, or, on a loopback
    /// address without TLS, whatever name the browser calls loopback by.
    pub fn is_own_origin(&self, origin: &str, host: Option<&HeaderValue>) -> bool {
        let own = self.config.server.public_origin();
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
