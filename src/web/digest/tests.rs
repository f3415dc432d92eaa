//! Digests that fit, that do not, and that cannot be read.

use super::*;

fn check_of(lines: &[(&'static str, &str)]) -> Result<DigestCheck, ApiError> {
    let line = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    let mut headers = HeaderMap::new();
    for (name, value) in lines.iter().map(line) {
        headers.append(name, value);
    }
    DigestCheck::of(&headers)
}

/// The outcome for the body `hello`, as a code.
fn code(lines: &[(&'static str, &str)]) -> &'static str {
    match check_of(lines).and_then(|check| check.check_bytes(b"hello")) {
        Ok(()) => "ok",
        Err(error) => error.code,
    }
}

fn right(algorithm: Algorithm) -> String {
    match algorithm {
        Algorithm::Sha256 => algorithm.written(&Sha256::digest(b"hello")),
        Algorithm::Sha512 => algorithm.written(&Sha512::digest(b"hello")),
    }
}

#[test]
fn right_digests_pass_and_wrong_ones_do_not() {
    let (short, long) = (right(Algorithm::Sha256), right(Algorithm::Sha512));
    let wrong = Algorithm::Sha256.written(&[0; 32]);
    let wrong_long = Algorithm::Sha512.written(&[0; 64]);
    for field in ["content-digest", "repr-digest"] {
        assert_eq!(code(&[(field, &short)]), "ok");
        assert_eq!(code(&[(field, &long)]), "ok");
        assert_eq!(code(&[(field, &format!("{short}, {long}"))]), "ok");
        assert_eq!(code(&[(field, &short), (field, &wrong_long)]), "digest_mismatch");
        assert_eq!(code(&[(field, &wrong)]), "digest_mismatch");
        assert_eq!(code(&[(field, &format!("{wrong}, {long}"))]), "digest_mismatch");
    }
    let both = [("content-digest", short.as_str()), ("repr-digest", wrong.as_str())];
    assert_eq!(code(&both), "digest_mismatch");
    assert_eq!(code(&[]), "ok");
}

#[test]
fn other_algorithms_are_ignored_whatever_they_hold() {
    let short = right(Algorithm::Sha256);
    for other in ["md5=:AAAA:", "unixsum=30637", "x=(1 \"a\");q=0.1", "adler;p=:AA==:"] {
        assert_eq!(code(&[("repr-digest", &format!("{other}, {short}"))]), "ok", "{other}");
        assert_eq!(code(&[("repr-digest", other)]), "ok", "{other}");
    }
}

#[test]
fn what_cannot_be_read_is_refused() {
    for text in [
        "sha-256",
        "sha-256=:AAAA:",
        "sha-256=abc",
        "sha-256=(:AAAA:)",
        "sha-512=:AAAA:",
        "sha-256=:AAAA",
        "SHA-256=:AAAA:",
        "sha-256=:****:",
        "=",
    ] {
        assert_eq!(code(&[("content-digest", text)]), "malformed_request", "{text}");
    }
}

#[test]
fn a_mismatch_names_both_values() {
    let wrong = Algorithm::Sha256.written(&[0; 32]);

    let check = check_of(&[("content-digest", &wrong)]).unwrap();
    let error = check.check_bytes(b"hello").unwrap_err();

    assert!(error.detail.contains(&wrong), "{}", error.detail);
    assert!(error.detail.contains(&right(Algorithm::Sha256)), "{}", error.detail);
}
