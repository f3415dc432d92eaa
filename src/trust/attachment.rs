//! Is an attachment what it says it is, and about this bundle?
//!
//! What is attached is shown and handed on, and nothing follows from it here:
//! the claims in it, and signatures around it, are for its readers to judge.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use super::statement::PAYLOAD_TYPE;
use super::strict_json;
use crate::model::{AttachmentKind, ContentHash};

/// What an attachment turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recognized {
    /// For people: `CycloneDX 1.6`.
    pub format: String,
    pub media_type: &'static str,
}

/// An attachment is not what it should be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{expected} is expected, and this is {found}")]
pub struct AttachmentProblem {
    pub expected: &'static str,
    pub found: String,
}

const SBOM: &str = "CycloneDX 1.2 or newer, or SPDX 2.2 or newer, as JSON";
const PROVENANCE: &str = "an in-toto statement about this bundle, or a DSSE envelope around one";
const STATEMENTS: [&str; 2] =
    ["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EnvelopeJson {
    payload_type: String,
    payload: String,
    signatures: Vec<Value>,
}

#[derive(Deserialize)]
struct StatementJson {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<SubjectJson>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
}

#[derive(Deserialize)]
struct SubjectJson {
    digest: serde_json::Map<String, Value>,
}

/// Reads an attachment of the bundle with this hash.
pub fn recognize(
    kind: AttachmentKind,
    bytes: &[u8],
    bundle: &ContentHash,
) -> Result<Recognized, AttachmentProblem> {
    match kind {
        AttachmentKind::Sbom => sbom(bytes),
        AttachmentKind::Provenance => provenance(bytes, bundle),
        AttachmentKind::Readme | AttachmentKind::Changelog => Err(AttachmentProblem {
            expected: "an `sbom` or a `provenance`",
            found: format!("a {kind}, which is a file of the bundle"),
        }),
    }
}

fn problem(expected: &'static str, found: impl Into<String>) -> AttachmentProblem {
    AttachmentProblem { expected, found: found.into() }
}

fn object(bytes: &[u8], expected: &'static str) -> Result<Value, AttachmentProblem> {
    // Of two equal keys a person sees one and a machine the other.
    let value: Value = strict_json::parse(bytes)
        .map_err(|error| problem(expected, format!("no JSON document ({error})")))?;
    if value.is_object() { Ok(value) } else { Err(problem(expected, "no JSON object")) }
}

fn sbom(bytes: &[u8]) -> Result<Recognized, AttachmentProblem> {
    let document = object(bytes, SBOM)?;
    let text = |key: &str| document[key].as_str();
    if let Some(format) = text("bomFormat") {
        let version = text("specVersion").unwrap_or_default();
        let known = minor_of(version, "1.").is_some_and(|minor| minor >= 2);
        if format != "CycloneDX" || !known {
            return Err(problem(SBOM, format!("{} {}", shown(format), shown(version))));
        }
        let media_type = "application/vnd.cyclonedx+json";
        return Ok(Recognized { format: format!("CycloneDX {version}"), media_type });
    }
    let media_type = "application/spdx+json";
    if let Some(version) = text("spdxVersion") {
        let number = version.strip_prefix("SPDX-").unwrap_or_default();
        let known = minor_of(number, "2.").is_some_and(|minor| minor >= 2);
        let whole = text("SPDXID") == Some("SPDXRef-DOCUMENT") && text("name").is_some();
        if !known || !whole {
            return Err(problem(SBOM, format!("an incomplete document of {}", shown(version))));
        }
        return Ok(Recognized { format: format!("SPDX {number}"), media_type });
    }
    let context = text("@context").unwrap_or_default();
    let version = context
        .strip_prefix("https://spdx.org/rdf/")
        .and_then(|rest| rest.strip_suffix("/spdx-context.jsonld"));
    match version {
        Some(version) if minor_of(version, "3.").is_some() && document["@graph"].is_array() => {
            Ok(Recognized { format: format!("SPDX {version}"), media_type })
        }
        _ => Err(problem(SBOM, "neither of them")),
    }
}

/// The second number of a version `<major><minor>` or `<major><minor>.<patch>`.
fn minor_of(version: &str, major: &str) -> Option<u32> {
    let rest = version.strip_prefix(major)?;
    let (minor, patch) = rest.split_once('.').unwrap_or((rest, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (digits(minor) && digits(patch)).then(|| minor.parse().ok())?
}

fn provenance(bytes: &[u8], bundle: &ContentHash) -> Result<Recognized, AttachmentProblem> {
    let document = object(bytes, PROVENANCE)?;
    if document.get("payloadType").is_none() {
        let format = statement(bytes, bundle)?;
        return Ok(Recognized { format, media_type: PAYLOAD_TYPE });
    }
    let envelope: EnvelopeJson = serde_json::from_value(document)
        .map_err(|error| problem(PROVENANCE, format!("an incomplete envelope ({error})")))?;
    if envelope.payload_type != PAYLOAD_TYPE || envelope.signatures.is_empty() {
        let found = format!("an envelope of {}", shown(&envelope.payload_type));
        return Err(problem(PROVENANCE, found));
    }
    let payload = STANDARD
        .decode(&envelope.payload)
        .map_err(|_| problem(PROVENANCE, "an envelope whose payload is not base64"))?;
    let format = statement(&payload, bundle)?;
    let media_type = "application/vnd.dsse.envelope.v1+json";
    Ok(Recognized { format: format!("{format}, in a DSSE envelope"), media_type })
}

/// What a statement says, if it says it about the bundle.
fn statement(bytes: &[u8], bundle: &ContentHash) -> Result<String, AttachmentProblem> {
    let statement: StatementJson = strict_json::parse(bytes)
        .map_err(|error| problem(PROVENANCE, format!("no statement ({error})")))?;
    let StatementJson { kind, subject, predicate_type } = &statement;
    if !STATEMENTS.contains(&kind.as_str()) || !predicate_type.contains("://") {
        let found = format!("a {} of type {}", shown(kind), shown(predicate_type));
        return Err(problem(PROVENANCE, found));
    }
    let hex = bundle.hex();
    let is_about =
        |subject: &SubjectJson| subject.digest.get("sha256") == Some(&hex.as_str().into());
    // Provenance of something else beside this bundle would be believed of this bundle.
    if !subject.iter().any(is_about) {
        let found = format!("a statement about {} others", subject.len());
        return Err(problem(PROVENANCE, found));
    }
    Ok(format!("in-toto {}", shown(predicate_type)))
}

/// Text of a stranger, short and without control characters.
fn shown(text: &str) -> String {
    text.chars().take(100).collect::<String>().escape_debug().to_string()
}

#[cfg(test)]
mod tests;
