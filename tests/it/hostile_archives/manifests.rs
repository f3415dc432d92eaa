//! Manifests that mean two things, or that harm who reads them.

use plugboard::bundle::{self, BundleLimits};
use plugboard::model::{EndpointAuth, Manifest};
use serde_json::json;

use super::MANIFEST;
use crate::support::bundle_builder::BundleBuilder;

/// The codes of all problems, with their paths.
fn problems(json: &[u8]) -> Vec<String> {
    match Manifest::parse(json) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.0.iter().map(|p| format!("{} {}", p.path, p.code)).collect(),
    }
}

#[test]
fn json_has_one_reading() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let bomb = "[".repeat(100_000);
    let utf16: Vec<u8> = r#"{"name":"a"}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let huge = vec![b' '; 4 << 20];
    for (code, json) in [
        ("$ byte_order_mark", &b"\xef\xbb\xbf{}"[..]),
        ("$ duplicate_key", br#"{"name":"a","name":"b"}"#),
        ("$ duplicate_key", br#"{"name":"a","n\u0061me":"b"}"#),
        ("$ duplicate_key", br#"{"x-a":[{"b":{"c":1,"c":1}}]}"#),
        ("$ json_syntax", br#"{"name":"\ud800"}"#),
        ("$ json_syntax", br#"{"name":"\udc00\ud800"}"#),
        ("$ json_syntax", br#"{"x-a":NaN}"#),
        ("$ json_syntax", br#"{"x-a":Infinity}"#),
        ("$ json_syntax", br#"{"x-a":1e400}"#),
        ("$ json_syntax", br#"{"x-a":01}"#),
        ("$ json_syntax", br#"{"x-a":+1}"#),
        ("$ json_syntax", br#"{"x-a":.5}"#),
        ("$ json_syntax", br#"{"x-a":1,}"#),
        ("$ json_syntax", br"{'x-a':1}"),
        ("$ json_syntax", br#"{"x-a":1} "#.strip_suffix(b"} ").unwrap()),
        ("$ json_syntax", br"{} {}"),
        ("$ json_syntax", br"{} // done"),
        ("$ json_syntax", b"{}\0"),
        ("$ json_syntax", b"{\"x-a\":\"\xff\"}"),
        ("$ json_syntax", b"{\"x-a\":\"a\nb\"}"),
        ("$ json_syntax", b""),
        ("$ json_syntax", &utf16),
        ("$ too_deep", nested(33).as_bytes()),
        ("$ too_deep", bomb.as_bytes()),
        ("$ too_large", &huge),
        ("$ wrong_type", nested(32).as_bytes()),
        ("$ wrong_type", b"null"),
        ("$ wrong_type", b"\"{}\""),
    ] {
        assert_eq!(problems(json), [code], "{}", json[..json.len().min(60)].escape_ascii());
    }
    assert_eq!(problems(MANIFEST), Vec::<String>::new());
}

#[test]
fn text_cannot_deceive_who_reads_it() {
    for text in [
        r"a\u0000b",
        r"a\u001b]0;b",
        r"a\nb",
        r"a\u0085b",
        r"a\u202eb",
        r"a\u2066b",
        r"a\u200bb",
        r"a\ufeffb",
        r"\udb40\udc41",
    ] {
        let json = String::from_utf8(MANIFEST.to_vec()).unwrap();
        let json = json.replace(r#""publisher":"Example""#, &format!(r#""publisher":"{text}""#));
        assert_eq!(problems(json.as_bytes()), ["publisher forbidden_character"], "{text}");
    }
}

#[test]
fn an_honest_bundle_is_accepted() {
    let builder = BundleBuilder::new("com.example.reports", "1.2.0")
        .capabilities(&["cap:log.emit"])
        .endpoint("GET", "/reports")
        .endpoint_with("POST", "/reports", &json!({ "auth": "public" }))
        .component(b"\0asm")
        .page("<h1>Reports</h1>")
        .file("ui/app.js", "start()");

    let contents = bundle::read(&builder.build()[..], &BundleLimits::default()).unwrap();
    let (manifest, warnings) = Manifest::parse(&contents.manifest).unwrap();

    assert_eq!(contents.manifest, builder.manifest_json());
    assert_eq!(manifest.endpoints[1].auth, EndpointAuth::Public);
    assert_eq!(warnings, []);
    assert_eq!(manifest.check_files(&contents.files), []);
}
