//! Compressing pages before anybody asks for them.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::model::ExtensionVersion;
use crate::store::is_encodable;

/// How long a bundle is left alone whose pages were to be compressed: else every
/// request would try again what cannot be done.
pub(super) const PAUSE: Duration = Duration::from_mins(1);

impl App {
    /// Starts to make the shorter forms of the pages of `version`, unless they are there, and
    /// does not wait; not twice within [`PAUSE`].
    pub(crate) fn encode_in_background(&self, version: &Arc<ExtensionVersion>) {
        let max_bytes = self.config.ext_ui.compress_max_file_bytes;
        let is_worth_it = version.files.iter().any(|file| is_encodable(file, max_bytes));
        if !is_worth_it || !self.pages.may_encode(version.content_hash) {
            return;
        }
        let (bundles, version) = (self.bundles.clone(), Arc::clone(version));
        tokio::spawn(async move {
            if let Err(error) = bundles.encode(&version, max_bytes).await {
                tracing::warn!(
                    extension.name = %version.name,
                    extension.version = %version.version,
                    "The pages of {} {} are served as they are, and not compressed: {error}",
                    version.name, version.version,
                );
            }
        });
    }
}
