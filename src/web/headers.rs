//! Header rules: what reaches a guest, what a guest may answer, what every
//! answer carries (docs/SECURITY.md, "Pages of extensions" and "Calls").

mod guests;

pub(super) use guests::{from_guest, to_guest};

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::api::uploads::tus;
use super::gateway::rate_fields::{self, RATELIMIT_POLICY};
use crate::app::App;

/// The headers that an address's answers always carry, written out once: their
/// long values are the same for every request.
pub(super) struct FixedHeaders {
    public_origin: String,
    ext_ui_origin: String,
    ext_ui: Fixed,
    endpoint: Fixed,
    admin: Fixed,
}

type Fixed = Vec<(HeaderName, HeaderValue)>;

impl FixedHeaders {
    pub(super) fn new(app: &App) -> Self {
        let policy = HeaderValue::try_from(admin_policy(app.ext_ui_origin()))
            .expect("an origin of the configuration is plain text");
        let mut endpoint = fixed(&ENDPOINT);
        let policies = rate_fields::policies(&app.call_rates);
        endpoint.extend(policies.map(|policies| (RATELIMIT_POLICY, policies)));
        Self {
            ext_ui: fixed(&EXT_UI),
            endpoint,
            admin: admin(policy, app.is_secure()),
            public_origin: app.public_origin().to_owned(),
            ext_ui_origin: app.ext_ui_origin().to_owned(),
        }
    }

    /// Sets them on an answer of `path`.
    pub(super) fn set(&self, path: &str, headers: &mut HeaderMap) {
        if path.starts_with("/ext-ui/") {
            // A page brings all of them, and they were put there by this function.
            if headers.contains_key(header::CONTENT_SECURITY_POLICY) {
                return;
            }
            insert(headers, &self.ext_ui);
            if let Ok(policy) = HeaderValue::try_from(self.ext_ui_policy(path)) {
                headers.insert(header::CONTENT_SECURITY_POLICY, policy);
            }
        } else if path.starts_with("/api/ext/") || path.starts_with("/api/ext-proxy/") {
            insert(headers, &self.endpoint);
        } else {
            insert(headers, &self.admin);
            if path.starts_with("/api/v1/uploads") {
                // The protocol wants its version on every answer, refusals included.
                headers.insert(tus::RESUMABLE, HeaderValue::from_static(tus::VERSION));
            }
            if !headers.contains_key(header::CACHE_CONTROL) {
                headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            }
        }
    }

    /// `'self'` matches nothing in an opaque origin, so the sources are written
    /// out, with the path of this one bundle: other extensions' files do not load.
    fn ext_ui_policy(&self, path: &str) -> String {
        // Only what the path rules let through is repeated into a header.
        let plain =
            |part: &&str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b));
        let mut parts = path.strip_prefix("/ext-ui/").unwrap_or_default().splitn(3, '/');
        let name = parts.next().filter(plain);
        let hash = parts.next().map(|hash| hash.replace("%3A", ":").replace("%3a", ":"));
        let base = match (name, hash.as_deref().filter(|hash| plain(hash))) {
            (Some(name), Some(hash)) => {
                let base = format!("{}/ext-ui/{name}/{hash}/", self.ext_ui_origin);
                // Browsers compare paths as they are spelled; existing pages spell `%3A`.
                format!("{base} {}", base.replace("sha256:", "sha256%3A"))
            }
            _ => "'none'".to_owned(),
        };
        let admin = &self.public_origin;
        format!(
            "sandbox allow-scripts allow-forms allow-downloads; default-src 'none'; \
             script-src {base}; style-src {base} 'unsafe-inline'; img-src {base} data: blob:; \
             font-src {base} data:; media-src {base} blob:; connect-src 'none'; \
             frame-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors {admin}"
        )
    }
}

/// On every answer.
const ALL: [(HeaderName, &str); 2] =
    [(header::X_CONTENT_TYPE_OPTIONS, "nosniff"), (PERMISSIONS_POLICY, PERMISSIONS)];

const EXT_UI: [(HeaderName, &str); 4] = [
    // Without it `<script type=module>` does not load in an opaque origin.
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (CORP, "cross-origin"),
    (ORIGIN_AGENT_CLUSTER, "?1"),
    (header::REFERRER_POLICY, "no-referrer"),
];

const ENDPOINT: [(HeaderName, &str); 4] = [
    // A guest's HTML, opened top-level, must not run in our origin.
    (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"),
    (CORP, "same-origin"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
];

const ADMIN: [(HeaderName, &str); 4] = [
    (header::X_FRAME_OPTIONS, "DENY"),
    // Not `no-referrer`: from such a page Chromium sends `Origin: null`
    // with a same-origin form, which the CSRF rule refuses.
    (header::REFERRER_POLICY, "same-origin"),
    (CORP, "same-origin"),
    (COOP, "same-origin"),
];

fn fixed(own: &[(HeaderName, &'static str)]) -> Fixed {
    let pairs = ALL.into_iter().chain(own.iter().cloned());
    pairs.map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
}

fn admin(policy: HeaderValue, is_secure: bool) -> Fixed {
    let mut headers = fixed(&ADMIN);
    headers.push((header::CONTENT_SECURITY_POLICY, policy));
    // Also where a proxy has the TLS. Browsers take no notice of it where the certificate is one
    // that they do not trust (RFC 6797 section 8.1).
    if is_secure {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.push((header::STRICT_TRANSPORT_SECURITY, year));
    }
    headers
}

fn insert(headers: &mut HeaderMap, fixed: &Fixed) {
    headers.reserve(fixed.len() + 4);
    for (name, value) in fixed {
        headers.insert(name, value.clone());
    }
}

const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const COOP: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const ORIGIN_AGENT_CLUSTER: HeaderName = HeaderName::from_static("origin-agent-cluster");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const PERMISSIONS: &str = "accelerometer=(), camera=(), clipboard-read=(), display-capture=(), \
                           fullscreen=(), geolocation=(), gyroscope=(), hid=(), magnetometer=(), \
                           microphone=(), midi=(), payment=(), publickey-credentials-get=(), \
                           screen-wake-lock=(), serial=(), usb=(), web-share=(), \
                           xr-spatial-tracking=()";

fn admin_policy(frames: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
         frame-src {frames}; require-trusted-types-for 'script'"
    )
}

#[cfg(test)]
mod tests;
