//! The forms that change an install: install, enable, disable, uninstall,
//! upgrade, settings.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use semver::Version;
use serde::Deserialize;

use super::show::{chrome, lead_to, page};
use super::sign_in::EmptyForm;
use super::{
    ConfirmPage, ExtensionHead, FormErrors, SettingChanges, SettingsForm, SettingsPage, Status,
    UpgradePage,
};
use crate::app::App;
use crate::app::configure::ConfigureError;
use crate::app::install::{InstallRequest, Installed};
use crate::app::upgrade::UpgradeRequest;
use crate::model::{Capability, ExtensionName, InstallId};
use crate::web::error::ApiError;
use crate::web::extract::{Answer, CsrfForm, FormPairs, Path, Query, SignedIn};

/// What an install form sends.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct InstallFields {
    name: ExtensionName,
    version: Version,
    #[serde(default)]
    grant: BTreeSet<Capability>,
    #[serde(default)]
    enable: bool,
}

/// What the page of an uninstall sends.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct UninstallFields {
    #[serde(default)]
    purge: bool,
}

/// What an upgrade form sends, and what its address asks.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct UpgradeFields {
    version: Option<Version>,
    #[serde(default)]
    grant: BTreeSet<Capability>,
    #[serde(default)]
    back: bool,
    #[serde(default)]
    confirm: bool,
}

/// Installs, and enables if asked to.
pub(in crate::web) async fn submit_install(
    State(app): State<Arc<App>>,
    who: SignedIn,
    CsrfForm(form): CsrfForm<InstallFields>,
) -> Answer {
    let InstallFields { name, version, grant, enable } = form;
    let version = Some(version);
    let request = InstallRequest { name, version, grants: grant, egress: None, enabled: false };
    let installed = app.install(&who.principal, request).await?;
    let (Installed::Created(install) | Installed::Unchanged(install)) = installed;
    let mut done = "installed";
    if enable {
        app.set_enabled(&who.principal, install.id, true).await?;
        done = "enabled";
    }
    Ok(lead_to(&format!("/admin/extensions/{}?done={done}", install.name)))
}

/// Enables.
pub(in crate::web) async fn submit_enable(
    State(app): State<Arc<App>>,
    who: SignedIn,
    Path(id): Path<InstallId>,
    CsrfForm(EmptyForm {}): CsrfForm<EmptyForm>,
) -> Answer {
    let install = app.set_enabled(&who.principal, id, true).await?;
    Ok(lead_to(&format!("/admin/extensions/{}?done=enabled", install.name)))
}

/// Asks before disabling: who is affected, in numbers.
pub(in crate::web) async fn confirm_disable(
    State(app): State<Arc<App>>,
    who: SignedIn,
    Path(id): Path<InstallId>,
) -> Answer {
    let row = app.get_install(&who.principal, id)?;
    let chrome = chrome(&app, &who, "extensions");
    page(&ConfirmPage::disable(chrome, &row.install, &row.version))
}

/// Disables.
pub(in crate::web) async fn submit_disable(
    State(app): State<Arc<App>>,
    who: SignedIn,
    Path(id): Path<InstallId>,
    CsrfForm(EmptyForm {}): CsrfForm<EmptyForm>,
) -> Answer {
    let install = app.set_enabled(&who.principal, id, false).await?;
    Ok(lead_to(&format!("/admin/extensions/{}?done=disabled", install.name)))
}

/// Asks before uninstalling.
pub(in crate::web) async fn confirm_uninstall(
    State(app): State<Arc<App>>,
    who: SignedIn,
    Path(id): Path<InstallId>,
) -> Answer {
    let row = app.get_install(&who.principal, id)?;
    let versions = app.list_versions_of(&row.install.name).await?.len() as u64;
    let secrets = app.list_secrets(&who.principal, id).await?.len() as u64;
    let chrome = chrome(&app, &who, "extensions");
    let kept = app.usage_of_state(&row.install).await?;
    let question = ConfirmPage::uninstall(chrome, &row.install, &row.version, versions, secrets);
    page(&question.keeping(kept, app.state.limits().kept_days))
}

/// Uninstalls.
pub(in crate::web) async fn submit_uninstall(
    State(app): State<Arc<App>>,
    who: SignedIn,
    Path(id): Path<InstallId>,
    CsrfForm(form): CsrfForm<UninstallFields>,
) -> Answer {
    app.uninstall(&who.principal, id, form.purge).await?;
    Ok(lead_to("/admin/extensions?done=uninstalled"))
}

/// Shows what an upgrade, or the way back, would change.
pub(in crate::web) async fn show_upgrade(
    State(app): State<Arc<App>>,
    who: SignedIn,
    Path(id): Path<InstallId>,
    Query(query): Query<UpgradeFields>,
) -> Answer {
    let row = app.get_install(&who.principal, id)?;
    let (install, chrome) = (&row.install, chrome(&app, &who, "extensions"));
    if query.back {
        let previous = install.previous.as_ref().ok_or_else(|| {
            ApiError::not_found(format!("{} has no previous version", install.name))
        })?;
        return page(&UpgradePage::back(chrome, install, previous));
    }
    let target = app.find_version(&install.name, query.version.as_ref()).await?;
    let yank = app.yank_of(&target.name, &target.version).await?;
    page(&UpgradePage::to(chrome, install, &row.version, &target, yank.as_ref()))
}

/// Upgrades, or goes back.
pub(in crate::web) async fn submit_upgrade(
    State(app): State<Arc<App>>,
    who: SignedIn,
    Path(id): Path<InstallId>,
    CsrfForm(form): CsrfForm<UpgradeFields>,
) -> Answer {
    let UpgradeFields { version, grant, back, confirm } = form;
    let before = app.get_install(&who.principal, id)?.install.version.clone();
    let install = if back {
        app.upgrade_back(&who.principal, id).await?
    } else {
        let request = UpgradeRequest { version, grants: Some(grant), confirmed: confirm };
        app.upgrade(&who.principal, id, request).await?
    };
    let done = if install.version == before { "grants_changed" } else { "upgraded" };
    Ok(lead_to(&format!("/admin/extensions/{}?done={done}", install.name)))
}

/// Saves the settings, or shows the form again with what does not fit.
pub(in crate::web) async fn submit_settings(
    State(app): State<Arc<App>>,
    who: SignedIn,
    Path(id): Path<InstallId>,
    CsrfForm(sent): CsrfForm<FormPairs>,
) -> Answer {
    let row = app.get_install(&who.principal, id)?;
    let name = &row.install.name;
    let Some(schema) = &row.version.manifest.settings else {
        return Err(ConfigureError::NoSettings(name.to_string()).into());
    };
    let form = SettingsForm::new(schema, &row.install.settings);
    let errors = match form.read(&sent) {
        Ok(settings) => match app.configure(&who.principal, id, settings).await {
            Ok(_) => {
                return Ok(lead_to(&format!("/admin/extensions/{name}/settings?done=saved")));
            }
            Err(ConfigureError::Invalid(problems)) => {
                let mut errors = FormErrors::none();
                for problem in problems {
                    errors.add(form.field_at(&problem.path), problem.message);
                }
                errors
            }
            Err(error) => return Err(error.into()),
        },
        Err(errors) => errors,
    };
    let head = ExtensionHead::new(
        &row.version,
        Some(&row.install),
        Status::of(Some(&row.install)).or_failing(app.failing(&row.install).is_some()),
        "settings",
    );
    let chrome = chrome(&app, &who, "extensions");
    let changes = SettingChanges::of(&app, &who, &row.install).await?;
    let form = Some(form.refill(&sent));
    let answer = page(&SettingsPage { chrome, head, form, errors, changes })?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, answer).into_response())
}
