//! Signature formats this appliance does not take, recognized to say so kindly.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::report::Finding;

/// Names the format of something that is no DSSE envelope, if it is a known one.
pub(super) fn recognize(bytes: &[u8]) -> Option<&'static str> {
    // Before anything else: 64 random bytes may look like any other format.
    if bytes.len() == 64 || bytes.len() == 32 {
        return Some("a bare signature or digest");
    }
    let Ok(text) = str::from_utf8(bytes) else {
        // Old and new packet heads of OpenPGP, the head of a DER sequence.
        return match bytes.first() {
            Some(0x88..=0x8e | 0xc2) => Some("a binary PGP signature"),
            Some(0x30) => Some("a DER signature (X.509, PKCS #7, ECDSA)"),
            _ => None,
        };
    };
    let text = text.trim();
    if let Some(label) = text.strip_prefix("-----BEGIN ") {
        return Some(match label.split("-----").next().unwrap_or_default() {
            "SSH SIGNATURE" => "an OpenSSH signature",
            "PGP SIGNATURE" | "PGP SIGNED MESSAGE" | "PGP MESSAGE" => "a PGP signature",
            "CERTIFICATE" | "PKCS7" | "CMS" => "an X.509 certificate or signature",
            _ => "a PEM block",
        });
    }
    if text.starts_with("untrusted comment:") {
        return Some("a minisign signature");
    }
    if text.starts_with('{') && text.contains("application/vnd.dev.sigstore.bundle") {
        return Some("a Sigstore bundle");
    }
    let is_bare = STANDARD.decode(text).is_ok_and(|raw| raw.len() >= 64);
    is_bare.then_some("a bare signature in base64")
}

/// The refusal of a format by name.
pub(super) fn unsupported(format: &str) -> Finding {
    Finding::new("unsupported_signature_format")
        .expected("a DSSE envelope with an in-toto statement, signed with Ed25519")
        .found(format)
        .hint(
            "Make the signature with `plugboard sign`. A signature over the bare file or its hash \
             says nothing about the extension's name and version.",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_of_others_are_recognized() {
        let bare = STANDARD.encode([7; 64]);
        let ecdsa = STANDARD.encode([0x30; 71]);
        let cases: [(&[u8], &str); 13] = [
            (&[0x88; 64], "a bare signature or digest"),
            (&[b'{'; 64], "a bare signature or digest"),
            (&[0xff; 32], "a bare signature or digest"),
            (bare.as_bytes(), "a bare signature in base64"),
            (ecdsa.as_bytes(), "a bare signature in base64"),
            (b"untrusted comment: signature from minisign\nRUQ", "a minisign signature"),
            (b"-----BEGIN CERTIFICATE-----\nMII", "an X.509 certificate or signature"),
            (b"\n-----BEGIN PGP SIGNATURE-----\n", "a PGP signature"),
            (b"-----BEGIN SSH SIGNATURE-----\n", "an OpenSSH signature"),
            (b"-----BEGIN EC PARAMETERS-----\n", "a PEM block"),
            (&[0x89, 0x02, 0xff], "a binary PGP signature"),
            (&[0x30, 0x82, 0xff], "a DER signature (X.509, PKCS #7, ECDSA)"),
            (
                br#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}"#,
                "a Sigstore bundle",
            ),
        ];
        for (bytes, format) in cases {
            assert_eq!(recognize(bytes), Some(format), "{bytes:?}");
        }
    }

    #[test]
    fn an_envelope_is_not_taken_for_something_else() {
        for bytes in [br#"{"payload":"","payloadType":"t","signatures":[]}"#.as_slice(), b"", b"{"]
        {
            assert_eq!(recognize(bytes), None);
        }
    }
}
