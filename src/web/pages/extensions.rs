//! The list of extensions: `/admin/extensions`.

use super::show::{DoneQuery, chrome_after, page, publish_command, upload_limit};
use crate::app::App;
use crate::model::ExtensionVersion;
use crate::registry::LiveInstall;
use crate::web::extract::{Answer, Query, SignedIn};
use askama::Template;
use axum::extract::State;
use semver::Version;
use std::collections::BTreeMap;
use std::sync::Arc;

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

/// `/admin/extensions`: what is published or installed, one row an extension.
pub(in crate::web) async fn show_extensions(
    State(app): State<Arc<App>>,
    Query(query): Query<DoneQuery>,
    who: SignedIn,
) -> Answer {
    let versions = app.list_versions(&who.principal).await?;
    let mut highest: BTreeMap<ExtensionName, ExtensionVersion> = BTreeMap::new();
    for version in versions {
        // They come highest first.
        highest.entry(version.name.clone()).or_insert(version);
    }
    let installs: BTreeMap<_, _> = app
        .list_installs(&who.principal)
        .into_iter()
        .map(|row| (row.install.name.clone(), row))
        .collect();
    let rows = highest.values().map(|version| row(version, installs.get(&version.name)));
    page(&ExtensionsPage {
        chrome: chrome_after(&app, &who, "extensions", query.done),
        rows: rows.collect(),
        publish_command: publish_command(&app),
        upload_limit: upload_limit(&app),
    })
}

fn row(highest: &ExtensionVersion, install: Option<&Arc<LiveInstall>>) -> ExtensionRow {
    let shown = install.map_or(highest, |row| &row.version);
    let is_newer = highest.version > shown.version;
    ExtensionRow {
        name: shown.name.clone(),
        title: shown.manifest.display_name.clone(),
        version: shown.version.clone(),
        status: Status::of(install.map(|row| &row.install)),
        note: is_newer.then(|| format!("{} is published", highest.version)),
        install: install.map(|row| row.install.id),
        has_page: shown.manifest.ui.is_some(),
    }
}
