//! What is taken for an SBOM or for provenance, and what is refused.

use serde_json::json;

use super::*;

fn bundle() -> ContentHash {
    ContentHash::of(b"bundle")
}

fn format_of(kind: AttachmentKind, document: &Value) -> Result<String, AttachmentProblem> {
    recognize(kind, document.to_string().as_bytes(), &bundle()).map(|found| found.format)
}

fn statement_about(digest: &str) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "other", "digest": {"sha256": "00"}},
                    {"name": "bundle.tar.zst", "digest": {"sha256": digest}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {},
    })
}

#[test]
fn the_formats_of_sboms_are_recognized() {
    for (document, format) in [
        (json!({"bomFormat": "CycloneDX", "specVersion": "1.6"}), "CycloneDX 1.6"),
        (json!({"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "a"}), "SPDX 2.3"),
        (
            json!({"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": []}),
            "SPDX 3.0.1",
        ),
    ] {
        assert_eq!(format_of(AttachmentKind::Sbom, &document).as_deref(), Ok(format));
    }
}

#[test]
fn what_is_no_sbom_is_refused() {
    for document in [
        json!({}),
        json!([]),
        json!({"bomFormat": "CycloneDX"}),
        json!({"bomFormat": "CycloneDX", "specVersion": "1.1"}),
        json!({"bomFormat": "CycloneDX", "specVersion": "1.6<script>"}),
        json!({"bomFormat": "Other", "specVersion": "1.6"}),
        json!({"spdxVersion": "SPDX-2.3", "name": "a"}),
        json!({"spdxVersion": "SPDX-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": "a"}),
        json!({"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"}),
        json!({"@context": "https://example.com", "@graph": []}),
        statement_about(&bundle().hex()),
    ] {
        assert!(format_of(AttachmentKind::Sbom, &document).is_err(), "{document}");
    }
    for bytes in [&b"<bom/>"[..], b"{", br#"{"bomFormat":"CycloneDX","bomFormat":"x"}"#] {
        assert!(recognize(AttachmentKind::Sbom, bytes, &bundle()).is_err(), "{bytes:?}");
    }
}

#[test]
fn a_statement_about_this_bundle_is_provenance_bare_or_in_an_envelope() {
    let bare = statement_about(&bundle().hex());
    let envelope = json!({
        "payloadType": PAYLOAD_TYPE,
        "payload": STANDARD.encode(bare.to_string()),
        "signatures": [{"sig": "AA=="}],
    });

    let format = "in-toto https://slsa.dev/provenance/v1";
    assert_eq!(format_of(AttachmentKind::Provenance, &bare).as_deref(), Ok(format));
    let in_envelope = format!("{format}, in a DSSE envelope");
    assert_eq!(format_of(AttachmentKind::Provenance, &envelope), Ok(in_envelope));
}

#[test]
fn what_is_no_provenance_of_this_bundle_is_refused() {
    let good = statement_about(&bundle().hex());
    let with = |key: &str, value: Value| {
        let mut document = good.clone();
        document[key] = value;
        document
    };
    let envelope = |payload_type: &str, payload: &str, signatures: Value| json!({"payloadType": payload_type, "payload": payload, "signatures": signatures});
    let payload = STANDARD.encode(good.to_string());
    for document in [
        statement_about(&ContentHash::of(b"other").hex()),
        with("_type", json!("https://example.com")),
        with("predicateType", json!("")),
        with("subject", json!([])),
        json!({"bomFormat": "CycloneDX", "specVersion": "1.6"}),
        envelope("text/plain", &payload, json!([{}])),
        envelope(PAYLOAD_TYPE, "****", json!([{}])),
        envelope(PAYLOAD_TYPE, &payload, json!([])),
        envelope(PAYLOAD_TYPE, &STANDARD.encode("{}"), json!([{}])),
    ] {
        assert!(format_of(AttachmentKind::Provenance, &document).is_err(), "{document}");
    }
}

#[test]
fn files_of_the_bundle_are_nobodys_to_attach() {
    assert!(recognize(AttachmentKind::Readme, b"{}", &bundle()).is_err());
    assert!(recognize(AttachmentKind::Changelog, b"{}", &bundle()).is_err());
}
