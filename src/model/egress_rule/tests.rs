//! Entries of a list, and what they let through.

use super::*;

#[test]
fn an_entry_says_scheme_host_and_port() {
    let written = [
        ("example.com", "https://example.com"),
        ("http://Example.com:8080", "http://example.com:8080"),
        ("*.example.com", "https://*.example.com"),
        ("192.0.2.1:8443", "https://192.0.2.1:8443"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("[2001:db8::1]", "https://[2001:db8::1]"),
    ];
    for (text, read) in written {
        assert_eq!(text.parse::<EgressRule>().unwrap().to_string(), read);
    }
}

#[test]
fn an_entry_that_allows_too_much_or_says_nothing_is_refused() {
    use InvalidEgressRule::{Everything, Malformed, ShortSuffix};
    let refused = [
        ("*", Everything),
        ("https://*:443", Everything),
        ("*.com", ShortSuffix),
        ("*.*.example.com", Malformed),
        ("ftp://example.com", Malformed),
        ("example.com/path", Malformed),
        ("user@example.com", Malformed),
        ("example.com:0", Malformed),
        ("example.com:99999", Malformed),
        ("example.com:", Malformed),
        ("127.1", Malformed),
        ("0x7f000001", Malformed),
        ("2001:db8::1", Malformed),
        ("example..com", Malformed),
        ("", Malformed),
    ];
    for (text, error) in refused {
        assert_eq!(text.parse::<EgressRule>(), Err(error), "{text}");
    }
}

#[test]
fn an_entry_allows_its_scheme_host_and_port_and_no_other() {
    let cases = [
        ("example.com", "https", "example.com", 443, true),
        ("example.com", "https", "example.com", 8443, false),
        ("example.com", "http", "example.com", 80, false),
        ("example.com", "http", "example.com", 443, false),
        ("example.com", "https", "www.example.com", 443, false),
        ("example.com", "https", "example.com.evil.test", 443, false),
        ("example.com", "https", "evilexample.com", 443, false),
        ("http://example.com", "http", "example.com", 80, true),
        ("http://example.com", "https", "example.com", 443, false),
        ("http://example.com:8080", "http", "example.com", 8080, true),
        ("http://example.com:8080", "http", "example.com", 80, false),
        ("*.example.com", "https", "a.example.com", 443, true),
        ("*.example.com", "https", "a.b.example.com", 443, true),
        ("*.example.com", "https", "example.com", 443, false),
        ("*.example.com", "https", ".example.com", 443, false),
        ("*.example.com", "https", "evilexample.com", 443, false),
        ("*.example.com", "https", "a.example.com.evil.test", 443, false),
        ("192.0.2.1", "https", "192.0.2.1", 443, true),
        ("192.0.2.1", "https", "192.0.2.2", 443, false),
        ("192.0.2.1", "https", "[::ffff:192.0.2.1]", 443, false),
        ("[2001:db8::1]:8443", "https", "[2001:db8::1]", 8443, true),
        ("[2001:db8::1]:8443", "https", "[2001:db8::2]", 8443, false),
    ];
    for (rule, scheme, host, port, allowed) in cases {
        let rule: EgressRule = rule.parse().unwrap();
        let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
        let host = match host.parse() {
            Ok(host) => host,
            // No name, and yet it must not match.
            Err(_) => EgressHost::Exact(host.to_owned()),
        };
        assert_eq!(rule.allows(scheme, &host, port), allowed, "{rule} {host} {port}");
    }
}

#[test]
fn an_entry_covers_what_allows_no_more_than_it_does() {
    let cases = [
        ("example.com", "example.com:443", true),
        ("example.com", "http://example.com", false),
        ("example.com", "example.com:8443", false),
        ("example.com", "*.example.com", false),
        ("*.example.com", "a.example.com", true),
        ("*.example.com", "*.example.com", true),
        ("*.example.com", "*.a.example.com", true),
        ("*.a.example.com", "*.example.com", false),
        ("*.example.com", "*.evilexample.com", false),
        ("*.example.com", "http://*.example.com", false),
        ("192.0.2.1", "192.0.2.1", true),
        ("*.example.com", "192.0.2.1", false),
    ];
    for (rule, other, covered) in cases {
        let [rule, other] = [rule, other].map(|text| text.parse::<EgressRule>().unwrap());
        assert_eq!(rule.covers(&other), covered, "{rule} {other}");
    }
}
