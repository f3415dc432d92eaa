//! Yanking, unyanking and removing a version:
//! `/admin/extensions/{name}/versions/{version}/{yank,unyank,remove}`.

use std::sync::Arc;

use axum::extract::State;
use semver::Version;
use serde::Deserialize;

use super::show::{chrome, lead_to, page};
use super::sign_in::EmptyForm;
use super::{Chrome, ConfirmPage, counted};
use crate::app::App;
use crate::model::{ExtensionName, ExtensionVersion, Install, InstallId, ScopeKind, TenantId};
use crate::web::extract::{Answer, CsrfForm, Path, SignedIn};

/// What the page of a yank sends.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct YankFields {
    reason: Option<String>,
}

/// Asks before a version is yanked.
pub(in crate::web) async fn confirm_yank(
    State(app): State<Arc<App>>,
    who: SignedIn,
    Path((name, version)): Path<(ExtensionName, Version)>,
) -> Answer {
    let row = app.published(&who.principal, ScopeKind::BundlePublish, &name, &version).await?;
    let tenants = app.tenants_with(&name, &version).len() as u64;
    page(&ConfirmPage::yank(chrome(&app, &who, "extensions"), &row, tenants))
}

/// Yanks.
pub(in crate::web) async fn submit_yank(
    State(app): State<Arc<App>>,
    who: SignedIn,
    Path((name, version)): Path<(ExtensionName, Version)>,
    CsrfForm(form): CsrfForm<YankFields>,
) -> Answer {
    app.yank_version(&who.principal, &name, &version, form.reason.as_deref()).await?;
    Ok(lead_to(&format!("/admin/extensions/{name}/versions?done=yanked")))
}

/// Takes a yank back.
pub(in crate::web) async fn submit_unyank(
    State(app): State<Arc<App>>,
    who: SignedIn,
    Path((name, version)): Path<(ExtensionName, Version)>,
    CsrfForm(EmptyForm {}): CsrfForm<EmptyForm>,
) -> Answer {
    app.unyank_version(&who.principal, &name, &version).await?;
    Ok(lead_to(&format!("/admin/extensions/{name}/versions?done=unyanked")))
}

/// Asks before a version goes for good.
pub(in crate::web) async fn confirm_remove(
    State(app): State<Arc<App>>,
    who: SignedIn,
    Path((name, version)): Path<(ExtensionName, Version)>,
) -> Answer {
    let row = app.published(&who.principal, ScopeKind::BundlePublish, &name, &version).await?;
    let attached = app.list_attachments(&row).await?.iter().filter(|a| a.path.is_none()).count();
    let tenants = app.tenants_with(&name, &version);
    // That of another tenant has no page here.
    let installs = app.list_installs(&who.principal);
    let uses = |install: &Install| install.name == name && install.version == version;
    let own = installs.iter().find(|row| uses(&row.install)).map(|row| row.install.id);
    let chrome = chrome(&app, &who, "extensions");
    page(&ConfirmPage::remove(chrome, &row, attached as u64, &tenants, own))
}

/// Removes, and shows what is left: a tombstone, or nothing.
pub(in crate::web) async fn submit_remove(
    State(app): State<Arc<App>>,
    who: SignedIn,
    Path((name, version)): Path<(ExtensionName, Version)>,
    CsrfForm(EmptyForm {}): CsrfForm<EmptyForm>,
) -> Answer {
    app.remove_version(&who.principal, &name, &version).await?;
    let is_last = app.list_versions_of(&name).await?.is_empty();
    let below = if is_last { String::new() } else { format!("/{name}/versions") };
    Ok(lead_to(&format!("/admin/extensions{below}?done=removed")))
}

impl ConfirmPage {
    /// Asks before nobody new may install a version, which `tenants` have.
    pub fn yank(chrome: Chrome, version: &ExtensionVersion, tenants: u64) -> Self {
        let (name, version) = (&version.name, &version.version);
        let installed = match tenants {
            0 => "It is installed nowhere.".to_owned(),
            _ => format!("It is installed in {}, where it goes on.", counted(tenants, "tenant")),
        };
        Self {
            chrome,
            title: format!("Yank {name} {version}?"),
            consequences: vec![
                "Nobody can install it or upgrade to it.".to_owned(),
                "Installs without a version get the highest one that is neither a pre-release nor \
                 yanked."
                    .to_owned(),
            ],
            kept: vec![
                installed,
                "Its bundle stays published, and the yank can be taken back.".to_owned(),
            ],
            obstacle: None,
            warning: None,
            asks_reason: true,
            purges: None,
            way: None,
            action: format!("/admin/extensions/{name}/versions/{version}/yank"),
            button: "Yank".to_owned(),
            cancel: format!("/admin/extensions/{name}/versions"),
        }
    }

    /// Asks before a version goes, with `attached` files beside it. `tenants` have it, one of
    /// them as an install that can be uninstalled here.
    pub fn remove(
        chrome: Chrome,
        version: &ExtensionVersion,
        attached: u64,
        tenants: &[TenantId],
        install: Option<InstallId>,
    ) -> Self {
        let (name, number) = (&version.name, &version.version);
        let files = version.files.len() as u64;
        let mut consequences = vec![
            format!("The bundle with {} is deleted after 24 hours.", counted(files, "file")),
            format!("The number {number} of {name} is never used again."),
        ];
        let obstacle = (!tenants.is_empty()).then(|| {
            let who = named(tenants);
            format!(
                "It cannot be removed yet: it is installed for {who}. Uninstall it there first, \
                 or change to another version."
            )
        });
        let way = install.map(|install| {
            (format!("/admin/installs/{install}/uninstall"), format!("Uninstall {name}"))
        });
        if attached > 0 {
            consequences.push(format!("{} beside it go too.", counted(attached, "attachment")));
        }
        Self {
            chrome,
            title: format!("Remove {name} {number}?"),
            consequences,
            kept: vec!["Its removal and its content hash stay on record.".to_owned()],
            warning: Some("A removed version cannot be published again.".to_owned()),
            obstacle,
            asks_reason: false,
            purges: None,
            way,
            action: format!("/admin/extensions/{name}/versions/{number}/remove"),
            button: "Remove".to_owned(),
            cancel: format!("/admin/extensions/{name}/versions"),
        }
    }
}

/// `tenant a`, `tenants a and b`, `tenants a, b, c and 4 more`.
fn named(tenants: &[TenantId]) -> String {
    const MOST: usize = 10;
    let mut names: Vec<_> = tenants.iter().take(MOST).map(ToString::to_string).collect();
    if tenants.len() > MOST {
        names.push(format!("{} more", tenants.len() - MOST));
    }
    match names.split_last() {
        Some((only, [])) => format!("tenant {only}"),
        Some((last, others)) => format!("tenants {} and {last}", others.join(", ")),
        None => "nobody".to_owned(),
    }
}
