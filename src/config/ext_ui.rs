//! Extension pages.

use serde::{Deserialize, Serialize};

/// `[ext_ui]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExtUiConfig {
    /// `RUNNER_PUBLIC_BASE`: the origin extension pages are linked at; empty: made from the listeners.
    pub public_base: String,
    /// Serve documents with `no-cache` instead of `immutable`.
    pub revalidate_documents: bool,
    /// Hours the pages of a replaced version are still served.
    pub previous_version_hours: u32,
}

impl Default for ExtUiConfig {
    fn default() -> Self {
        Self { public_base: String::new(), revalidate_documents: false, previous_version_hours: 24 }
    }
}
