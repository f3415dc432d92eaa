//! DSSE 1.0 envelopes: what is signed, and by whom it claims to be.

use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine, engine::DecodePaddingMode};
use serde::{Deserialize, Serialize};

use super::report::Finding;
use super::{foreign, strict_json};
use crate::model::KeyId;

/// The largest envelope, in bytes.
pub const MAX_ENVELOPE_BYTES: usize = 64 * 1024;
/// The most signatures in one envelope.
pub(super) const MAX_SIGNATURES: usize = 8;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// An envelope whose base64 has been undone. Nothing in it is verified.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) payload_type: String,
    pub(super) payload: Vec<u8>,
    pub(super) signatures: Vec<EnvelopeSignature>,
}

/// One signature of an envelope.
#[derive(Debug)]
pub(super) struct EnvelopeSignature {
    /// What the signature says its key is: not authenticated, a hint only.
    pub(super) claimed: Option<KeyId>,
    pub(super) bytes: Vec<u8>,
}

/// The JSON form. Unknown members are ignored, as the specification asks.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EnvelopeJson {
    payload_type: String,
    payload: String,
    signatures: Vec<SignatureJson>,
}

#[derive(Serialize, Deserialize)]
struct SignatureJson {
    #[serde(default)]
    keyid: Option<String>,
    sig: String,
}

/// What a signature covers: DSSE's pre-authentication encoding, which keeps a
/// signature for one payload type from counting for another.
pub(super) fn pae(payload_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), body.len());
    [head.as_bytes(), body].concat()
}

impl Envelope {
    /// Reads an envelope, or says what was sent instead.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Finding> {
        if bytes.len() > MAX_ENVELOPE_BYTES {
            return Err(Finding::new("signature_too_large")
                .expected(format!("at most {MAX_ENVELOPE_BYTES} bytes"))
                .found(format!("{} bytes", bytes.len())));
        }
        if let Some(format) = foreign::recognize(bytes) {
            return Err(foreign::unsupported(format));
        }
        let json: EnvelopeJson = strict_json::parse(bytes)
            .map_err(|error| malformed(format!("no DSSE envelope: {error}")))?;
        if json.signatures.is_empty() {
            return Err(malformed("an envelope without signatures"));
        }
        // Each one costs a curve operation per candidate key.
        if json.signatures.len() > MAX_SIGNATURES {
            return Err(Finding::new("too_many_signatures")
                .expected(format!("at most {MAX_SIGNATURES} signatures in an envelope"))
                .found(format!("{}", json.signatures.len())));
        }
        let payload =
            decode(&json.payload).ok_or_else(|| malformed("a payload that is not base64"))?;
        let signatures = json.signatures.into_iter().map(EnvelopeSignature::read);
        let signatures = signatures.collect::<Result<_, _>>()?;
        Ok(Self { payload_type: json.payload_type, payload, signatures })
    }

    /// The bytes every signature of this envelope covers.
    pub(super) fn message(&self) -> Vec<u8> {
        pae(&self.payload_type, &self.payload)
    }

    /// Writes an envelope with one signature.
    pub(super) fn write(
        payload_type: &str,
        payload: &[u8],
        key: &KeyId,
        signature: &[u8],
    ) -> Vec<u8> {
        let encode = |bytes| base64::engine::general_purpose::STANDARD.encode(bytes);
        let json = EnvelopeJson {
            payload_type: payload_type.to_owned(),
            payload: encode(payload),
            signatures: vec![SignatureJson {
                keyid: Some(key.to_string()),
                sig: encode(signature),
            }],
        };
        serde_json::to_vec(&json).expect("strings always encode")
    }
}

impl EnvelopeSignature {
    fn read(json: SignatureJson) -> Result<Self, Finding> {
        let bytes = decode(&json.sig).ok_or_else(|| malformed("a signature that is not base64"))?;
        // Other tools name keys by other rules, or not at all: no claim then.
        Ok(Self { claimed: json.keyid.and_then(|id| id.parse().ok()), bytes })
    }
}

/// Base64 in either alphabet, padded or not: verifiers must accept both.
fn decode(text: &str) -> Option<Vec<u8>> {
    let standard = || GeneralPurpose::new(&STANDARD, LENIENT).decode(text).ok();
    standard().or_else(|| GeneralPurpose::new(&URL_SAFE, LENIENT).decode(text).ok())
}

fn malformed(found: impl Into<String>) -> Finding {
    Finding::new("malformed_envelope")
        .expected("a DSSE envelope (JSON with payloadType, payload and signatures)")
        .found(found)
        .hint("Make the signature with `plugboard sign`.")
}

#[cfg(test)]
mod tests;
