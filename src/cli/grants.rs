//! What an extension may do: the flags that grant, and the question when it grows.

use std::collections::BTreeSet;

use anyhow::anyhow;
use http::Method;
use semver::Version;
use serde_json::{Value, json};

use super::ask::confirm;
use super::client::Client;
use super::failure::Failure;
use super::installs;
use super::output::Output;
use crate::model::{Capability, ExtensionVersion, Install};

/// What to allow.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct GrantArgs {
    /// A capability to grant, as cap:http.fetch; repeatable
    #[arg(short, long = "grant", value_name = "CAPABILITY")]
    pub(super) grants: Vec<Capability>,
    /// Grant everything that the manifest asks for
    #[arg(long, conflicts_with = "grants")]
    pub(super) grant_all: bool,
}

impl GrantArgs {
    /// Whether anything is asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.grants.is_empty() && !self.grant_all
    }

    /// What is to be granted on `version`, beside what `current` has of it.
    pub(super) fn wanted(
        &self,
        version: &ExtensionVersion,
        current: &BTreeSet<Capability>,
    ) -> BTreeSet<Capability> {
        if self.grant_all {
            return version.manifest.capabilities.iter().copied().collect();
        }
        let mut wanted = version.manifest.keep_grants(current);
        wanted.extend(&self.grants);
        wanted
    }
}

/// Says, below the result, what the manifest of an install asks for and is not granted.
///
/// What was asked for is done: a version that cannot be read, as with a token that may only
/// install, is no failure.
pub(super) async fn look_up_missing(client: &Client, output: Output, install: &Install) {
    if let Ok(version) = installs::version_of(client, install).await {
        note_missing(output, &version, install);
    }
}

/// The same of a version that was read.
pub(super) fn note_missing(output: Output, version: &ExtensionVersion, install: &Install) {
    let granted = install.effective_grants();
    let asked = version.manifest.capabilities.iter();
    let missing: Vec<_> =
        asked.filter(|asked| !granted.contains(asked)).map(ToString::to_string).collect();
    if missing.is_empty() {
        return;
    }
    let missing = missing.join(", ");
    let Install { name, version, .. } = install;
    output.note(&format!(
        "Not granted: {missing}. Grant with --grant or --grant-all; now:  \
         plugboard upgrade {name} --version {version} --grant CAPABILITY"
    ));
}

/// Moves an install to a version with these grants, once a person has agreed
/// if it may then do more.
pub(super) async fn change_version(
    client: &Client,
    install: &Install,
    version: &Version,
    grants: Option<&BTreeSet<Capability>>,
    (output, yes): (Output, bool),
) -> Result<Install, Failure> {
    let path = format!("/api/v1/installs/{}/version", install.id);
    let body =
        |confirm: bool| Some(json!({ "version": version, "grants": grants, "confirm": confirm }));
    let refused = match client.call(Method::PUT, &path, body(yes)).await {
        Err(failure) if failure.has_code("grants_grow") => failure,
        other => return other,
    };
    let grown = refused.refusal().map(|refusal| grown(&refusal.problem)).unwrap_or_default();
    if !output.can_ask() {
        let list = grown.iter().map(Capability::to_string).collect::<Vec<_>>().join(", ");
        let message = format!("{} {version} would also be allowed {list}", install.name);
        return Err(Failure::refused(anyhow!(message)).hint("agree to it with --yes"));
    }
    output.note(&format!("{} {version} would also be allowed to:", install.name));
    for capability in &grown {
        output.note(&format!("  {capability}  {}", capability.describe()));
    }
    confirm(output, false, &format!("{} may then do more", install.name)).await?;
    client.call(Method::PUT, &path, body(true)).await
}

fn grown(problem: &Value) -> Vec<Capability> {
    serde_json::from_value(problem["grants"].clone()).unwrap_or_default()
}
