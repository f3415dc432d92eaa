//! The manifest, version 2: what an extension says of itself.
//!
//! [`Manifest`] is the checked form that the registry keeps. What publishers
//! write is read by `parse`, over `json` (stricter than JSON parsers are), with
//! the help of `findings`, which collects everything that is wrong; `schema` is
//! the same format as a JSON Schema, for editors.

mod api;
mod egress;
mod findings;
mod json;
mod parse;
mod schema;
mod settings;
#[cfg(test)]
mod tests;
mod text;
mod ui;

use std::collections::BTreeSet;

use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    AssetPath, Capability, EgressRule, Endpoint, ExtensionName, ExtensionVersion, FileEntry,
    StarVersion,
};

/// A manifest that has been checked. Made only by [`Manifest::parse`] and by
/// reading back what the registry stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub name: ExtensionName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publisher: Option<String>,
    pub version: Version,
    pub runtime: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<AssetPath>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    #[serde(default)]
    pub capabilities: Vec<Capability>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ui: Option<Ui>,
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
    /// A JSON Schema for the install's settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Value>,
    /// Hosts the extension wants to call; empty: those that an operator names.
    #[serde(default)]
    pub egress: Vec<String>,
}

/// The pages of an extension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ui {
    /// The first page, below `ui/`.
    pub entry: AssetPath,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_menu: Option<UiHook>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_portal_menu: Option<UiHook>,
}

/// A place where a host application shows the extension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UiHook {
    pub label: String,
}

/// A manifest as it was read, before it is known which version a star stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadManifest {
    pub manifest: Manifest,
    /// What `version` says, where it is no version.
    pub star: Option<StarVersion>,
    pub warnings: Vec<ManifestWarning>,
}

/// Whether a manifest's version may be `X.Y.*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stars {
    #[default]
    Refused,
    Allowed,
}

/// One thing wrong with a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestProblem {
    /// Where, as `api.endpoints[0].path`; `$` for the document.
    pub path: String,
    /// A stable word for machines, as `unknown_key`, `version_not_exact`.
    pub code: String,
    /// An English sentence that names the field.
    pub message: String,
}

/// Everything wrong with a manifest, at least one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the manifest has {} problem(s): {}", .0.len(), .0.iter().map(|p| p.message.as_str()).collect::<Vec<_>>().join("; "))]
pub struct ManifestProblems(pub Vec<ManifestProblem>);

/// Something accepted and without effect, or unwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestWarning {
    pub path: String,
    pub code: String,
    pub message: String,
}

impl Manifest {
    /// Parses and checks the bytes of a `manifest.json`; finds everything that is wrong at once.
    pub fn parse(json: &[u8]) -> Result<(Self, Vec<ManifestWarning>), ManifestProblems> {
        let read = Self::read(json, Stars::Refused)?;
        Ok((read.manifest, read.warnings))
    }

    /// The same, for a manifest whose version may be `X.Y.*`. Its `version` is then
    /// the first of that line, until it is known which one it stands for.
    pub fn read(json: &[u8], stars: Stars) -> Result<ReadManifest, ManifestProblems> {
        parse::parse(json, stars)
    }

    /// Whether two texts are the same JSON; an error when `other` is none.
    pub fn is_same_json(manifest: &[u8], other: &[u8]) -> Result<bool, ManifestProblem> {
        let other = json::parse(other)?;
        Ok(json::parse(manifest).is_ok_and(|manifest| manifest == other))
    }

    /// The manifest format as a JSON Schema.
    pub fn json_schema() -> Value {
        schema::json_schema()
    }

    /// The second name of the extension in URLs: `publisher.name` in lower case.
    ///
    /// `None` without a publisher, or with one that has no place in a path.
    pub fn alias(&self) -> Option<String> {
        let publisher = self.publisher.as_deref()?;
        let alias = format!("{publisher}.{}", self.name).to_ascii_lowercase();
        let alias: ExtensionName = alias.parse().ok()?;
        Some(alias.into())
    }

    /// Grants that the manifest does not ask for, if there are any.
    pub fn check_grants(&self, grants: &BTreeSet<Capability>) -> Result<(), Vec<Capability>> {
        let wanted = |grant: &Capability| {
            self.capabilities.contains(grant) || Capability::DEFAULTS.contains(grant)
        };
        let unwanted: Vec<_> = grants.iter().copied().filter(|grant| !wanted(grant)).collect();
        if unwanted.is_empty() { Ok(()) } else { Err(unwanted) }
    }

    /// What of `grants` the manifest asks for, too: what an install keeps that moves to it.
    pub fn keep_grants(&self, grants: &BTreeSet<Capability>) -> BTreeSet<Capability> {
        grants.iter().copied().filter(|grant| self.capabilities.contains(grant)).collect()
    }

    /// The hosts that it asks for; `None` if it leaves them to an operator.
    pub fn egress_rules(&self) -> Option<Vec<EgressRule>> {
        // An entry that is none allows nothing.
        let rules = self.egress.iter().filter_map(|entry| entry.parse().ok()).collect();
        (!self.egress.is_empty()).then_some(rules)
    }

    /// What the manifest speaks of and the bundle does not have.
    pub fn check_files(&self, files: &[FileEntry]) -> Vec<ManifestWarning> {
        self.missing_files(|path| files.iter().any(|file| file.path.as_str() == path))
    }

    /// What the manifest speaks of and is not there.
    pub fn missing_files(&self, is_there: impl Fn(&str) -> bool) -> Vec<ManifestWarning> {
        let component = ExtensionVersion::COMPONENT_PATH;
        let page =
            self.ui.as_ref().map(|ui| ("ui.entry", "ui_entry_missing", format!("ui/{}", ui.entry)));
        let icon = self.icon.as_ref().map(|icon| ("icon", "icon_missing", icon.to_string()));
        let code = (!self.endpoints.is_empty())
            .then(|| ("api.endpoints", "component_missing", component.to_owned()));
        let wanted = [page, icon, code].into_iter().flatten();
        let missing = wanted.filter(|(_, _, file)| !is_there(file));
        let warning = |(path, code, file): (&str, &str, String)| ManifestWarning {
            path: path.to_owned(),
            code: code.to_owned(),
            message: format!("`{path}` needs the file `{file}`, which the bundle lacks"),
        };
        missing.map(warning).collect()
    }

    /// Checks an install's settings against the manifest's schema.
    ///
    /// Without a schema there is nothing to set.
    pub fn check_settings(
        &self,
        settings: &Map<String, Value>,
    ) -> Result<(), Vec<ManifestProblem>> {
        settings::check(self.settings.as_ref(), settings)
    }

    /// What the schema says of settings that are not set: `default` of its `properties`.
    pub fn setting_defaults(&self) -> impl Iterator<Item = (&String, &Value)> {
        settings::defaults(self.settings.as_ref())
    }
}
