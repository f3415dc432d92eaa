//! The codes of older clients.

use super::*;

#[test]
fn a_bundle_that_could_not_be_read_has_a_code_of_its_own() {
    let row = json!({
        "check": "integrity", "status": "fail", "code": "staged_file_unreadable",
        "expected": null, "found": "the disk is on fire", "hint": null,
    });
    let report = serde_json::from_value(json!({
        "verdict": "not_checked", "content_hash": format!("sha256:{}", "0".repeat(64)),
        "extension": null, "checks": [row],
    }));
    let not_checked = PublishError::NotChecked(report.unwrap());

    let error = refusal(FinishError::from(not_checked).into());

    assert_eq!((error.status, error.code), (FAILED, "MANIFEST_EXTRACTION_FAILED"));
    assert!(!error.detail.contains("on fire"));
}
