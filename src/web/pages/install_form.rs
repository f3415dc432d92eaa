//! The form that installs a version: what it may do, and the button.

use semver::Version;

use super::CapabilityChoice;
use super::capabilities::asked;
use crate::model::{ExtensionName, Manifest};

/// Posts `name`, `version`, any number of `grant`, and `enable` to `/admin/installs`.
#[derive(Clone, Debug)]
pub struct InstallForm {
    pub name: ExtensionName,
    pub version: Version,
    /// Everything asked for; granted unless the operator takes the mark away.
    pub choices: Vec<CapabilityChoice>,
    /// Hosts the extension wants to call.
    pub egress: Vec<String>,
}

impl InstallForm {
    /// The form for the version that `manifest` describes.
    pub fn new(manifest: &Manifest) -> Self {
        let choice = |capability| CapabilityChoice { capability, checked: true, is_new: false };
        Self {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            choices: asked(manifest).map(choice).collect(),
            egress: manifest.egress.clone(),
        }
    }
}
