//! The settings of an install: `/admin/extensions/{name}/settings`.

use askama::Template;
use url::form_urlencoded::Serializer;

use super::{AuditRow, Authors, Chrome, ExtensionHead, FormErrors, SettingInput, SettingsForm};
use crate::app::App;
use crate::model::{AuditAction, Install};
use crate::web::error::ApiError;
use crate::web::extract::SignedIn;

/// How many changes are shown.
const CHANGES: usize = 5;

/// The settings tab. Posts the fields of [`SettingsForm`] to `/admin/installs/{id}/settings`.
#[derive(Debug, Template)]
#[template(path = "pages/settings.html")]
pub struct SettingsPage {
    pub chrome: Chrome,
    pub head: ExtensionHead,
    /// `None` when the manifest has no schema: there is nothing to set.
    pub form: Option<SettingsForm>,
    pub errors: FormErrors,
    pub changes: SettingChanges,
}

/// The last changes of the settings of one install; what was changed is not in the record.
#[derive(Debug, Default)]
pub struct SettingChanges {
    pub rows: Vec<AuditRow>,
    /// The address of all of them.
    pub all: String,
}

impl SettingChanges {
    /// What the record says of `install`.
    pub(super) async fn of(app: &App, who: &SignedIn, install: &Install) -> Result<Self, ApiError> {
        let found = app.settings_changes(&who.principal, install, CHANGES).await?;
        let authors = Authors::of(app, who).await?;
        let now = app.clock.now();
        let mut query = Serializer::new(String::new());
        query.append_pair("action", AuditAction::SettingsChanged.as_str());
        query.append_pair("subject", install.name.as_str());
        query.append_pair("tenant", install.tenant.as_str());
        let row = |row| AuditRow::new(row, now).by(&authors);
        Ok(Self {
            rows: found.rows.into_iter().map(row).collect(),
            all: format!("/admin/audit?{}", query.finish()),
        })
    }
}
