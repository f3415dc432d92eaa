//! The `ui` member: the pages of an extension.

use super::findings::{Findings, Object};
use super::text::TextRule;
use super::{Ui, UiHook};
use crate::model::AssetPath;

pub(super) fn read(ui: &Object<'_>, findings: &mut Findings) -> Option<Ui> {
    let kind = ui.required_text("type", TextRule::line(64), findings);
    if kind.is_some_and(|kind| kind != "iframe") {
        findings.problem(&ui.at("type"), "ui_type", "`ui.type` must be `iframe`");
    }
    let entry = entry(ui, findings);
    let hooks = ui.object("hooks", findings);
    let mut hook = |key| hooks.as_ref().and_then(|hooks| hook(hooks, key, findings));
    let (app_menu, client_portal_menu) = (hook("appMenu"), hook("clientPortalMenu"));
    if let Some(hooks) = &hooks {
        hooks.warn_of_others(&["appMenu", "clientPortalMenu"], findings);
    }
    ui.warn_of_others(&["type", "entry", "hooks"], findings);
    Some(Ui { entry: entry?, app_menu, client_portal_menu })
}

/// The first page; `ui/` before it is the same as nothing, because that folder is the root.
fn entry(ui: &Object<'_>, findings: &mut Findings) -> Option<AssetPath> {
    let text = ui.required_text("entry", TextRule::line(256), findings)?;
    let text = text.strip_prefix("./").unwrap_or(text);
    let text = text.strip_prefix('/').unwrap_or(text);
    let text = text.strip_prefix("ui/").unwrap_or(text);
    match text.parse::<AssetPath>() {
        Ok(path) => Some(path),
        Err(error) => {
            let path = ui.at("entry");
            findings.problem(&path, "ui_entry_invalid", format!("`{path}`: {error}"));
            None
        }
    }
}

fn hook(hooks: &Object<'_>, key: &str, findings: &mut Findings) -> Option<UiHook> {
    let hook = hooks.object(key, findings)?;
    let label = hook.required_text("label", TextRule::line(64), findings)?;
    Some(UiHook { label: label.trim().to_owned() })
}
