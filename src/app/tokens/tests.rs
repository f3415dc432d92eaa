//! The text of a token.

use super::*;

#[test]
fn a_token_parses_back_to_its_parts() {
    let (id, secret, text) = random_token();

    assert_eq!(text.len(), 64);
    assert_eq!(parse_token(&text), Some((id, secret)));
}

#[test]
fn a_changed_token_is_refused_by_its_checksum() {
    let (_, _, text) = random_token();

    for at in [5, 20, 60] {
        let mut bytes = text.clone().into_bytes();
        bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
        assert_eq!(parse_token(std::str::from_utf8(&bytes).unwrap()), None);
    }
    assert_eq!(parse_token(""), None);
    assert_eq!(parse_token("plug_é"), None);
    assert_eq!(parse_token(&text[..63]), None);
}
