//! API tokens as somebody sends them who knows how they are made, and not their secret.

/// A token with the same id, another secret and the checksum that goes with it.
pub(crate) fn with_another_secret(token: &str) -> String {
    let (body, check) = token.rsplit_once('_').unwrap();
    assert_eq!(checksum(body), check, "it is the secret alone that is wrong");
    let body = format!("{}{}", &token[..14], "A".repeat(43));
    format!("{body}_{}", checksum(&body))
}

/// CRC-32 in six digits of base 62.
fn checksum(body: &str) -> String {
    const DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let crc = u64::from(crc32fast::hash(body.as_bytes()));
    let digit = |place| usize::try_from(crc / 62_u64.pow(place) % 62).unwrap();
    (0..6).rev().map(|place| char::from(DIGITS[digit(place)])).collect()
}
