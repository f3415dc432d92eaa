//! Where a request wants to go: a URL that has one reading.
//!
//! URL parsers disagree about odd input, and what one takes for the host another takes for
//! the path. So the text is read once, by the rules of the WHATWG; what those rules would
//! mend is refused before; and from then on there are only parts.

use http::Uri;
use http::uri::PathAndQuery;
use url::{Host, Url};

use crate::model::{EgressHost, Scheme};

/// The longest URL, in bytes.
const MAX_URL_BYTES: usize = 8 * 1024;

/// A scheme, a host, a port and a path that were read from one URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    scheme: Scheme,
    host: EgressHost,
    port: u16,
    path_and_query: PathAndQuery,
}

/// The text is no URL that is called.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDestination {
    #[error("the URL has {0} bytes; {MAX_URL_BYTES} are allowed")]
    TooLong(usize),
    #[error("the URL does not begin with `https://` or `http://`")]
    Scheme,
    #[error("the URL has {0}")]
    Has(&'static str),
    #[error("the URL cannot be read")]
    Malformed,
}

impl Destination {
    /// Reads a URL as a guest wrote it.
    pub fn parse(text: &str) -> Result<Self, InvalidDestination> {
        if text.len() > MAX_URL_BYTES {
            return Err(InvalidDestination::TooLong(text.len()));
        }
        check_text(text)?;
        let url = Url::parse(text).map_err(|_| InvalidDestination::Malformed)?;
        let scheme = match url.scheme() {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            _ => return Err(InvalidDestination::Scheme),
        };
        let host = match url.host().ok_or(InvalidDestination::Malformed)? {
            Host::Ipv4(address) => EgressHost::Address(address.into()),
            Host::Ipv6(address) => EgressHost::Address(address.into()),
            Host::Domain(name) => EgressHost::Exact(normalized(name)?),
        };
        let mut path_and_query = url.path().to_owned();
        if let Some(query) = url.query() {
            path_and_query.push('?');
            path_and_query.push_str(query);
        }
        let path_and_query = path_and_query.parse().map_err(|_| InvalidDestination::Malformed)?;
        let port = url.port().unwrap_or(scheme.default_port());
        Ok(Self { scheme, host, port, path_and_query })
    }

    /// Reads what a guest gave in parts, as `wasi:http` has it.
    ///
    /// The path must not be another URL: as a request line it would name another host.
    pub fn of_parts(uri: &Uri) -> Result<Self, InvalidDestination> {
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(InvalidDestination::Malformed);
        };
        let path_and_query = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        if !path_and_query.starts_with('/') {
            return Err(InvalidDestination::Has("a path that does not begin with `/`"));
        }
        Self::parse(&format!("{scheme}://{authority}{path_and_query}"))
    }

    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub const fn host(&self) -> &EgressHost {
        &self.host
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What the request line says: never a whole URL.
    pub const fn path_and_query(&self) -> &PathAndQuery {
        &self.path_and_query
    }

    /// The host, and the port unless it is that of the scheme: the `Host` of a request
    /// (RFC 9110, section 7.2).
    pub fn authority(&self) -> String {
        if self.port == self.scheme.default_port() {
            self.host.to_string()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The entry of an allowlist that is exactly this.
    pub fn entry(&self) -> String {
        format!("{}://{}", self.scheme.as_str(), self.authority())
    }
}

/// What the rules for URLs would read in a way that others do not.
fn check_text(text: &str) -> Result<(), InvalidDestination> {
    let has = |what| Err(InvalidDestination::Has(what));
    // Tabs and line ends inside a URL are dropped by the rules, and spaces around it.
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return has("a space or a control character");
    }
    if text.contains('\\') {
        return has("a backslash");
    }
    // It would not be sent, so whoever wrote it meant something else.
    if text.contains('#') {
        return has("a fragment");
    }
    let (scheme, rest) = text.split_once("://").ok_or(InvalidDestination::Scheme)?;
    if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
        return Err(InvalidDestination::Scheme);
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.is_empty() {
        return has("no host");
    }
    if authority.contains('@') {
        return has("a user name or a password");
    }
    // Encoded letters, and the zone of an IPv6 address.
    if authority.contains('%') {
        return has("a host with a percent sign");
    }
    Ok(())
}

/// A name without the dot at its end, which says only that it is whole.
fn normalized(name: &str) -> Result<String, InvalidDestination> {
    let name = name.strip_suffix('.').unwrap_or(name);
    // By the grammar of the lists: a name that no entry can have needs no lookup.
    match name.parse() {
        Ok(EgressHost::Exact(name)) => Ok(name),
        Ok(EgressHost::Below(_) | EgressHost::Address(_)) | Err(_) => {
            Err(InvalidDestination::Has("a host that is no name and no address"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, String) {
        let read = Destination::parse(text).unwrap();
        (read.entry(), read.path_and_query().to_string())
    }

    #[test]
    fn a_url_is_read_once_into_its_parts() {
        let cases = [
            ("https://example.com", "https://example.com", "/"),
            ("HTTPS://Example.COM./a?b=c", "https://example.com", "/a?b=c"),
            ("http://example.com:8080/", "http://example.com:8080", "/"),
            ("https://example.com:443/", "https://example.com", "/"),
            ("https://example.com/a/../b", "https://example.com", "/b"),
            ("https://bücher.example/", "https://xn--bcher-kva.example", "/"),
            ("http://0x7f.1/", "http://127.0.0.1", "/"),
            ("http://2130706433/", "http://127.0.0.1", "/"),
            ("http://017700000001/", "http://127.0.0.1", "/"),
            ("http://[::ffff:7f00:1]/", "http://[::ffff:127.0.0.1]", "/"),
        ];
        for (text, entry, path) in cases {
            assert_eq!(read(text), (entry.to_owned(), path.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_url_that_two_parsers_could_read_in_two_ways_is_refused() {
        let refused = [
            "http://allowed.example\\@127.0.0.1/",
            "http://allowed.example@127.0.0.1/",
            "http://:@127.0.0.1/",
            "http://allowed.example/\\..\\",
            "http://allowed.example#@127.0.0.1/",
            "http://all\towed.example/",
            " http://allowed.example/",
            "http://allowed.example/a b",
            "http://allowed.example/\r\nHost: evil.test",
            "http:allowed.example/",
            "http:/allowed.example/",
            "http:///allowed.example/",
            "//allowed.example/",
            "https://%61llowed.example/",
            "http://[fe80::1%25eth0]/",
            "http://allowed.example:99999/",
            "http://allowed..example/",
            "http://.allowed.example/",
            "http://allowed.example../",
            "http://*.allowed.example/",
            "http://1.2.3.4.5/",
            "http:// /",
            "file:///etc/passwd",
            "gopher://127.0.0.1:25/",
            "unix:///run/plugboard.sock",
            "http://",
            "",
        ];
        for text in refused {
            assert!(Destination::parse(text).is_err(), "{text:?}");
        }
        let long = format!("https://example.com/{}", "a".repeat(MAX_URL_BYTES));
        assert_eq!(Destination::parse(&long), Err(InvalidDestination::TooLong(MAX_URL_BYTES + 20)));
    }

    #[test]
    fn parts_are_read_as_the_url_that_they_make() {
        let uri: Uri = "http://Example.com:8080/a?b".parse().unwrap();
        assert_eq!(Destination::of_parts(&uri).unwrap().entry(), "http://example.com:8080");
        for text in ["/only/a/path", "*"] {
            assert!(Destination::of_parts(&text.parse().unwrap()).is_err(), "{text}");
        }
    }
}
