//! Envelopes: the specification's example, and what is refused.

use super::*;

const HELLO: &str = r#"{"payload": "aGVsbG8gd29ybGQ=",
 "payloadType": "http://example.com/HelloWorld",
 "signatures": [{"sig": "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="}]}"#;

#[test]
fn the_specifications_example_is_encoded_as_it_says() {
    let envelope = Envelope::parse(HELLO.as_bytes()).unwrap();

    assert_eq!(envelope.message(), b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    assert_eq!(envelope.signatures[0].bytes.len(), 64);
    assert_eq!(envelope.signatures[0].claimed, None);
}

#[test]
fn lengths_count_bytes_and_have_no_leading_zero() {
    assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
    assert_eq!(pae("é", b"12345678901"), "DSSEv1 2 é 11 12345678901".as_bytes());
}

#[test]
fn both_base64_alphabets_are_read_and_not_mixed() {
    for text in ["+/+/AA==", "-_-_AA==", "-_-_AA", "+/+/AA"] {
        assert_eq!(decode(text), Some(vec![0xfb, 0xff, 0xbf, 0]), "{text}");
    }
    for text in ["+_+_", "+/+/A A=", "+/+/AB==", "+/+/A", "+/+/\n"] {
        assert_eq!(decode(text), None, "{text}");
    }
}

#[test]
fn an_envelope_is_at_most_64_kib() {
    let fill = |size: usize| format!("{HELLO}{}", " ".repeat(size - HELLO.len()));

    assert!(Envelope::parse(fill(MAX_ENVELOPE_BYTES).as_bytes()).is_ok());
    assert_eq!(code(fill(MAX_ENVELOPE_BYTES + 1).as_bytes()), "signature_too_large");
}

#[test]
fn an_envelope_has_at_most_eight_signatures() {
    let with = |count| {
        let signatures = vec![r#"{"sig":"AA=="}"#; count].join(",");
        format!(r#"{{"payload":"","payloadType":"t","signatures":[{signatures}]}}"#)
    };

    assert!(Envelope::parse(with(MAX_SIGNATURES).as_bytes()).is_ok());
    assert_eq!(code(with(MAX_SIGNATURES + 1).as_bytes()), "too_many_signatures");
    assert_eq!(code(with(0).as_bytes()), "malformed_envelope");
}

#[test]
fn what_is_no_envelope_is_refused() {
    let random: Vec<u8> = (0..200).map(|i: u8| i.wrapping_mul(151).wrapping_add(3)).collect();
    for bytes in [
        random.as_slice(),
        b"",
        b"{}",
        b"null",
        br#"{"payload":"","payloadType":"t","signatures":[{}]}"#,
        br#"{"payload":"","payloadType":"t","payloadType":"u","signatures":[{"sig":""}]}"#,
        br#"{"payload":"*","payloadType":"t","signatures":[{"sig":""}]}"#,
        br#"{"payload":"","payloadType":"t","signatures":[{"sig":"*"}]}"#,
        br#"{"payload":"","payloadType":"t","signatures":[{"sig":""}]} {}"#,
    ] {
        assert_eq!(code(bytes), "malformed_envelope", "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn other_formats_are_named() {
    assert_eq!(code(b"untrusted comment: signature"), "unsupported_signature_format");
}

fn code(bytes: &[u8]) -> String {
    Envelope::parse(bytes).unwrap_err().code.into_owned()
}
