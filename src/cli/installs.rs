//! Finding the install that a name means, and what commands say about one.

use anyhow::anyhow;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::Client;
use super::failure::{Exit, Failure};
use super::output::{Output, Tone, time};
use crate::model::{ExtensionName, ExtensionVersion, Failing, Install};

/// What `GET /api/v1/installs` answers.
#[derive(Debug, Deserialize)]
struct Installs {
    installs: Vec<InstallRow>,
}

/// An install, and how it stands.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct InstallRow {
    #[serde(flatten)]
    pub(super) install: Install,
    /// While its calls are not let through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) failing: Option<Failing>,
}

/// The installs of the caller's tenant, and how they stand.
pub(super) async fn rows(client: &Client) -> Result<Vec<InstallRow>, Failure> {
    Ok(client.get::<Installs>("/api/v1/installs").await?.installs)
}

/// The installs of the caller's tenant.
pub(super) async fn all(client: &Client) -> Result<Vec<Install>, Failure> {
    Ok(rows(client).await?.into_iter().map(|row| row.install).collect())
}

/// The install of an extension, if there is one.
pub(super) async fn find(
    client: &Client,
    name: &ExtensionName,
) -> Result<Option<Install>, Failure> {
    Ok(all(client).await?.into_iter().find(|install| install.name == *name))
}

/// The install that `name` means: an extension's name, or the id of an install.
pub(super) async fn require(client: &Client, name: &str) -> Result<Install, Failure> {
    let installs = all(client).await?;
    let meant =
        |install: &&Install| install.name.as_str() == name || install.id.to_string() == name;
    if let Some(install) = installs.iter().find(meant) {
        return Ok(install.clone());
    }
    let near = installs
        .iter()
        .map(|install| (strsim::damerau_levenshtein(install.name.as_str(), name), install))
        .filter(|(distance, _)| *distance <= 3)
        .min_by_key(|(distance, _)| *distance);
    let hint = match near {
        Some((_, install)) => format!("did you mean {}?", install.name),
        None => "`plugboard list` shows what is installed".to_owned(),
    };
    Err(Failure::refused(anyhow!("{name} is not installed")).hint(hint))
}

/// A published version, whole.
pub(super) async fn version_of(
    client: &Client,
    install: &Install,
) -> Result<ExtensionVersion, Failure> {
    let Install { name, version, .. } = install;
    client.get(&format!("/api/v1/extensions/{name}/versions/{version}")).await
}

/// Enables or disables an install; answers when it is so.
pub(super) async fn switch(
    client: &Client,
    install: &Install,
    enabled: bool,
) -> Result<Install, Failure> {
    let word = if enabled { "enable" } else { "disable" };
    let path = format!("/api/v1/installs/{}/{word}", install.id);
    client.call(Method::POST, &path, None).await
}

/// `enable` and `disable`, which differ in one word.
pub(super) async fn switch_by_name(
    client: &Client,
    name: &str,
    enabled: bool,
    output: Output,
) -> Result<Exit, Failure> {
    let before = require(client, name).await?;
    let install = switch(client, &before, enabled).await?;
    let word = if enabled { "enabled" } else { "disabled" };
    let verb = if before.enabled == enabled { "was already" } else { "is now" };
    let text = format!("{} {} {verb} {word}", install.name, install.version);
    output.result(&install, &text)?;
    Ok(Exit::Done)
}

/// Enabled, disabled or failing, as a mark and a word.
pub(super) fn status(output: Output, row: &InstallRow) -> String {
    let paint = output.paint();
    if let Some(failing) = &row.failing {
        let mark = paint.words(Tone::Danger, "◌");
        format!("{mark} failing since {}", time(failing.since))
    } else if row.install.enabled {
        format!("{} enabled", paint.words(Tone::Good, "●"))
    } else {
        format!("{} disabled", paint.words(Tone::Quiet, "○"))
    }
}

/// What was done to a thing that is gone: `{"outcome": "revoked", "id": …}`.
pub(super) fn outcome(word: &str, key: &str, value: impl Serialize) -> Value {
    json!({ "outcome": word, key: value })
}
