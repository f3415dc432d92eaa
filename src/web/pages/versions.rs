//! The published versions of an extension: `/admin/extensions/{name}/versions`.

use askama::Template;
use jiff::Timestamp;
use semver::Version;

use super::{ByteSize, Chrome, ExtensionHead, Moment, ShortHash, counted};
use crate::model::{ExtensionVersion, Install, InstallId, Tombstone, Yank};

/// The versions tab, newest first.
#[derive(Debug, Template)]
#[template(path = "pages/versions.html")]
pub struct VersionsPage {
    pub chrome: Chrome,
    pub head: ExtensionHead,
    pub rows: Vec<VersionRow>,
    pub removed: Vec<RemovedRow>,
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
    /// Why nobody new may install it, in words; empty without a reason.
    pub yanked: Option<String>,
}

/// What is left of a removed version.
#[derive(Clone, Debug)]
pub struct RemovedRow {
    pub version: Version,
    pub removed: Moment,
    pub removed_by: String,
    pub content_hash: ShortHash,
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
    pub fn new(
        version: &ExtensionVersion,
        install: Option<&Install>,
        yank: Option<&Yank>,
        now: Timestamp,
    ) -> Self {
        Self {
            version: version.version.clone(),
            published: Moment::new(version.published_at, now),
            published_by: version.published_by.clone(),
            size: ByteSize::new(version.size),
            content_hash: version.content_hash.into(),
            signers: version.signers.iter().map(|signer| signer.name.clone()).collect(),
            standing: VersionStanding::of(&version.version, install),
            yanked: yank.map(|yank| yank.reason.clone().unwrap_or_default()),
        }
    }
}

impl VersionRow {
    /// Whether it is yanked and would be new here.
    fn is_barred(&self) -> bool {
        let is_new =
            !matches!(self.standing, VersionStanding::Installed | VersionStanding::Previous);
        self.yanked.is_some() && is_new
    }
}

impl RemovedRow {
    /// The row of a tombstone.
    pub fn new(tombstone: &Tombstone, now: Timestamp) -> Self {
        Self {
            version: tombstone.version.clone(),
            removed: Moment::new(tombstone.removed_at, now),
            removed_by: tombstone.removed_by.clone(),
            content_hash: tombstone.content_hash.into(),
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
