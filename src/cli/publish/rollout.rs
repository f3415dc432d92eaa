//! From a published version to an install that has it.

use std::collections::BTreeSet;

use anyhow::anyhow;

use super::{PublishAnswer, PublishArgs};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::grants::change_version;
use crate::cli::output::Output;
use crate::cli::{install, installs};
use crate::model::{ExtensionVersion, Install};

/// An install that is as it was asked for.
pub(super) struct RolledOut {
    pub(super) install: Install,
    pub(super) published: ExtensionVersion,
}

/// Installs, upgrades and enables as far as was asked for and is not so already.
pub(super) async fn roll_out(
    client: &Client,
    args: &PublishArgs,
    answer: &PublishAnswer,
    output: Output,
) -> Result<RolledOut, Failure> {
    let PublishAnswer { name, version, .. } = answer;
    let path = format!("/api/v1/extensions/{name}/versions/{version}");
    let published: ExtensionVersion = client.get(&path).await?;
    let mut install = match installs::find(client, name).await? {
        None => {
            let grants = args.grants.wanted(&published, &BTreeSet::new());
            install::create(client, name, Some(version), &grants).await?
        }
        Some(install) => settle_version(client, args, &published, install, output).await?,
    };
    if args.rollout.enable && !install.enabled {
        install = installs::switch(client, &install, true).await?;
    }
    Ok(RolledOut { install, published })
}

async fn settle_version(
    client: &Client,
    args: &PublishArgs,
    published: &ExtensionVersion,
    install: Install,
    output: Output,
) -> Result<Install, Failure> {
    let same_version = install.content_hash == published.content_hash;
    if !same_version && !args.rollout.upgrade {
        let (name, installed, new) = (&install.name, &install.version, &published.version);
        let message = format!("{new} is published, but {name} is installed at {installed}");
        return Err(Failure::refused(anyhow!(message))
            .hint(format!("add --upgrade, or run `plugboard upgrade {name} --version {new}`")));
    }
    let wanted = args.grants.wanted(published, &install.grants);
    if same_version && wanted == install.grants {
        return Ok(install);
    }
    let how = (output, args.yes);
    change_version(client, &install, &published.version, Some(&wanted), how).await
}
