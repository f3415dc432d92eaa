//! `plugboard install`

use std::collections::BTreeSet;
use std::str::FromStr;

use anyhow::anyhow;
use http::Method;
use semver::Version;
use serde_json::json;

use super::Context;
use super::client::Client;
use super::exact_version::parse_version;
use super::failure::{Exit, Failure};
use super::grants::{GrantArgs, look_up_missing};
use super::installs;
use super::remote::{Offline, RemoteArgs};
use crate::model::{Capability, ExtensionName, Install};

/// Installs a published extension
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Installs a published extension. Installing the same version again changes nothing: \
the grants of one that is there stay, and others are for `plugboard upgrade`.

Examples:
  plugboard install com.example.hello
  plugboard install com.example.hello@1.4.0 --grant cap:http.fetch --enable"
)]
pub(super) struct InstallArgs {
    /// The extension, and perhaps its version [default: the highest]
    #[arg(value_name = "NAME[@VERSION]")]
    what: VersionedName,
    #[command(flatten)]
    grants: GrantArgs,
    /// Enable it, too
    #[arg(short, long)]
    enable: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// An extension, and perhaps one version of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct VersionedName {
    name: ExtensionName,
    version: Option<Version>,
}

impl FromStr for VersionedName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        let name = name.parse::<ExtensionName>().map_err(|error| error.to_string())?;
        let version = version.map(parse_version).transpose()?;
        Ok(Self { name, version })
    }
}

/// Runs `plugboard install`.
pub(super) async fn run(args: InstallArgs, context: &Context) -> Result<Exit, Failure> {
    let client = args.remote.client(context, Offline::Refuse)?;
    let VersionedName { name, version } = &args.what;
    let mut grants: BTreeSet<_> = args.grants.grants.iter().copied().collect();
    if args.grants.grant_all {
        grants = everything(&client, name, version.as_ref()).await?;
    }
    let mut install = create(&client, name, version.as_ref(), &grants).await?;
    check_granted(&install, &grants)?;
    if args.enable && !install.enabled {
        install = installs::switch(&client, &install, true).await?;
    }
    let Install { name, version, enabled, .. } = &install;
    let text = if *enabled {
        format!("{name} {version} is installed and enabled")
    } else {
        format!("{name} {version} is installed\nEnable it:  plugboard enable {name}")
    };
    context.output.result(&install, &text)?;
    look_up_missing(&client, context.output, &install).await;
    Ok(Exit::Done)
}

/// An install that was there keeps its grants: what is asked for and not among them was not
/// granted.
fn check_granted(install: &Install, asked: &BTreeSet<Capability>) -> Result<(), Failure> {
    let granted = install.effective_grants();
    let missing: Vec<_> = asked.difference(&granted).map(ToString::to_string).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let Install { name, version, .. } = install;
    let message = format!("{name} {version} is installed already, without {}", missing.join(", "));
    let flags = missing.join(" --grant ");
    Err(Failure::refused(anyhow!(message))
        .hint(format!("plugboard upgrade {name} --version {version} --grant {flags}")))
}

/// Asks the appliance for an install; the same again is the one that is there.
pub(super) async fn create(
    client: &Client,
    name: &ExtensionName,
    version: Option<&Version>,
    grants: &BTreeSet<Capability>,
) -> Result<Install, Failure> {
    let body = json!({ "name": name, "version": version, "grants": grants });
    client.call(Method::POST, "/api/v1/installs", Some(body)).await
}

/// What the version that would be installed asks for.
async fn everything(
    client: &Client,
    name: &ExtensionName,
    version: Option<&Version>,
) -> Result<BTreeSet<Capability>, Failure> {
    let version = match version {
        Some(version) => version.clone(),
        None => super::list::offered(client, name).await?,
    };
    let path = format!("/api/v1/extensions/{name}/versions/{version}");
    let found: crate::model::ExtensionVersion = client.get(&path).await?;
    Ok(found.manifest.capabilities.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_have_a_version() {
        let both: VersionedName = "com.example.hello@1.4.0".parse().unwrap();
        assert_eq!(both.version, Some(Version::new(1, 4, 0)));
        assert_eq!("a".parse::<VersionedName>().unwrap().version, None);
        for text in ["A", "a@", "a@1.4", "a@1.*"] {
            assert!(text.parse::<VersionedName>().is_err(), "{text}");
        }
    }
}
