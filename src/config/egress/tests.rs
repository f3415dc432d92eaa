//! Entries of the list, both forms of it.

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
fn the_older_list_means_each_name_with_its_sub_domains_on_both_ports() {
    let rules = EgressRule::translate("Example.com, 192.0.2.1,,localhost").unwrap();

    let written: Vec<_> = rules.iter().map(ToString::to_string).collect();
    assert_eq!(
        written,
        [
            "https://example.com",
            "http://example.com",
            "https://*.example.com",
            "http://*.example.com",
            "https://192.0.2.1",
            "http://192.0.2.1",
            "https://localhost",
            "http://localhost",
        ]
    );
    assert_eq!(EgressRule::translate(""), Ok(Vec::new()));
    assert!(EgressRule::translate("example.com:8443").is_err());
}
