//! The list of extensions: `/admin/extensions`.

use askama::Template;
use semver::Version;

use super::{ByteSize, Chrome, FormErrors, Status, counted};
use crate::model::{ExtensionName, InstallId};

/// Rows post to `/admin/installs/{id}/enable`; the empty list has the upload form.
#[derive(Debug, Template)]
#[template(path = "pages/extensions.html")]
pub struct ExtensionsPage {
    pub chrome: Chrome,
    pub rows: Vec<ExtensionRow>,
    /// The command line that publishes to this appliance, ready to copy.
    pub publish_command: String,
    /// The largest bundle.
    pub upload_limit: ByteSize,
}

/// One extension.
#[derive(Clone, Debug)]
pub struct ExtensionRow {
    pub name: ExtensionName,
    /// The manifest's display name.
    pub title: Option<String>,
    /// The installed version; the highest published one when there is no install.
    pub version: Version,
    pub status: Status,
    /// More, in words: why it is quarantined or failing, which newer version waits.
    pub note: Option<String>,
    pub install: Option<InstallId>,
    /// Whether it has a page to open.
    pub has_page: bool,
}

impl ExtensionsPage {
    /// `3 extensions, 1 enabled`
    fn summary(&self) -> String {
        let enabled = self.rows.iter().filter(|row| row.status == Status::Enabled).count();
        format!("{}, {enabled} enabled", counted(self.rows.len() as u64, "extension"))
    }
}
