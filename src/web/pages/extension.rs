//! One extension: its head with the tabs, and the overview, `/admin/extensions/{name}`.

use super::extensions::installable;
use super::show::{Done, chrome_after, page};
use super::{
    FilesPage, FormErrors, RemovedRow, SettingChanges, SettingsForm, SettingsPage, VersionRow,
    VersionsPage,
};
use crate::app::App;
use crate::registry::LiveInstall;
use crate::web::error::ApiError;
use crate::web::extract::{Answer, Path, Query, SignedIn};
use askama::Template;
use axum::extract::State;
use jiff::Timestamp;
use semver::Version;
use serde::Deserialize;
use std::sync::Arc;

use super::{
    Authors, ByteSize, CapabilityRow, Chrome, InstallForm, Moment, ShortHash, Standing, Status,
    UsageView, counted,
};
use crate::model::{
    Capability, Endpoint, EndpointAuth, ExtensionName, ExtensionVersion, Failing, Install,
    InstallId, Manifest, Signer, TargetWorld, Tombstone, Yank,
};

/// What stands above every tab of an extension.
#[derive(Clone, Debug)]
pub struct ExtensionHead {
    pub name: ExtensionName,
    /// The manifest's display name.
    pub title: Option<String>,
    /// The version the page is about.
    pub version: Version,
    pub status: Status,
    /// More about the status, in words.
    pub note: Option<String>,
    pub install: Option<InstallId>,
    /// Where the grants of the install are changed.
    pub grants: Option<String>,
    /// Whether it has a page to open.
    pub has_page: bool,
    /// `overview`, `versions`, `settings`, `secrets`, `egress`, `logs` or `files`.
    pub tab: &'static str,
}

/// The overview tab.
#[derive(Debug, Template)]
#[template(path = "pages/extension.html")]
pub struct ExtensionPage {
    pub chrome: Chrome,
    pub head: ExtensionHead,
    pub manifest: Manifest,
    pub published: Moment,
    pub published_by: String,
    pub content_hash: ShortHash,
    pub size: ByteSize,
    pub unpacked_size: ByteSize,
    /// `214 files`
    pub file_count: String,
    /// `None` for an extension that is only pages.
    pub world: Option<&'static str>,
    pub signers: Vec<Signer>,
    /// Why a bundle without a trusted signature is here.
    pub approved_because: Option<String>,
    /// Of the install, where there is one and something that runs.
    pub usage: Option<UsageView>,
    /// What the install keeps: `12 values in 2 namespaces, 3.4 KiB of 256 MiB`.
    pub kept: Option<String>,
    /// Empty when the extension is not installed: the form says what it asks for.
    pub capabilities: Vec<CapabilityRow>,
    pub install_id: Option<InstallId>,
    /// Why nobody new may install this version; empty without a reason.
    pub yanked: Option<String>,
    /// Shown when the extension is not installed, and the version not yanked.
    pub install_form: Option<InstallForm>,
}

impl ExtensionHead {
    /// The head for `version`, used by `install` or by nobody.
    pub fn new(
        version: &ExtensionVersion,
        install: Option<&Install>,
        status: Status,
        tab: &'static str,
    ) -> Self {
        let other = install.filter(|install| install.version != version.version);
        Self {
            name: version.name.clone(),
            title: version.manifest.display_name.clone(),
            version: version.version.clone(),
            status,
            note: other.map(|install| format!("with {}", install.version)),
            install: install.map(|install| install.id),
            grants: install.map(|install| {
                format!("/admin/installs/{}/upgrade?version={}", install.id, install.version)
            }),
            has_page: version.manifest.ui.is_some(),
            tab,
        }
    }
}

impl ExtensionPage {
    /// The overview of `version`.
    pub fn new(
        chrome: Chrome,
        head: ExtensionHead,
        version: &ExtensionVersion,
        install: Option<&Install>,
        yank: Option<&Yank>,
        usage: Option<UsageView>,
        now: Timestamp,
    ) -> Self {
        let may_install = install.is_none() && yank.is_none();
        let manifest = &version.manifest;
        Self {
            chrome,
            head,
            usage,
            kept: None,
            published: Moment::new(version.published_at, now),
            published_by: version.published_by.clone(),
            content_hash: version.content_hash.into(),
            size: ByteSize::new(version.size),
            unpacked_size: ByteSize::new(version.files.iter().map(|file| file.size).sum()),
            file_count: counted(version.files.len() as u64, "file"),
            world: version.world.map(TargetWorld::as_str),
            signers: version.signers.clone(),
            approved_because: version.approved_because.clone(),
            capabilities: install
                .map(|install| CapabilityRow::list(manifest, &install.grants))
                .unwrap_or_default(),
            install_id: install.map(|install| install.id),
            install_form: may_install.then(|| InstallForm::new(manifest)),
            yanked: yank.map(|yank| yank.reason.clone().unwrap_or_default()),
            manifest: manifest.clone(),
        }
    }

    /// An address of the publisher's choice becomes a link only if it cannot be a script.
    fn homepage_is_link(&self) -> bool {
        self.manifest.homepage.as_deref().is_some_and(|url| url.starts_with("https://"))
    }

    /// Whether there is anything that an operator grants or not.
    fn has_choice(&self) -> bool {
        self.capabilities.iter().any(|row| row.standing != Standing::Always)
    }

    /// Whether any endpoint says what it is for.
    fn says_what_for(&self) -> bool {
        self.manifest.endpoints.iter().any(|endpoint| endpoint.summary.is_some())
    }

    /// The manifest as the registry keeps it.
    fn manifest_json(&self) -> String {
        serde_json::to_string_pretty(&self.manifest).expect("a manifest has string keys only")
    }

    /// Who may call an endpoint, in words.
    #[expect(clippy::unused_self, reason = "a template calls methods only")]
    fn who(&self, endpoint: &Endpoint) -> &'static str {
        match endpoint.auth {
            EndpointAuth::Session => "operators and tokens",
            EndpointAuth::Token => "tokens only",
            EndpointAuth::Public => "anyone",
        }
    }
}

/// Which version a page is about, and what was done before.
#[derive(Debug, Default, Deserialize)]
pub(in crate::web) struct ExtensionQuery {
    /// Absent: the installed version, else the one that an install would get.
    version: Option<Version>,
    #[serde(default)]
    page: Option<usize>,
    done: Option<Done>,
}

/// What the tabs of an extension are made of.
pub(super) struct Found {
    version: ExtensionVersion,
    install: Option<Arc<LiveInstall>>,
    failing: Option<Failing>,
    pub(super) chrome: Chrome,
}

impl Found {
    pub(super) fn head(&self, tab: &'static str) -> ExtensionHead {
        let install = self.install();
        let status = Status::of(install).or_failing(self.failing.is_some());
        ExtensionHead::new(&self.version, install, status, tab)
    }

    pub(super) fn asks_for(&self, capability: Capability) -> bool {
        self.version.manifest.capabilities.contains(&capability)
    }

    pub(super) fn install(&self) -> Option<&Install> {
        self.install.as_ref().map(|row| &row.install)
    }
}

pub(super) async fn find(
    app: &App,
    who: &SignedIn,
    name: &ExtensionName,
    query: &ExtensionQuery,
) -> Result<Found, ApiError> {
    let installs = app.list_installs(&who.principal);
    let install = installs.into_iter().find(|row| row.install.name == *name);
    let version = match (&query.version, &install) {
        (Some(version), _) => app.get_version(name, version).await?,
        (None, Some(install)) => Some((*install.version).clone()),
        (None, None) => not_installed(app, name).await?,
    };
    let unknown = || match &query.version {
        Some(version) => ApiError::not_found(format!("{name} {version} is not published")),
        None => ApiError::not_found(format!("there is no extension {name}"))
            .hint("it is neither published nor installed: look whether its name is written so"),
    };
    let chrome = chrome_after(app, who, "extensions", query.done);
    let failing = install.as_ref().and_then(|row| app.failing(&row.install));
    Ok(Found { version: version.ok_or_else(unknown)?, install, failing, chrome })
}

/// What is shown of an extension that is not installed; where all is yanked, the highest.
async fn not_installed(
    app: &App,
    name: &ExtensionName,
) -> Result<Option<ExtensionVersion>, ApiError> {
    let (versions, standings) = (app.list_versions_of(name).await?, app.standings_of(name).await?);
    let yanks = &standings.yanks;
    let installable = installable(&versions, |row| yanks.contains_key(&row.version));
    Ok(installable.or(versions.first()).cloned())
}

/// `/admin/extensions/{name}`
pub(in crate::web) async fn show_extension(
    State(app): State<Arc<App>>,
    Path(name): Path<ExtensionName>,
    Query(query): Query<ExtensionQuery>,
    who: SignedIn,
) -> Answer {
    let found = find(&app, &who, &name, &query).await?;
    let head = found.head("overview");
    let install = found.install().cloned();
    let now = app.clock.now();
    let yanks = app.standings_of(&name).await?.yanks;
    let yank = yanks.get(&found.version.version);
    let runs = found.install.as_ref().filter(|row| row.version.world.is_some());
    let usage = match runs {
        Some(row) => {
            let report = app.usage_of(&who.principal, row.install.id)?;
            Some(UsageView::new(&report, now))
        }
        None => None,
    };
    let install = install.as_ref();
    let kept = match install {
        Some(install) => describe_kept(&app, install).await?,
        None => None,
    };
    let overview =
        ExtensionPage::new(found.chrome, head, &found.version, install, yank, usage, now);
    let mut capabilities = overview.capabilities;
    if let Some(install) = install {
        let application = app.config.host_callbacks.of(&install.tenant);
        CapabilityRow::limit(&mut capabilities, &application);
    }
    let published_by = Authors::of(&app, &who).await?.name(&overview.published_by);
    page(&ExtensionPage { published_by, kept, capabilities, ..overview })
}

/// What an install keeps; nothing for one that keeps nothing and may not.
async fn describe_kept(app: &App, install: &Install) -> Result<Option<String>, ApiError> {
    let usage = app.usage_of_state(install).await?;
    let may_keep = install.grants.contains(&Capability::StorageKv);
    let size = |bytes| ByteSize::new(bytes).text;
    Ok((may_keep || usage.keys > 0).then(|| {
        format!(
            "{} in {}, {} of {}",
            counted(usage.keys, "value"),
            counted(usage.namespaces, "namespace"),
            size(usage.bytes),
            size(app.state.limits().max_bytes),
        )
    }))
}

/// `/admin/extensions/{name}/versions`
pub(in crate::web) async fn show_extension_versions(
    State(app): State<Arc<App>>,
    Path(name): Path<ExtensionName>,
    Query(query): Query<ExtensionQuery>,
    who: SignedIn,
) -> Answer {
    let found = find(&app, &who, &name, &query).await?;
    let (now, versions) = (app.clock.now(), app.list_versions_of(&name).await?);
    let standings = app.standings_of(&name).await?;
    let authors = Authors::of(&app, &who).await?;
    let row = |version: &ExtensionVersion| {
        let yank = standings.yanks.get(&version.version);
        let row = VersionRow::new(version, found.install(), yank, now);
        VersionRow { published_by: authors.name(&row.published_by), ..row }
    };
    let removed = |tombstone: &Tombstone| {
        let row = RemovedRow::new(tombstone, now);
        RemovedRow { removed_by: authors.name(&row.removed_by), ..row }
    };
    page(&VersionsPage {
        head: found.head("versions"),
        rows: versions.iter().map(row).collect(),
        removed: standings.removed.iter().map(removed).collect(),
        install: found.install().map(|install| install.id),
        chrome: found.chrome,
    })
}

/// `/admin/extensions/{name}/settings`
pub(in crate::web) async fn show_extension_settings(
    State(app): State<Arc<App>>,
    Path(name): Path<ExtensionName>,
    Query(query): Query<ExtensionQuery>,
    who: SignedIn,
) -> Answer {
    let found = find(&app, &who, &name, &query).await?;
    let schema = found.install.as_ref().and_then(|row| {
        let schema = row.version.manifest.settings.as_ref()?;
        Some(SettingsForm::new(schema, &row.install.settings))
    });
    let changes = match found.install() {
        Some(install) => SettingChanges::of(&app, &who, install).await?,
        None => SettingChanges::default(),
    };
    page(&SettingsPage {
        head: found.head("settings"),
        form: schema,
        errors: FormErrors::none(),
        changes,
        chrome: found.chrome,
    })
}

/// `/admin/extensions/{name}/files`
pub(in crate::web) async fn show_extension_files(
    State(app): State<Arc<App>>,
    Path(name): Path<ExtensionName>,
    Query(query): Query<ExtensionQuery>,
    who: SignedIn,
) -> Answer {
    let found = find(&app, &who, &name, &query).await?;
    let head = found.head("files");
    page(&FilesPage::new(found.chrome, head, &found.version, query.page.unwrap_or(1)))
}
