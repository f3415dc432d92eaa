//! One member of a manifest at a time: what it may be and how much of it.

use super::*;

#[test]
fn a_version_is_one_version() {
    for (version, code) in [
        ("1.2.*", "version_not_exact"),
        ("10.0.*", "version_not_exact"),
        ("1.*", "version_invalid"),
        ("*", "version_invalid"),
        ("1.*.*", "version_invalid"),
        ("1.2", "version_invalid"),
        ("v1.2.3", "version_invalid"),
        ("01.2.3", "version_invalid"),
        ("1.2.3.4", "version_invalid"),
        ("1.2.99999999999999999999", "version_invalid"),
        ("^1.2.3", "version_invalid"),
    ] {
        let found = problems(&json!({ "version": version }));
        assert_eq!(found, [format!("version {code}")], "{version}");
    }
    assert_eq!(parsed(&json!({ "version": " 1.2.3-rc.1+5 " })).version.to_string(), "1.2.3-rc.1+5");
}

#[test]
fn a_star_is_a_version_only_where_one_may_be() {
    let json = json!({ "name": "com.example.a", "version": " 1.2.* ", "runtime": "wasm-js@1" });
    let json = json.to_string();

    let read = Manifest::read(json.as_bytes(), Stars::Allowed).unwrap();

    assert_eq!(read.star, Some(StarVersion { major: 1, minor: 2 }));
    assert_eq!(read.manifest.version, Version::new(1, 2, 0));
    assert!(Manifest::read(json.as_bytes(), Stars::Refused).is_err());
    let exact = json.replace(" 1.2.* ", "1.2.3");
    assert_eq!(Manifest::read(exact.as_bytes(), Stars::Allowed).unwrap().star, None);
}

#[test]
fn a_name_that_is_no_domain_is_only_warned_of() {
    for name in ["reports", "com.example_x.a", "1com.example", "com.-a"] {
        assert_eq!(warnings(&json!({ "name": name })), ["name name_not_reverse_dns"], "{name}");
    }
    assert_eq!(warnings(&json!({ "name": "com.example.a-1" })), [""; 0]);
}

#[test]
fn a_homepage_is_a_plain_https_address() {
    for bad in [
        "http://example.com",
        "javascript:alert(1)",
        "data:text/html,x",
        "example.com",
        "https://user@example.com",
        "https://:secret@example.com",
        "//example.com",
        "https://",
    ] {
        assert_eq!(problems(&json!({ "homepage": bad })), ["homepage homepage_invalid"], "{bad}");
    }
}

#[test]
fn an_icon_is_a_picture_in_the_bundle() {
    for bad in
        ["icon.svg", "icon", "../icon.png", "https://example.com/icon.png", "icon.png/", "png"]
    {
        assert_eq!(problems(&json!({ "icon": bad })), ["icon icon_invalid"], "{bad}");
    }
    assert_eq!(parsed(&json!({ "icon": "./ui/A.WebP" })).icon.unwrap().as_str(), "ui/A.WebP");
}

#[test]
fn text_is_bounded() {
    for (key, max) in
        [("publisher", 128), ("display_name", 100), ("license", 200), ("description", 4000)]
    {
        assert_eq!(problems(&json!({ key: "é".repeat(max) })), [""; 0]);
        assert_eq!(problems(&json!({ key: "é".repeat(max + 1) })), [format!("{key} too_long")]);
        assert_eq!(problems(&json!({ key: "a\u{202e}b" })), [format!("{key} forbidden_character")]);
    }
}

#[test]
fn lists_are_bounded() {
    let endpoints: Vec<_> =
        (0..1001).map(|n| endpoint(&json!({ "path": format!("/{n}") }))).collect();

    assert_eq!(problems(&json!({ "capabilities": vec!["log"; 65] })), ["capabilities too_many"]);
    assert_eq!(problems(&json!({ "egress": vec!["a.example"; 101] })), ["egress too_many"]);
    assert_eq!(problems(&api(&json!(endpoints[..1000]))), [""; 0]);
    assert_eq!(problems(&api(&json!(endpoints))), ["api.endpoints too_many"]);
}

#[test]
fn two_endpoints_never_answer_the_same_request() {
    for (first, second) in [("/a", "/a"), ("/a", "a/"), ("/a/:x", "/a/:y"), ("/", "//")] {
        let both = [endpoint(&json!({ "path": first })), endpoint(&json!({ "path": second }))];
        let found = problems(&api(&json!(both)));
        assert_eq!(found, ["api.endpoints[1] duplicate_endpoint"], "{first} {second}");
    }
    let other = [endpoint(&json!({})), endpoint(&json!({ "method": "POST" }))];
    assert_eq!(problems(&api(&json!(other))), [""; 0]);
}

#[test]
fn numbers_of_an_endpoint_are_whole_and_in_range() {
    for bad in [json!(0), json!(-1), json!(1.5), json!("1"), json!(1e30), json!(null)] {
        let found = problems(&api(&json!([endpoint(&json!({ "timeout_ms": bad }))])));
        assert_eq!(found, ["api.endpoints[0].timeout_ms number_invalid"], "{bad}");
    }
    let found = problems(&api(&json!([endpoint(&json!({ "schedulable": "yes" }))])));
    assert_eq!(found, ["api.endpoints[0].schedulable wrong_type"]);
}

#[test]
fn egress_entries_have_one_reading() {
    let found =
        |entry: &str| problems(&json!({ "egress": [entry], "capabilities": ["http.fetch"] }));
    for good in [
        "api.example.com",
        "API.example.com",
        "*.example.com",
        "https://api.example.com:8443",
        "http://localhost:8080",
        "192.0.2.1",
        "192.0.2.1:443",
        "[2001:db8::1]",
        "https://[2001:db8::1]:8443",
        "xn--bcher-kva.example",
    ] {
        assert_eq!(found(good), [""; 0], "{good}");
    }
    for bad in [
        "*",
        "*.com",
        "*.*.com",
        "a.*.com",
        "*example.com",
        "ftp://example.com",
        "https://example.com/path",
        "user@example.com",
        "example.com.",
        "example..com",
        "-a.example",
        "bücher.example",
        "example.com:0",
        "example.com:65536",
        "example.com:",
        "example.com:80:80",
        "127.1",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "1.2.3.4.5",
        "[::1",
        "[::g]",
        "[::1]x",
        "[fe80::1%25eth0]",
        "::1",
        "https://",
    ] {
        assert_eq!(found(bad), ["egress[0] egress_invalid"], "{bad}");
    }
    let without = warnings(&json!({ "egress": ["example.com"] }));
    assert_eq!(without, ["egress egress_without_capability"]);
}

#[test]
fn two_names_for_people_are_one_too_many() {
    let both = json!({ "displayName": "A", "display_name": "B" });

    assert_eq!(problems(&both), ["displayName duplicate_key"]);
}

#[test]
fn unused_members_must_still_be_what_they_were() {
    assert_eq!(problems(&json!({ "assets": ["a", 1] })), ["assets[1] wrong_type"]);
    assert_eq!(problems(&json!({ "precompiled": { "a": "" } })), ["precompiled.a blank"]);
    assert_eq!(problems(&json!({ "precompiled": [] })), ["precompiled wrong_type"]);
}

#[test]
fn keys_that_nothing_reads_are_warned_of() {
    let found = warnings(&api(&json!([endpoint(&json!({ "timeoutMs": 5 }))])));

    assert_eq!(found, ["api.endpoints[0].timeoutMs ignored_key"]);
}
