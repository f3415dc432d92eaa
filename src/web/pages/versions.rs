//! The published versions of an extension: `/admin/extensions/{name}/versions`.

use askama::Template;
use jiff::Timestamp;
use semver::Version;

use super::{ByteSize, Chrome, ExtensionHead, Moment, ShortHash, counted};
use crate::model::{ExtensionVersion, Install, InstallId};

/// The versions tab, newest first.
#[derive(Debug, Template)]
#[template(path = "pages/versions.html")]
pub struct VersionsPage {
    pub chrome: Chrome,
    pub head: ExtensionHead,
    pub rows: Vec<VersionRow>,
    pub install: Option<InstallId>,
}

/// One published version.
#[derive(Clone, Debug)]
pub struct VersionRow {
    pub version: Version,
    pub published: Moment,
    pub published_by: String,
    pub size: ByteSize,
    pub content_hash: ShortHash,
    /// Names of the keys; empty when approved by an operator.
    pub signers: Vec<String>,
    pub standing: VersionStanding,
}

/// How a version stands to the install.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionStanding {
    /// There is no install.
    Free,
    Installed,
    /// What `upgrade --back` restores.
    Previous,
    Newer,
    Older,
}

impl VersionsPage {
    fn tally(&self) -> String {
        counted(self.rows.len() as u64, "published version")
    }
}

impl VersionRow {
    /// The row of `version` for the extension's `install`.
    pub fn new(version: &ExtensionVersion, install: Option<&Install>, now: Timestamp) -> Self {
        Self {
            version: version.version.clone(),
            published: Moment::new(version.published_at, now),
            published_by: version.published_by.clone(),
            size: ByteSize::new(version.size),
            content_hash: version.content_hash.into(),
            signers: version.signers.iter().map(|signer| signer.name.clone()).collect(),
            standing: VersionStanding::of(&version.version, install),
        }
    }
}

impl VersionStanding {
    fn of(version: &Version, install: Option<&Install>) -> Self {
        let Some(install) = install else { return Self::Free };
        let previous = install.previous.as_ref().map(|previous| &previous.version);
        if *version == install.version {
            Self::Installed
        } else if previous == Some(version) {
            Self::Previous
        } else if *version > install.version {
            Self::Newer
        } else {
            Self::Older
        }
    }
}
