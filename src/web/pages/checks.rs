//! The check list: a verification report as rows.

use crate::trust::{Check, CheckResult, CheckStatus};

/// One check of a report.
#[derive(Clone, Debug)]
pub struct CheckRow {
    /// `integrity`, `archive`, …
    pub name: String,
    pub status: CheckMark,
    /// The stable code; empty when there is nothing to name.
    pub code: String,
    pub expected: Option<String>,
    pub found: Option<String>,
    pub hint: Option<String>,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckMark {
    Fail,
    Warn,
    Pass,
    Skipped,
}

impl CheckMark {
    /// The word beside the mark.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fail => "failed",
            Self::Warn => "warning",
            Self::Pass => "passed",
            Self::Skipped => "skipped",
        }
    }

    /// The class in `app.css`.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Warn => "warn",
            Self::Pass => "pass",
            Self::Skipped => "skipped",
        }
    }
}

impl CheckRow {
    /// Whether a person must read this row.
    pub fn is_open(&self) -> bool {
        matches!(self.status, CheckMark::Fail | CheckMark::Warn)
    }

    /// What stands on the row's first line: what was found.
    pub fn summary(&self) -> &str {
        self.found.as_deref().or(self.hint.as_deref()).unwrap_or_default()
    }

    /// The hint, where it is not on the first line already.
    pub fn advice(&self) -> Option<&str> {
        self.hint.as_deref().filter(|_| self.found.is_some())
    }

    /// Whether there is more than the first line.
    pub fn has_more(&self) -> bool {
        self.is_open() || self.expected.is_some() || self.advice().is_some()
    }

    /// Failed rows first, then warnings; each group keeps the order of the checks.
    pub fn sort(rows: &mut [Self]) {
        rows.sort_by_key(|row| row.status);
    }
}

impl From<&CheckResult> for CheckRow {
    fn from(result: &CheckResult) -> Self {
        let CheckResult { check, status, code, expected, found, hint } = result;
        Self {
            name: name(*check).to_owned(),
            status: (*status).into(),
            code: code.clone(),
            expected: expected.clone(),
            found: found.clone(),
            hint: hint.clone(),
        }
    }
}

impl From<CheckStatus> for CheckMark {
    fn from(status: CheckStatus) -> Self {
        match status {
            CheckStatus::Fail => Self::Fail,
            CheckStatus::Warn => Self::Warn,
            CheckStatus::Pass => Self::Pass,
            CheckStatus::Skipped => Self::Skipped,
        }
    }
}

/// The word that reports and logs have for a check.
const fn name(check: Check) -> &'static str {
    match check {
        Check::Transport => "transport",
        Check::Integrity => "integrity",
        Check::Archive => "archive",
        Check::Manifest => "manifest",
        Check::Component => "component",
        Check::Signature => "signature",
        Check::Trust => "trust",
        Check::Policy => "policy",
    }
}
