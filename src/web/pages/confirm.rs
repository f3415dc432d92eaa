//! The question before anything that stops or deletes: `/admin/installs/{id}/{disable,uninstall}`,
//! and those of `removal`.

use askama::Template;

use super::{ByteSize, Chrome, counted};
use crate::model::{Capability, ExtensionVersion, Install, TenantId};
use crate::state::values::Usage;

/// Says what will happen to whom. Posts the CSRF token and perhaps a reason, to `action`.
#[derive(Debug, Template)]
#[template(path = "pages/confirm.html")]
pub struct ConfirmPage {
    pub chrome: Chrome,
    /// The question.
    pub title: String,
    /// What will happen, one sentence each, with the numbers.
    pub consequences: Vec<String>,
    /// What stays as it is.
    pub kept: Vec<String>,
    /// Why it cannot be done yet; then there is no button.
    pub obstacle: Option<String>,
    /// What cannot be undone; makes the button red.
    pub warning: Option<String>,
    /// Whether it also posts a `reason`, which may be empty.
    pub asks_reason: bool,
    /// What it also removes if it is told to: posts `purge`.
    pub purges: Option<String>,
    /// Where to go about the obstacle: an address, and what the link says.
    pub way: Option<(String, String)>,
    pub action: String,
    pub button: String,
    pub cancel: String,
}

impl ConfirmPage {
    /// Asks before an install is disabled.
    pub fn disable(chrome: Chrome, install: &Install, version: &ExtensionVersion) -> Self {
        Self {
            chrome,
            title: format!("Disable {}?", subject(install)),
            consequences: stopping(install, version),
            kept: vec![
                format!("{} and {} stay as they are.", grants(install), settings(install)),
                "It can be enabled again at any time.".to_owned(),
            ],
            obstacle: None,
            warning: None,
            asks_reason: false,
            purges: None,
            way: None,
            action: format!("/admin/installs/{}/disable", install.id),
            button: "Disable".to_owned(),
            cancel: format!("/admin/extensions/{}", install.name),
        }
    }

    /// Asks before an install is removed with its `secrets`. `versions` of the extension are
    /// published.
    pub fn uninstall(
        chrome: Chrome,
        install: &Install,
        version: &ExtensionVersion,
        versions: u64,
        secrets: u64,
    ) -> Self {
        let mut consequences = if install.enabled { stopping(install, version) } else { vec![] };
        consequences.push("Its log lines are deleted at once.".to_owned());
        let confided = secrets > 0;
        if confided {
            consequences.push(format!("Deleted with it, at once: {}.", counted(secrets, "secret")));
        }
        let loses = confided || granted(install) > 0 || !install.settings.is_empty();
        if loses {
            let (grants, settings) = (grants(install), settings(install));
            consequences.push(format!("{grants} and {settings} are deleted."));
        }
        Self {
            chrome,
            title: format!("Uninstall {}?", subject(install)),
            consequences,
            kept: vec![format!(
                "{} in the store, ready to be installed again.",
                match versions {
                    1 => "1 published version stays".to_owned(),
                    _ => format!("{} stay", counted(versions, "published version")),
                },
            )],
            asks_reason: false,
            purges: None,
            way: None,
            obstacle: None,
            warning: loses.then(|| {
                let too = if confided { ", settings and secrets" } else { " and settings" };
                format!("Deleted grants{too} cannot be brought back.")
            }),
            action: format!("/admin/installs/{}/uninstall", install.id),
            button: "Uninstall".to_owned(),
            cancel: format!("/admin/extensions/{}", install.name),
        }
    }
}

impl ConfirmPage {
    /// The same for an install that keeps something, which stays for some days.
    #[must_use]
    pub fn keeping(mut self, usage: Usage, days: u32) -> Self {
        if usage.keys > 0 {
            let kept =
                format!("{} of {}", counted(usage.keys, "value"), ByteSize::new(usage.bytes).text);
            let days = counted(days.into(), "day");
            self.kept.push(format!("What it keeps, {kept}, can be exported for {days}."));
            self.purges = Some(format!(
                "Remove what it keeps, too: {kept}. Then nothing of it can be exported."
            ));
        }
        self
    }
}

/// `com.example.hello 1.4.0`, and the tenant where there are several.
fn subject(install: &Install) -> String {
    let Install { name, version, tenant, .. } = install;
    if *tenant == TenantId::default_tenant() {
        format!("{name} {version}")
    } else {
        format!("{name} {version} for tenant {tenant}")
    }
}

fn grants(install: &Install) -> String {
    counted(granted(install), "grant")
}

/// What an operator granted: the pages do not count what every install may do.
fn granted(install: &Install) -> u64 {
    let grants = install.grants.iter();
    grants.filter(|capability| !Capability::DEFAULTS.contains(capability)).count() as u64
}

fn settings(install: &Install) -> String {
    counted(install.settings.len() as u64, "setting")
}

/// What no longer works when an install stops.
fn stopping(install: &Install, version: &ExtensionVersion) -> Vec<String> {
    let mut lines = Vec::new();
    match version.manifest.endpoints.len() as u64 {
        0 => {}
        1 => lines.push("Its API endpoint stops answering: callers get 404.".to_owned()),
        count => lines.push(format!(
            "Its {} stop answering: callers get 404.",
            counted(count, "API endpoint"),
        )),
    }
    if version.manifest.ui.is_some() {
        lines.push(
            "Its page can no longer be opened, and pages that are open get no more data."
                .to_owned(),
        );
    }
    if *install.tenant.as_str() != *TenantId::default_tenant().as_str() {
        lines.push(format!("Only tenant {} is affected.", install.tenant));
    }
    lines
}
