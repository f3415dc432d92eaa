//! A path below a base, and perhaps a query: all that a guest can say of where a question goes.
//!
//! The operator has given a base, and a guest must not get beside it. Applications decode
//! what they get before they look for `..`, some more than once, and some drop what follows a
//! `;`; so a route is refused if any of that could lead out of the base.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::model::{ExtensionName, InstallId};

/// The longest route, in bytes.
const MAX_BYTES: usize = 8 * 1024;
/// What is in no URL, but may be in what a guest writes. Beyond ASCII all is encoded.
const NOT_IN_URLS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'|')
    .add(b'^');

/// A path that begins with a slash and leads nowhere but down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route(String);

/// The text is no route.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRoute {
    #[error("the route is empty")]
    Empty,
    #[error("the route has more than {MAX_BYTES} bytes")]
    TooLong,
    #[error("the route has {0}")]
    Has(&'static str),
}

impl Route {
    /// A route as a guest wrote it: one below `/api/` as it is, others behind the name of
    /// the extension.
    pub fn of_guest(text: &str, extension: &ExtensionName) -> Result<Self, InvalidRoute> {
        if text.trim().is_empty() {
            return Err(InvalidRoute::Empty);
        }
        if text.len() > MAX_BYTES {
            return Err(InvalidRoute::TooLong);
        }
        check(text)?;
        let below = text.strip_prefix('/').unwrap_or(text);
        let below = utf8_percent_encode(below, NOT_IN_URLS);
        Ok(Self(if text.starts_with("/api/") || text.starts_with("api/") {
            format!("/{below}")
        } else {
            format!("/{extension}/{below}")
        }))
    }

    /// Where an install's questions go.
    pub fn of_install(install: InstallId) -> Self {
        Self(format!("/install/{install}"))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

fn check(text: &str) -> Result<(), InvalidRoute> {
    let has = |what| Err(InvalidRoute::Has(what));
    if text.chars().any(char::is_control) {
        return has("a control character");
    }
    if text.contains('#') {
        return has("a fragment");
    }
    let path = text.split('?').next().unwrap_or_default();
    check_path(path)?;
    let mut path = path.to_owned();
    // Each round is shorter than the one before, or the last.
    loop {
        let Ok(decoded) = percent_decode_str(&path).decode_utf8() else {
            return has("bytes that are no text");
        };
        if decoded == path {
            return Ok(());
        }
        if decoded.matches('/').count() != path.matches('/').count() {
            return has("an encoded slash");
        }
        if decoded.contains(['?', '#']) {
            return has("an encoded end of the path");
        }
        if decoded.chars().any(char::is_control) {
            return has("a control character");
        }
        check_path(&decoded)?;
        path = decoded.into_owned();
    }
}

fn check_path(path: &str) -> Result<(), InvalidRoute> {
    let has = |what| Err(InvalidRoute::Has(what));
    if path.contains('\\') {
        return has("a backslash");
    }
    if path.contains("//") {
        return has("two slashes in a row, or a server");
    }
    let is_dots = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
    if path.split('/').any(is_dots) {
        return has("a segment `.` or `..`");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(text: &str) -> Result<String, InvalidRoute> {
        let extension = "com.example.a".parse().unwrap();
        Route::of_guest(text, &extension).map(|route| route.0)
    }

    #[test]
    fn a_route_below_api_is_as_it_is_and_others_are_the_extensions_own() {
        for (text, expected) in [
            ("/api/a", "/api/a"),
            ("api/a?b=c&d=..", "/api/a?b=c&d=.."),
            ("/a", "/com.example.a/a"),
            ("a/b/", "/com.example.a/a/b/"),
            ("/api", "/com.example.a/api"),
            ("/apis/a", "/com.example.a/apis/a"),
            ("/API/a", "/com.example.a/API/a"),
            ("/%61pi/a", "/com.example.a/%61pi/a"),
            ("/", "/com.example.a/"),
            ("?a=b", "/com.example.a/?a=b"),
            ("/a b/ü?c=\"d\"", "/com.example.a/a%20b/%C3%BC?c=%22d%22"),
            ("/a..b/.c/...", "/com.example.a/a..b/.c/..."),
            ("/a?next=https://b.test//c", "/com.example.a/a?next=https://b.test//c"),
        ] {
            assert_eq!(route(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn nothing_leads_out_of_the_base() {
        for text in [
            "..",
            "/..",
            "/.",
            "/api/../x",
            "/api/..",
            "/a/./b",
            "/a/%2e%2e/b",
            "/a/%2E./b",
            "/api/.%2e/x",
            "/%252e%252e/x",
            "/%25252e%25252e/x",
            "/..;a=b/x",
            "/%2e%2e;/x",
            "/..%3b/x",
            "/a%2f..%2fb",
            "/a%2fb",
            "/a%5c..%5cb",
            "\\evil.test",
            "/\\evil.test",
            "/a\\..\\b",
            "//evil.test/a",
            "///evil.test",
            "http://evil.test/a",
            "/api//evil.test",
            "https:\\\\evil.test",
            "/a\r\nHost: evil.test",
            "/a\tb",
            "/a\0b",
            "/a%0d%0ab",
            "/a%00",
            "/a#b",
            "/a%3f/../b",
            "/a%23b",
            "/a%ff",
            "/\u{85}",
        ] {
            assert!(
                matches!(route(text), Err(InvalidRoute::Has(_))),
                "{text:?}: {:?}",
                route(text)
            );
        }
        assert_eq!(route(""), Err(InvalidRoute::Empty));
        assert_eq!(route(" \t"), Err(InvalidRoute::Empty));
        assert_eq!(route(&"a".repeat(MAX_BYTES + 1)), Err(InvalidRoute::TooLong));
    }

    #[test]
    fn the_route_of_an_install_is_its_id() {
        let install = InstallId::random();
        assert_eq!(Route::of_install(install).as_str(), format!("/install/{install}"));
    }
}
