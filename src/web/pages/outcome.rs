//! What became of an uploaded bundle: the answer to the form of `/admin/upload`.

use std::collections::BTreeMap;

use askama::Template;
use semver::Version;

use super::attachments::title;
use super::{ByteSize, CheckMark, CheckRow, Chrome, InstallForm, ShortHash, Tone, counted};
use crate::model::{AttachmentKind, ExtensionName, InstallId};

/// The verdict, the check list, and what can be done next.
#[derive(Debug, Template)]
#[template(path = "pages/outcome.html")]
pub struct OutcomePage {
    pub chrome: Chrome,
    pub outcome: Outcome,
    /// Who the bundle says it is; unknown when its manifest could not be read.
    pub extension: Option<(ExtensionName, Version)>,
    pub content_hash: ShortHash,
    pub size: ByteSize,
    /// What came along; only a published bundle keeps it.
    pub attachments: Vec<AttachmentKind>,
    /// In the order of the report; shown failed ones first.
    pub checks: Vec<CheckRow>,
    pub next: NextStep,
    /// What an operator can do about a quarantined or rejected bundle.
    pub remedies: Vec<Remedy>,
}

/// What publishing did with the bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Created,
    Unchanged,
    Quarantined,
    Rejected,
    NotChecked,
}

/// What a published version invites to.
#[derive(Clone, Debug)]
pub enum NextStep {
    /// No install of the extension: the form.
    Install(InstallForm),
    /// Installed at another version.
    Upgrade { install: InstallId, from: Version },
    /// Installed at exactly this version.
    Installed,
    /// It is yanked: why it cannot be had.
    Barred(String),
    /// Nothing was published.
    Nothing,
}

/// One way out of a quarantine.
#[derive(Clone, Debug)]
pub struct Remedy {
    /// A sentence.
    pub text: String,
    /// The command line that does it, ready to copy.
    pub command: Option<String>,
}

impl Outcome {
    /// The heading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Created => "Verified and published",
            Self::Unchanged => "Already published",
            Self::Quarantined => "Quarantined",
            Self::Rejected => "Rejected",
            Self::NotChecked => "Not checked",
        }
    }

    /// What it means for the operator.
    pub const fn tone(self) -> Tone {
        match self {
            Self::Created | Self::Unchanged => Tone::Good,
            Self::Quarantined | Self::NotChecked => Tone::Attention,
            Self::Rejected => Tone::Danger,
        }
    }
}

impl OutcomePage {
    fn sorted_checks(&self) -> Vec<CheckRow> {
        let mut rows = self.checks.clone();
        CheckRow::sort(&mut rows);
        rows
    }

    /// How many checks ended so. A check has a row for each thing it found: its worst counts.
    fn count(&self, mark: CheckMark) -> u64 {
        self.worst_of_each().values().filter(|worst| **worst == mark).count() as u64
    }

    fn worst_of_each(&self) -> BTreeMap<&str, CheckMark> {
        let mut worst = BTreeMap::new();
        for check in &self.checks {
            let mark = worst.entry(check.name.as_str()).or_insert(check.status);
            *mark = check.status.min(*mark);
        }
        worst
    }

    /// What happened and what it means, with the numbers.
    fn sentence(&self) -> String {
        let subject = match &self.extension {
            Some((name, version)) => format!("{name} {version}"),
            None => "the bundle".to_owned(),
        };
        let failed = counted(self.count(CheckMark::Fail), "check");
        match self.outcome {
            Outcome::Created => {
                format!(
                    "{subject} passed every check and is published. Nothing of it runs before it is installed and enabled."
                )
            }
            Outcome::Unchanged => {
                format!("Exactly these bytes are published as {subject} already. Nothing changed.")
            }
            Outcome::Quarantined => format!(
                "No trusted key vouches for {subject}. It is well formed and kept, but it is not served and does not run until an operator decides."
            ),
            Outcome::Rejected => {
                format!("The bundle failed {failed}. Nothing of it was kept.")
            }
            Outcome::NotChecked => format!(
                "The appliance could not finish checking {subject}. Nothing was kept; it is safe to upload it again."
            ),
        }
    }

    fn is_published(&self) -> bool {
        matches!(self.outcome, Outcome::Created | Outcome::Unchanged)
    }

    /// `SBOM, Provenance`
    fn attached(&self) -> String {
        self.attachments.iter().map(|kind| title(*kind)).collect::<Vec<_>>().join(", ")
    }

    /// `7 of 8 checks passed, 1 failed`
    fn tally(&self) -> String {
        let total = counted(self.worst_of_each().len() as u64, "check");
        let mut parts = vec![format!("{} of {total} passed", self.count(CheckMark::Pass))];
        for (mark, word) in [
            (CheckMark::Fail, "failed"),
            (CheckMark::Warn, "with a warning"),
            (CheckMark::Skipped, "skipped"),
        ] {
            let count = self.count(mark);
            if count > 0 {
                parts.push(format!("{count} {word}"));
            }
        }
        parts.join(", ")
    }
}
