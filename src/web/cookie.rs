//! The session cookie.

use axum::http::{HeaderMap, HeaderValue, header};
use secrecy::{ExposeSecret, SecretString};

/// `__Host-` keeps other hosts and paths from planting one, and needs TLS.
const SECURE_NAME: &str = "__Host-plugboard";
/// On plain HTTP at a loopback address.
const PLAIN_NAME: &str = "plugboard";

/// The session cookie of a request. Two of the name are none: one may be planted.
pub(super) fn session(headers: &HeaderMap, secure: bool) -> Option<String> {
    let name = if secure { SECURE_NAME } else { PLAIN_NAME };
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs =
        lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned());
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// `Set-Cookie` for a new session.
pub(super) fn set(cookie: &SecretString, secure: bool) -> HeaderValue {
    line(cookie.expose_secret(), secure, "")
}

/// `Set-Cookie` that makes the browser forget.
pub(super) fn clear(secure: bool) -> HeaderValue {
    line("", secure, "; Max-Age=0")
}

fn line(value: &str, secure: bool, more: &str) -> HeaderValue {
    let (name, flag) = if secure { (SECURE_NAME, "; Secure") } else { (PLAIN_NAME, "") };
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{flag}{more}");
    HeaderValue::try_from(text).expect("base64url and fixed words are a legal header value")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&'static str]) -> HeaderMap {
        lines.iter().map(|line| (header::COOKIE, HeaderValue::from_static(line))).collect()
    }

    #[test]
    fn two_cookies_of_the_name_are_none() {
        assert_eq!(session(&headers(&["a=1; plugboard=x"]), false).as_deref(), Some("x"));
        assert_eq!(session(&headers(&["plugboard=x; plugboard=y"]), false), None);
        assert_eq!(session(&headers(&["plugboard=x", "plugboard=y"]), false), None);
        assert_eq!(session(&headers(&["plugboard=x"]), true), None);
    }
}
