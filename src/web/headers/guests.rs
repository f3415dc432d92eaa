//! The headers of calls: which reach a guest, and which of a guest's reach its caller.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Request headers that reach a guest; `x-ext-*` do too. Cookie, Authorization
/// and everything about the connection never do.
const TO_GUEST: [HeaderName; 11] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::CONTENT_TYPE,
    header::USER_AGENT,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("x-idempotency-key"),
];

/// Response headers a guest may set; `x-ext-*` too.
const FROM_GUEST: [HeaderName; 10] = [
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_DISPOSITION,
    header::CACHE_CONTROL,
    header::ETAG,
    header::LAST_MODIFIED,
    header::RETRY_AFTER,
    header::LOCATION,
    // What of the request an answer depends on, for caches in between.
    header::VARY,
];

const EXT_PREFIX: &str = "x-ext-";

/// The request headers a guest gets to see.
pub(in crate::web) fn to_guest(headers: &HeaderMap) -> HeaderMap {
    let allowed = |name: &HeaderName| TO_GUEST.contains(name) || is_ext(name);
    headers
        .iter()
        .filter(|(name, _)| allowed(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The response headers a client gets to see; `is_public` if anyone may call what answers.
pub(in crate::web) fn from_guest(headers: &HeaderMap, is_public: bool) -> HeaderMap {
    // With room for those of the appliance.
    let mut kept = HeaderMap::with_capacity(headers.len() + 16);
    for (name, value) in headers {
        let allowed = FROM_GUEST.contains(name) || is_ext(name);
        // An absolute location sends a signed-in browser wherever a guest likes.
        let leads_away = name == header::LOCATION && !is_relative(value);
        if allowed && !leads_away {
            let is_for_one = name == header::CACHE_CONTROL && !is_public;
            let value = if is_for_one { for_one_caller(value) } else { Some(value.clone()) };
            kept.extend(value.map(|value| (name.clone(), value)));
        }
    }
    if !kept.contains_key(header::CACHE_CONTROL) {
        kept.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    }
    kept
}

fn is_ext(name: &HeaderName) -> bool {
    name.as_str().starts_with(EXT_PREFIX)
}

/// What caches may do with the answer to one caller; `None` if they are told to share it. Those in
/// front would give it to others: a cookie keeps them from nothing (RFC 9111 section 3.5).
fn for_one_caller(value: &HeaderValue) -> Option<HeaderValue> {
    let sent = value.to_str().ok()?;
    let lower = sent.to_ascii_lowercase();
    let mut names = lower.split([',', '=']).map(str::trim);
    if names.any(|name| matches!(name, "public" | "s-maxage")) {
        return None;
    }
    // `private="x-ext-page"` is of that field alone.
    match lower.split(',').next()?.trim() {
        "private" | "no-store" => Some(value.clone()),
        _ => HeaderValue::try_from(format!("private, {sent}")).ok(),
    }
}

/// One leading slash: `//host` and `/\host` are other hosts to a browser, and so
/// are they with tabs and spaces in between, which it takes out first.
fn is_relative(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    if !bytes.iter().all(u8::is_ascii_graphic) {
        return false;
    }
    let second = bytes.get(1);
    let elsewhere = bytes.contains(&b':') && !bytes.starts_with(b"/");
    !bytes.contains(&b'\\') && !elsewhere && (bytes.first() != Some(&b'/') || second != Some(&b'/'))
}
