//! What an install lacks that calls nothing, and how it gets it.

use crate::cli::client::Client;
use crate::cli::installs;
use crate::cli::output::Output;
use crate::model::{Capability, Install};

/// What it takes for an install that is not granted `cap:http.fetch` to call anything.
pub(super) async fn way_to_calls(client: &Client, install: &Install, output: Output) -> String {
    let version = installs::version_of(client, install).await;
    // A version that cannot be read may ask for it.
    let is_asked = version
        .map_or(true, |version| version.manifest.capabilities.contains(&Capability::HttpFetch));
    way(install, is_asked, output.can_ask())
}

pub(super) fn way(install: &Install, is_asked: bool, can_ask: bool) -> String {
    let Install { name, version, .. } = install;
    if !is_asked {
        return "its manifest does not ask for it, and only a new version can".to_owned();
    }
    // Where nobody can be asked, more than before is refused without it.
    let yes = if can_ask { "" } else { " --yes" };
    format!(
        "grant it with\n  plugboard upgrade {name} --version {version} --grant cap:http.fetch{yes}"
    )
}
