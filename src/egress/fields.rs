//! Which header fields go out, and which come in.

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::model::{TraceContext, is_host_field};

/// Fields of one request.
pub const MAX_FIELDS: usize = 100;
/// Bytes of all of them together.
const MAX_FIELD_BYTES: usize = 64 * 1024;

/// The span that a request was made in (W3C Trace Context).
pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The methods that are sent: those whose meaning everybody on the way agrees about.
const METHODS: &[Method] = &[
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

/// Fields of a response that are about the connection, and `proxy-`.
const OF_CONNECTION: &[&str] =
    &["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// Whether requests with this method go out.
pub(super) fn is_sent(method: &Method) -> bool {
    METHODS.contains(method)
}

/// Whether requests with this method usually have a body (RFC 9110, section 8.6).
pub(super) fn has_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// The value that names a span.
pub(super) fn of_parent(parent: TraceContext) -> HeaderValue {
    HeaderValue::try_from(parent.to_string()).expect("it is hex digits and dashes")
}

/// Takes away what a guest may not say; false if too much is left.
pub(super) fn clean_request(fields: &mut HeaderMap, authority: &str) -> bool {
    drop_named(fields, is_host_field);
    let Ok(host) = authority.parse() else { return false };
    fields.insert(HOST, host);
    fields.len() <= MAX_FIELDS && bytes(fields) <= MAX_FIELD_BYTES
}

/// Takes away what is about the connection. What says how long a body is stays: of a response
/// to HEAD it may be all that was asked for.
pub(super) fn clean_response(fields: &mut HeaderMap) {
    // But where it is not what the body was read by (RFC 9112, section 6.3), or has two readings.
    let lengths: Vec<_> = fields.get_all(CONTENT_LENGTH).iter().collect();
    let is_plain = matches!(lengths[..], [length] if is_number(length.as_bytes()));
    if !is_plain || fields.contains_key(TRANSFER_ENCODING) {
        fields.remove(CONTENT_LENGTH);
    }
    drop_named(fields, |name| OF_CONNECTION.contains(&name) || name.starts_with("proxy-"));
}

fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// Takes away these fields, and those that are about the connection because it says so.
fn drop_named(fields: &mut HeaderMap, is_dropped: impl Fn(&str) -> bool) {
    // What `Connection` names is about the connection, too (RFC 9110, section 7.6.1).
    let of_connection: Vec<HeaderName> = fields
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let dropped = |name: &HeaderName| is_dropped(name.as_str()) || of_connection.contains(name);
    let names: Vec<_> = fields.keys().filter(|name| dropped(name)).cloned().collect();
    for name in names {
        fields.remove(name);
    }
}

fn bytes(fields: &HeaderMap) -> usize {
    fields.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{HOST_FIELD_PREFIXES, HOST_FIELDS, SecretHeader};

    #[test]
    fn a_guest_says_nothing_about_the_connection_the_length_or_who_is_asking() {
        let mut fields = HeaderMap::new();
        for (name, value) in [
            ("accept", "text/plain"),
            ("authorization", "Bearer x"),
            ("Connection", "close, X-Hop"),
            ("connection", "x-other-hop"),
            ("x-hop", "1"),
            ("x-other-hop", "1"),
            ("host", "evil.test"),
            ("content-length", "5"),
            ("content-length", "6"),
            ("transfer-encoding", "xchunked"),
            ("te", "trailers"),
            ("trailer", "authorization"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAA"),
            ("expect", "100-continue"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic x"),
            ("proxy-connection", "close"),
            ("forwarded", "for=1.1.1.1"),
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-host", "evil.test"),
            ("x-real-ip", "1.1.1.1"),
            ("via", "1.1 evil"),
            ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            ("tracestate", "a=1"),
        ] {
            fields.append(
                name.to_ascii_lowercase().parse::<HeaderName>().unwrap(),
                value.parse().unwrap(),
            );
        }

        assert!(clean_request(&mut fields, "example.com:8080"));

        let left: Vec<_> =
            fields.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let mut left = left;
        left.sort_unstable();
        let kept =
            [("accept", "text/plain"), ("authorization", "Bearer x"), ("host", "example.com:8080")];
        assert_eq!(left, kept);
    }

    #[test]
    fn a_response_says_how_long_its_body_is_in_one_way_or_not_at_all() {
        let left = |of: &[(&'static str, &str)]| {
            let mut fields = HeaderMap::new();
            for (name, value) in of {
                fields.append(*name, value.parse().unwrap());
            }
            clean_response(&mut fields);
            fields.get(CONTENT_LENGTH).map(|length| length.to_str().unwrap().to_owned())
        };

        assert_eq!(left(&[("content-length", "12")]).as_deref(), Some("12"));
        for fields in [
            &[("content-length", "12"), ("transfer-encoding", "chunked")][..],
            &[("content-length", "12"), ("content-length", "12")],
            &[("content-length", "12, 12")],
            &[("content-length", "+12")],
            &[("content-length", "")],
            &[("content-length", "12"), ("connection", "content-length")],
        ] {
            assert_eq!(left(fields), None, "{fields:?}");
        }
    }

    #[test]
    fn no_secret_goes_into_a_field_that_the_host_writes() {
        let below = HOST_FIELD_PREFIXES.iter().map(|prefix| format!("{prefix}a"));
        for name in HOST_FIELDS.iter().map(ToString::to_string).chain(below) {
            assert!(name.parse::<SecretHeader>().is_err(), "{name}");
        }
        assert!("authorization".parse::<SecretHeader>().is_ok());
    }

    #[test]
    fn too_many_fields_and_too_long_ones_do_not_go_out() {
        let numbered = |count: usize, length: usize| {
            let mut fields = HeaderMap::new();
            for number in 0..count {
                let name: HeaderName = format!("x-{number}").parse().unwrap();
                fields.insert(name, "a".repeat(length).parse().unwrap());
            }
            clean_request(&mut fields, "example.com")
        };

        assert!(numbered(MAX_FIELDS - 1, 1));
        assert!(!numbered(MAX_FIELDS, 1));
        assert!(!numbered(10, MAX_FIELD_BYTES / 10));
    }

    #[test]
    fn methods_that_change_what_a_request_is_are_not_sent() {
        for method in METHODS {
            assert!(is_sent(method));
        }
        for name in ["CONNECT", "TRACE", "PRI", "get", "PURGE"] {
            assert!(!is_sent(&Method::from_bytes(name.as_bytes()).unwrap()), "{name}");
        }
    }
}
