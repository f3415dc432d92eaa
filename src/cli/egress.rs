//! `plugboard egress`: what an install may call.

mod way;

use anyhow::anyhow;
use clap::Subcommand;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::way::way_to_calls;
use super::Context;
use super::client::Client;
use super::failure::{Exit, Failure};
use super::installs;
use super::learning::{self, LearnArgs, Learning};
use super::output::table;
use super::remote::{Offline, RemoteArgs};
use crate::model::{EgressRule, Install};

/// Shows and changes the hosts that an install may call
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Shows and changes the hosts that an install may call. A call goes out if the \
install is granted the host, its manifest asks for it, and the appliance's `egress.allowlist` \
has it.

Examples:
  plugboard egress show com.example.hello
  plugboard egress allow com.example.hello api.example.com
  plugboard egress deny com.example.hello api.example.com
  plugboard egress learn com.example.hello --for 2h"
)]
pub(super) struct EgressArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Show(ShowArgs),
    /// Grants an install more hosts
    #[command(
        long_about = "Grants an install more hosts that it may call, as far as its manifest asks \
for them. An entry is `[scheme://]host[:port]`: `https` and its port unless it says more; \
`*.example.com` is every name below.

Examples:
  plugboard egress allow com.example.hello api.example.com '*.example.net'
  plugboard egress allow com.example.hello http://old.example.com:8080"
    )]
    Allow(ChangeArgs),
    /// Takes hosts away from an install
    #[command(
        long_about = "Takes hosts away that an install may call, by the entries that it was \
granted; any other is refused, and nothing is changed.

Examples:
  plugboard egress deny com.example.hello api.example.com
  plugboard egress deny com.example.hello 'https://*.example.net'"
    )]
    Deny(ChangeArgs),
    Learn(LearnArgs),
}

/// Shows the hosts that an install may call, and what it was refused
#[derive(Debug, clap::Args)]
#[command(long_about = "Shows the hosts that an install may call, and what it was refused since \
the appliance started: with the entry that would allow it, and the lists that do not have it.

Examples:
  plugboard egress show com.example.hello
  plugboard egress show com.example.hello --json")]
struct ShowArgs {
    /// The extension's name, or the id of its install
    name: String,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// The entries of the list to change
#[derive(Debug, clap::Args)]
struct ChangeArgs {
    /// The extension's name, or the id of its install
    name: String,
    /// Entries of the list
    #[arg(required = true, value_name = "HOST")]
    hosts: Vec<EgressRule>,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// What an install may call, as the appliance answers.
#[derive(Debug, Serialize, Deserialize)]
struct Report {
    capability_granted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    requested: Option<Vec<EgressRule>>,
    granted: Vec<Granted>,
    refused: Vec<Refused>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    learning: Option<Learning>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Granted {
    entry: EgressRule,
    on_allowlist: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Refused {
    entry: String,
    missing_on: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    count: u64,
    last_at: String,
}

/// Runs `plugboard egress`.
pub(super) async fn run(args: EgressArgs, context: &Context) -> Result<Exit, Failure> {
    match args.action {
        Action::Show(args) => {
            let client = args.remote.client(context, Offline::Refuse)?;
            let install = installs::require(&client, &args.name).await?;
            show(&client, &install, context).await
        }
        Action::Allow(args) => change(args, context, true).await,
        Action::Deny(args) => change(args, context, false).await,
        Action::Learn(args) => learn(args, context).await,
    }
}

async fn change(args: ChangeArgs, context: &Context, allow: bool) -> Result<Exit, Failure> {
    let client = args.remote.client(context, Offline::Refuse)?;
    let install = installs::require(&client, &args.name).await?;
    let granted = changed(install.egress.clone(), args.hosts, allow)?;
    let path = path_of(&install);
    let body = json!({ "granted": granted });
    let install: Install = client.call(Method::PUT, &path, Some(body)).await?;
    show(&client, &install, context).await
}

/// The list with these hosts, or without them.
fn changed(
    mut granted: Vec<EgressRule>,
    hosts: Vec<EgressRule>,
    allow: bool,
) -> Result<Vec<EgressRule>, Failure> {
    if allow {
        for host in hosts {
            if !has(&granted, &host) {
                granted.push(host);
            }
        }
    } else if let Some(unknown) = hosts.iter().find(|host| !has(&granted, host)) {
        let failure = Failure::refused(anyhow!("the install is not granted {unknown}"));
        return Err(failure.hint("`plugboard egress show` lists what it is granted"));
    } else {
        granted.retain(|granted| !has(&hosts, granted));
    }
    Ok(granted)
}

/// Whether an entry is in a list, however it is written: `https://api.example.com:443` is
/// `api.example.com`.
fn has(list: &[EgressRule], entry: &EgressRule) -> bool {
    list.iter().any(|listed| listed.covers(entry) && entry.covers(listed))
}

async fn learn(args: LearnArgs, context: &Context) -> Result<Exit, Failure> {
    let client = args.remote.client(context, Offline::Refuse)?;
    let install = installs::require(&client, &args.name).await?;
    learning::carry_out(&client, &path_of(&install), &args).await?;
    show(&client, &install, context).await
}

fn path_of(install: &Install) -> String {
    format!("/api/v1/installs/{}/egress", install.id)
}

async fn show(client: &Client, install: &Install, context: &Context) -> Result<Exit, Failure> {
    let path = path_of(install);
    let report: Report = client.call(Method::GET, &path, None).await?;
    let way = if report.capability_granted {
        None
    } else {
        Some(way_to_calls(client, install, context.output).await)
    };
    context.output.result(&report, &text(install, &report, way.as_deref()))?;
    Ok(Exit::Done)
}

/// What is granted, then what the manifest asks for and nobody granted any of.
fn hosts(report: &Report) -> Vec<Vec<String>> {
    let granted = report.granted.iter().map(|host| {
        let standing = if host.on_allowlist { "allowed" } else { "not on egress.allowlist" };
        vec![host.entry.to_string(), standing.to_owned()]
    });
    let is_open = |asked: &&EgressRule| {
        !report.granted.iter().any(|host| host.entry.covers(asked) || asked.covers(&host.entry))
    };
    let asked = report.requested.iter().flatten().filter(is_open);
    let asked = asked.map(|host| vec![host.to_string(), "asked for, not granted".to_owned()]);
    granted.chain(asked).collect()
}

/// `way` is what it takes to call anything, where it may not.
fn text(install: &Install, report: &Report, way: Option<&str>) -> String {
    let name = &install.name;
    let mut parts = Vec::new();
    if let Some(way) = way {
        parts.push(format!("{name} is not granted cap:http.fetch: it calls nothing; {way}"));
    }
    let hosts = hosts(report);
    parts.push(if hosts.is_empty() {
        format!("{name} is granted no hosts")
    } else {
        table(&["HOST", "STANDING"], &hosts)
    });
    if !report.refused.is_empty() {
        let row = |refused: &Refused| {
            let why = match &refused.secret {
                Some(secret) => secret.clone(),
                None if refused.missing_on.is_empty() => {
                    "its address is not public, or is the appliance's own".to_owned()
                }
                None => format!("not on the list of: {}", refused.missing_on.join(", ")),
            };
            vec![refused.entry.clone(), refused.count.to_string(), why]
        };
        let rows: Vec<_> = report.refused.iter().map(row).collect();
        parts.push(table(&["REFUSED", "TIMES", "WHY"], &rows));
    }
    parts.extend(report.learning.as_ref().map(|learning| learning::text(name.as_str(), learning)));
    parts.join("\n\n")
}

#[cfg(test)]
mod tests;
