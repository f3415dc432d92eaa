//! The older list, and networks that are let in.

use super::*;

#[test]
fn the_older_list_means_each_name_with_its_sub_domains_on_both_ports() {
    let rules = translate("Example.com, 192.0.2.1,,localhost").unwrap();

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
    assert_eq!(translate(""), Ok(Vec::new()));
    assert!(translate("example.com:8443").is_err());
}

#[test]
fn a_private_network_names_one_port_and_never_this_machine() {
    use InvalidPrivateNetwork::{Malformed, OwnMachine};
    for (text, written) in [
        ("10.1.2.3/32:443", "10.1.2.3:443"),
        ("10.0.0.0/8:8080", "10.0.0.0/8:8080"),
        ("[fd00::]/8:443", "[fd00::]/8:443"),
        ("[fd00::1]:443", "[fd00::1]:443"),
    ] {
        let entry: PrivateNetwork = text.parse().unwrap();
        assert_eq!(entry.to_string(), written);
        assert_eq!(written.parse(), Ok(entry));
    }
    for (text, error) in [
        ("10.1.2.3", Malformed),
        ("10.1.2.3:0", Malformed),
        ("10.1.2.3:99999", Malformed),
        ("fd00::1:443", Malformed),
        ("db.internal:443", Malformed),
        ("127.0.0.1:443", OwnMachine),
        ("127.0.0.0/8:443", OwnMachine),
        ("169.254.169.254:80", OwnMachine),
        ("[::1]:443", OwnMachine),
        ("[fe80::]/10:443", OwnMachine),
        ("[::ffff:127.0.0.1]:443", OwnMachine),
    ] {
        assert_eq!(text.parse::<PrivateNetwork>(), Err(error), "{text}");
    }
    let entry: PrivateNetwork = "10.0.0.0/8:443".parse().unwrap();
    assert!(entry.allows("10.255.0.1".parse().unwrap(), 443));
    assert!(!entry.allows("10.255.0.1".parse().unwrap(), 80));
    assert!(!entry.allows("11.0.0.1".parse().unwrap(), 443));
}
