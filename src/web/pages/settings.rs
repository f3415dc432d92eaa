//! The settings of an install: `/admin/extensions/{name}/settings`.

use askama::Template;

use super::{Chrome, ExtensionHead, FormErrors, SettingInput, SettingsForm};

/// The settings tab. Posts the fields of [`SettingsForm`] to `/admin/installs/{id}/settings`.
#[derive(Debug, Template)]
#[template(path = "pages/settings.html")]
pub struct SettingsPage {
    pub chrome: Chrome,
    pub head: ExtensionHead,
    /// `None` when the manifest has no schema: there is nothing to set.
    pub form: Option<SettingsForm>,
    pub errors: FormErrors,
}
