//! Keys: their forms, and which are refused.

use super::*;

/// The key pair of RFC 8410, section 10.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
";
/// A P-256 key, from `openssl genpkey -algorithm EC`.
const P256: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEigIBtPel0UHY3SnO6bAmEjyIH1rQ
3pYyP9sRbbMBdvo+7OkWRmWVlkIAW430/CBaF+LXL8R7T6twhJn0KQm5Sw==
-----END PUBLIC KEY-----
";

#[test]
fn the_published_key_pair_is_read_and_written_back() {
    let public = parse_public(PUBLIC).unwrap();

    assert_eq!(parse_private(PRIVATE).unwrap().verifying_key(), public);
    assert_eq!(public_pem(&public), PUBLIC);
    assert_eq!(parse_public(&spki_base64(&public)), Ok(public));
}

#[test]
fn a_generated_key_signs_for_its_public_half() {
    let generated = generate().unwrap();
    let private = parse_private(&generated.private_pem).unwrap();
    let public = parse_public(&generated.public_pem).unwrap();

    let signature = ed25519_dalek::Signer::sign(&private, b"message").to_bytes();

    assert!(signature_is_valid(&public, b"message", &signature));
    assert_eq!(generated.id, key_id(&public));
    // PKCS#8 version 1, which every OpenSSL reads.
    assert!(generated.private_pem.contains("\nMC4CAQAwBQYDK2VwBCIEI"));
}

#[test]
fn a_public_key_with_anything_around_it_is_refused() {
    let base64 = spki_base64(&parse_public(PUBLIC).unwrap());
    let twice = format!("{PUBLIC}{PUBLIC}");
    let before = format!("hello\n{PUBLIC}");
    let after = format!("{PUBLIC}hello");
    let unpadded = base64.trim_end_matches('=').to_owned();
    let relabelled = PUBLIC.replace("PUBLIC", "ED25519 PUBLIC");
    for text in ["hello", &twice, &before, &after, &unpadded, &relabelled, PRIVATE] {
        assert_eq!(parse_public(text), Err(KeyError::NotPem), "{text}");
    }
}

#[test]
fn only_ed25519_keys_of_the_right_length_are_read() {
    let der = spki_der(&parse_public(PUBLIC).unwrap());
    let longer = [der.as_slice(), &[0]].concat();

    for der in [&der[..43], &longer, &der[12..], &[]] {
        assert_eq!(spki_key(der), Err(KeyError::NotEd25519), "{der:?}");
    }
    assert_eq!(parse_public(P256), Err(KeyError::NotEd25519));
}

#[test]
fn weak_keys_are_refused() {
    for text in [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    ] {
        assert_eq!(public_key(&raw(text)), Err(KeyError::Weak), "{text}");
    }
}

#[test]
fn a_second_spelling_of_a_point_is_refused() {
    // y = 3 and y = p + 3 are one point, and not a weak one.
    let canonical = raw(&format!("03{}", "00".repeat(31)));
    let alias = raw(&format!("f0{}7f", "ff".repeat(30)));

    assert_eq!(
        VerifyingKey::from_bytes(&alias).unwrap().to_edwards(),
        public_key(&canonical).unwrap().to_edwards()
    );
    assert_eq!(public_key(&alias), Err(KeyError::NotAPoint));
}

#[test]
fn other_private_keys_are_refused() {
    let encrypted = PRIVATE.replace("PRIVATE", "ENCRYPTED PRIVATE");
    for text in ["", "hello", PUBLIC, &encrypted] {
        assert_eq!(parse_private(text).err(), Some(KeyError::NotPrivatePem), "{text}");
    }
}

fn raw(text: &str) -> [u8; 32] {
    hex::decode(text).unwrap().try_into().unwrap()
}
