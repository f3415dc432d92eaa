//! The list of extensions: `/admin/extensions`.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use jiff::Timestamp;
use semver::Version;

use super::show::{DoneQuery, chrome_after, page, publish_command, upload_limits};
use super::{Chrome, FormErrors, Moment, Status, UploadLimits, counted};
use crate::app::App;
use crate::model::{
    ExtensionName, ExtensionVersion, Failing, InstallId, Quarantined, offered_version,
};
use crate::registry::LiveInstall;
use crate::trust::Report;
use crate::web::extract::{Answer, Query, SignedIn};

/// Rows post to `/admin/installs/{id}/enable`; the empty list has the upload form.
#[derive(Debug, Template)]
#[template(path = "pages/extensions.html")]
pub struct ExtensionsPage {
    pub chrome: Chrome,
    pub rows: Vec<ExtensionRow>,
    /// What waits for a decision.
    pub quarantined: Vec<QuarantinedRow>,
    /// The command line that publishes to this appliance, ready to copy.
    pub publish_command: String,
    pub limits: UploadLimits,
}

/// One extension.
#[derive(Clone, Debug)]
pub struct ExtensionRow {
    pub name: ExtensionName,
    /// The manifest's display name.
    pub title: Option<String>,
    /// The installed version; the one that an install would get when there is none.
    pub version: Version,
    pub status: Status,
    /// More, in words: why it is quarantined or failing, which newer version waits.
    pub note: Option<String>,
    pub install: Option<InstallId>,
    /// Whether it has a page to open.
    pub has_page: bool,
    /// Every version is yanked: nobody new can install it.
    pub is_barred: bool,
}

/// A bundle in quarantine.
#[derive(Clone, Debug)]
pub struct QuarantinedRow {
    pub name: ExtensionName,
    pub version: Version,
    /// `no signature`, in the words of its report.
    pub why: String,
    pub expires: Moment,
    /// The command line that says more, ready to copy.
    pub command: String,
}

impl ExtensionsPage {
    /// `3 extensions, 1 enabled`, `3 extensions, 1 enabled, 1 failing`
    fn summary(&self) -> String {
        let count = |status| self.rows.iter().filter(|row| row.status == status).count();
        let (enabled, failing) = (count(Status::Enabled), count(Status::Failing));
        let all = counted(self.rows.len() as u64, "extension");
        let failing = if failing > 0 { format!(", {failing} failing") } else { String::new() };
        format!("{all}, {enabled} enabled{failing}")
    }
}

/// `/admin/extensions`: what is published or installed, one row an extension.
pub(in crate::web) async fn show_extensions(
    State(app): State<Arc<App>>,
    Query(query): Query<DoneQuery>,
    who: SignedIn,
) -> Answer {
    let (versions, yanks) = (app.list_versions(&who.principal).await?, app.list_yanks().await?);
    let mut published: BTreeMap<ExtensionName, Vec<ExtensionVersion>> = BTreeMap::new();
    for version in versions {
        published.entry(version.name.clone()).or_default().push(version);
    }
    let installs: BTreeMap<_, _> = app
        .list_installs(&who.principal)
        .into_iter()
        .map(|row| (row.install.name.clone(), row))
        .collect();
    let rows = published.iter().filter_map(|(name, versions)| {
        let is_yanked = |version: &ExtensionVersion| {
            yanks.contains_key(&(version.name.clone(), version.version.clone()))
        };
        let installable = installable(versions, is_yanked);
        let install = installs.get(name);
        let failing = install.and_then(|row| app.failing(&row.install));
        Some(row(versions.first()?, installable, install, failing.as_ref()))
    });
    let now = app.clock.now();
    let waiting = app.list_quarantined(&who.principal).await?;
    page(&ExtensionsPage {
        chrome: chrome_after(&app, &who, "extensions", query.done),
        rows: rows.collect(),
        quarantined: waiting.into_iter().map(|row| QuarantinedRow::new(row, now)).collect(),
        publish_command: publish_command(&app),
        limits: upload_limits(&app),
    })
}

impl QuarantinedRow {
    fn new(row: Quarantined, now: Timestamp) -> Self {
        let report = serde_json::from_value::<Report>(row.report).ok();
        let wanting = |report: Report| {
            let check = report.failures().next()?;
            Some(check.found.as_ref().unwrap_or(&check.code).clone())
        };
        Self {
            why: report
                .and_then(wanting)
                .map_or_else(|| "nobody vouches for it".to_owned(), |why| with_short_hashes(&why)),
            name: row.name,
            version: row.version,
            expires: Moment::new(row.expires_at, now),
            command: format!("plugboard quarantine show {}", &row.content_hash.hex()[..12]),
        }
    }
}

/// Hashes and key ids of a report, which are as long as lines, by their first 8 digits.
fn with_short_hashes(text: &str) -> String {
    let mut parts = text.split("sha256:");
    let mut short = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        let (digits, rest) = part.split_at(digits);
        short += "sha256:";
        match digits.get(..8).filter(|_| digits.len() == 64) {
            Some(first) => short = short + first + "…",
            None => short += digits,
        }
        short += rest;
    }
    short
}

/// What is recommended of the versions of an extension, highest first: the one that an install
/// gets that names none, or, where all others are yanked, the highest pre-release.
pub(super) fn installable(
    versions: &[ExtensionVersion],
    is_yanked: impl Fn(&ExtensionVersion) -> bool,
) -> Option<&ExtensionVersion> {
    let offered = offered_version(versions, |row| (&row.version, is_yanked(row)));
    offered.or_else(|| versions.iter().find(|row| !is_yanked(row)))
}

fn row(
    highest: &ExtensionVersion,
    installable: Option<&ExtensionVersion>,
    install: Option<&Arc<LiveInstall>>,
    failing: Option<&Failing>,
) -> ExtensionRow {
    let shown = install.map_or(installable.unwrap_or(highest), |row| &row.version);
    let newer = installable.filter(|other| other.version > shown.version);
    let is_barred = install.is_none() && installable.is_none();
    let failed = failing.map(|failing| counted(failing.failures.into(), "execution") + " failed");
    let note = failed.or_else(|| newer.map(|newer| format!("{} is published", newer.version)));
    ExtensionRow {
        name: shown.name.clone(),
        title: shown.manifest.display_name.clone(),
        version: shown.version.clone(),
        status: Status::of(install.map(|row| &row.install)).or_failing(failing.is_some()),
        note: note.or_else(|| is_barred.then(|| "yanked".to_owned())),
        install: install.map(|row| row.install.id),
        has_page: shown.manifest.ui.is_some(),
        is_barred,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_of_a_report_are_short_and_all_else_stays() {
        let key = format!("sha256:{}", "4f1a2b3c".repeat(8));

        assert_eq!(
            with_short_hashes(&format!("key {key}, unknown")),
            "key sha256:4f1a2b3c…, unknown"
        );
        assert_eq!(with_short_hashes("no signature"), "no signature");
        assert_eq!(with_short_hashes("sha256:ab sha256:"), "sha256:ab sha256:");
    }
}
