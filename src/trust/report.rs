//! What a verification found, for people and machines: the same everywhere.

use std::{borrow::Cow, fmt};

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::model::{ContentHash, ExtensionName};

/// The outcome of one attempt to verify a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub verdict: Verdict,
    /// Of the bytes that were received.
    pub content_hash: ContentHash,
    /// What the manifest says the bundle is; `None` when none could be read.
    pub extension: Option<ReportedExtension>,
    /// At least one row for each [`Check`], in the order of [`Check::ALL`].
    pub checks: Vec<CheckResult>,
}

/// The extension and version a report is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedExtension {
    pub name: ExtensionName,
    pub version: Version,
}

/// What becomes of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It may be stored, registered and run.
    Verified,
    /// It is kept, never served and never run, until a person decides.
    Quarantined,
    /// Nothing of it is kept.
    Rejected,
    /// The verifier could not finish: nothing is kept, and trying again is safe.
    NotChecked,
}

/// What is looked at, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Are the received bytes the ones the sender meant?
    Transport,
    /// Are the staged bytes the ones that were received?
    Integrity,
    /// Is it a bundle, within the limits?
    Archive,
    /// Is its manifest complete and sound?
    Manifest,
    /// Does its component fit a world of this appliance?
    Component,
    /// Do its signatures verify, and are they for this bundle?
    Signature,
    /// Are the signers trusted for this extension?
    Trust,
    /// What follows by the rules of this appliance?
    Policy,
}

/// How one check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    Pass,
    Fail,
    Warn,
    Skipped,
}

/// One row of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    pub check: Check,
    pub status: CheckStatus,
    /// A stable word for machines; `ok` when there is nothing to say.
    pub code: String,
    pub expected: Option<String>,
    pub found: Option<String>,
    /// What to do next, as a sentence.
    pub hint: Option<String>,
}

/// Something found, before it is known how much it weighs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) code: Cow<'static, str>,
    pub(super) expected: Option<String>,
    pub(super) found: Option<String>,
    pub(super) hint: Option<String>,
}

/// The rows of a report in the making.
#[derive(Debug, Default)]
pub(super) struct Rows(Vec<CheckResult>);

impl fmt::Display for Verdict {
    /// As machines read it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Verified => "verified",
            Self::Quarantined => "quarantined",
            Self::Rejected => "rejected",
            Self::NotChecked => "not_checked",
        })
    }
}

impl Check {
    /// Every check, in the order of a report.
    pub const ALL: [Self; 8] = [
        Self::Transport,
        Self::Integrity,
        Self::Archive,
        Self::Manifest,
        Self::Component,
        Self::Signature,
        Self::Trust,
        Self::Policy,
    ];
}

impl Report {
    /// Of bytes that are published already: they were verified then, and are not read again.
    pub fn of_published(content_hash: ContentHash, extension: ReportedExtension) -> Self {
        let mut rows = Rows::default();
        for check in Check::ALL {
            rows.add(check, CheckStatus::Skipped, Finding::new("already_published"));
        }
        rows.into_report(Verdict::Verified, content_hash, Some(extension))
    }

    /// The first check that failed; `None` exactly when the bundle is verified.
    ///
    /// A rejected bundle that failed at [`Check::Signature`] carries a bad
    /// signature; one that failed elsewhere is not an acceptable bundle.
    pub fn failed_check(&self) -> Option<Check> {
        self.failures().next().map(|row| row.check)
    }

    /// Whether nobody signed it: then there is no key to trust.
    pub fn is_unsigned(&self) -> bool {
        self.checks.iter().any(|row| row.code == "unsigned")
    }

    /// The rows that failed.
    pub fn failures(&self) -> impl Iterator<Item = &CheckResult> {
        self.checks.iter().filter(|row| row.status == CheckStatus::Fail)
    }
}

impl Finding {
    pub(super) fn new(code: impl Into<Cow<'static, str>>) -> Self {
        Self { code: code.into(), expected: None, found: None, hint: None }
    }

    pub(super) fn expected(mut self, text: impl Into<String>) -> Self {
        self.expected = Some(text.into());
        self
    }

    pub(super) fn found(mut self, text: impl Into<String>) -> Self {
        self.found = Some(text.into());
        self
    }

    pub(super) fn hint(mut self, text: impl Into<String>) -> Self {
        self.hint = Some(text.into());
        self
    }
}

impl Rows {
    pub(super) fn pass(&mut self, check: Check, found: impl Into<String>) {
        self.add(check, CheckStatus::Pass, Finding::new("ok").found(found));
    }

    pub(super) fn add(&mut self, check: Check, status: CheckStatus, finding: Finding) {
        let Finding { code, expected, found, hint } = finding;
        self.0.push(CheckResult { check, status, code: code.into_owned(), expected, found, hint });
    }

    /// Ends the report: checks that were never reached are `skipped`.
    pub(super) fn into_report(
        mut self,
        verdict: Verdict,
        content_hash: ContentHash,
        extension: Option<ReportedExtension>,
    ) -> Report {
        for check in Check::ALL {
            if self.0.iter().all(|row| row.check != check) {
                let why = Finding::new("not_reached");
                self.add(check, CheckStatus::Skipped, why);
            }
        }
        self.0.sort_by_key(|row| row.check);
        Report { verdict, content_hash, extension, checks: self.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_has_a_row_in_order() {
        let mut rows = Rows::default();
        rows.add(Check::Policy, CheckStatus::Warn, Finding::new("b"));
        rows.pass(Check::Transport, "a");

        let report = rows.into_report(Verdict::Verified, ContentHash::of(b""), None);

        let checks: Vec<_> = report.checks.iter().map(|row| row.check).collect();
        assert_eq!(checks, Check::ALL);
        assert_eq!(report.failed_check(), None);
    }

    #[test]
    fn the_json_is_the_documented_one() {
        let mut rows = Rows::default();
        let finding = Finding::new("hash_mismatch").expected("e").found("f").hint("H.");
        rows.add(Check::Transport, CheckStatus::Fail, finding);
        let report = rows.into_report(Verdict::NotChecked, ContentHash::of(b""), None);

        let json = serde_json::to_value(&report).unwrap();

        assert_eq!(json["verdict"], "not_checked");
        assert_eq!(
            json["checks"][0],
            serde_json::json!({
                "check": "transport", "status": "fail", "code": "hash_mismatch",
                "expected": "e", "found": "f", "hint": "H.",
            })
        );
        assert_eq!(json["checks"][7]["check"], "policy");
        assert_eq!(json["checks"][7]["status"], "skipped");
        assert_eq!(serde_json::from_value::<Report>(json).unwrap(), report);
    }
}
