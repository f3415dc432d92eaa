//! The manifest, version 2: what an extension says of itself (interop.md section 2).

use semver::Version;
use serde::{Deserialize, Serialize};

use super::{AssetPath, Capability, Endpoint, ExtensionName};

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
    pub settings: Option<serde_json::Value>,
    /// Hosts the extension wants to call.
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
