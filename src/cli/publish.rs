//! `plugboard publish`: from a folder or a bundle to an extension that runs.

mod patience;
mod resumable;
mod rollout;
mod source;
mod upload;

use std::path::{Path, PathBuf};

use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Context;
use super::failure::{Exit, Failure};
use super::files::shell_word;
use super::grants::{GrantArgs, note_missing};
use super::output::{Output, checks};
use super::remote::{Offline, RemoteArgs};
use crate::model::{ContentHash, ExtensionName, Install};
use crate::trust::Report;
use patience::Patience;
use rollout::RolledOut;

/// Publishes an extension, and perhaps installs it
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Publishes a folder or a bundle, and perhaps installs and enables it. Doing the same \
again changes nothing. A bundle above 8 MiB is sent in parts and goes on where it was after a \
broken connection or a restart. Ends with 3 when the bundle is quarantined: a person must decide. \
What is published stays so, also where the install that was to follow is refused.

Examples:
  plugboard publish my-extension --key acme.key --install --enable
  plugboard publish hello.tar.zst --signature hello.dsse.json
  plugboard publish hello.tar.zst --install --upgrade --enable --grant cap:http.fetch --wait"
)]
pub(super) struct PublishArgs {
    /// The folder to pack, or the bundle
    #[arg(value_name = "FOLDER|BUNDLE")]
    path: PathBuf,
    /// A signature of the bundle; repeatable [default: <bundle>.dsse.json, if it is there]
    #[arg(short, long = "signature", value_name = "FILE")]
    signatures: Vec<PathBuf>,
    /// Sign it with this private key, too
    #[arg(short, long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    rollout: RolloutArgs,
    #[command(flatten)]
    grants: GrantArgs,
    /// Agree that an upgrade may do more than before
    #[arg(short, long)]
    yes: bool,
    /// Wait for an appliance that is starting or busy, up to some seconds [default: 60]
    #[arg(short, long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "60",
          require_equals = true)]
    wait: Option<u64>,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// How far to go.
#[derive(Debug, clap::Args)]
struct RolloutArgs {
    /// Install it
    #[arg(short, long)]
    install: bool,
    /// Enable it once it is installed
    #[arg(short, long, requires = "install")]
    enable: bool,
    /// Where another version is installed, move to this one
    #[arg(short, long, requires = "install")]
    upgrade: bool,
}

/// What the appliance made of a bundle.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PublishAnswer {
    /// `created`, `unchanged` or `quarantined`.
    pub(super) outcome: String,
    pub(super) name: ExtensionName,
    pub(super) version: Version,
    pub(super) content_hash: ContentHash,
    pub(super) report: Report,
}

impl PublishAnswer {
    pub(super) fn exit(&self) -> Exit {
        if self.outcome == "quarantined" { Exit::Quarantined } else { Exit::Done }
    }
}

/// Runs `plugboard publish`.
pub(super) async fn run(args: PublishArgs, context: &Context) -> Result<Exit, Failure> {
    let output = context.output;
    if !args.rollout.install && !args.grants.is_empty() {
        return Err(Failure::usage("--grant is for what is installed: add --install"));
    }
    let source = source::prepare(&args, output).await?;
    let patience = Patience::of(args.wait);
    let client = patience.repeat(async || args.remote.client(context, Offline::Refuse)).await?;
    patience.until_ready(&client).await?;
    let answer = patience.repeat(async || upload::send(&client, &source, output).await).await?;
    if answer.exit() == Exit::Quarantined {
        let text = format!(
            "{}\n{}",
            checks(&answer.report, output.paint()),
            what_now(&answer, &args.path)
        );
        output.result(&with_install(&answer, None), &text)?;
        return Ok(Exit::Quarantined);
    }
    let PublishAnswer { name, version, .. } = &answer;
    if !args.rollout.install {
        let next = format!("Install it:  plugboard install {name}@{version} --enable");
        let text = format!("{}\n{next}", published(&answer));
        output.result(&with_install(&answer, None), &text)?;
        return Ok(Exit::Done);
    }
    // Before the rest is tried: a version that is out stays out, whatever becomes of that.
    if !output.is_json() {
        output.raw(&published(&answer))?;
    }
    let rolled_out =
        patience.repeat(async || rollout::roll_out(&client, &args, &answer, output).await).await;
    let done = match rolled_out {
        Err(failure) => return fail_after_publishing(failure, &answer, context),
        Ok(done) => done,
    };
    let text = installed(&done, client.address());
    output.result(&with_install(&answer, Some(&done.install)), &text)?;
    note_missing(output, &done.published, &done.install);
    Ok(Exit::Done)
}

/// Ends with a failure of the rollout. Machines get one object: the error, and beside it what the
/// appliance made of the bundle.
fn fail_after_publishing(
    failure: Failure,
    answer: &PublishAnswer,
    context: &Context,
) -> Result<Exit, Failure> {
    if !context.output.is_json() {
        return Err(failure);
    }
    // The words of the error go to standard error, as always.
    Output::new(false, context.environment.no_color()).failure(&failure);
    let mut object = failure.to_json();
    object["published"] = json!(answer);
    context.output.result(&object, "")?;
    Ok(failure.exit)
}

/// The answer of the API, and the install beside it.
fn with_install(answer: &PublishAnswer, install: Option<&Install>) -> serde_json::Value {
    let mut object = serde_json::to_value(answer).expect("an answer is plain data");
    object["install"] = json!(install);
    object
}

fn published(answer: &PublishAnswer) -> String {
    let PublishAnswer { outcome, name, version, content_hash, .. } = answer;
    let sentence = match outcome.as_str() {
        "created" => format!("Published {name} {version}"),
        _ => format!("{name} {version} was published before, with the same content"),
    };
    format!("{sentence}\n  {content_hash}")
}

/// The three ways out of the quarantine.
fn what_now(answer: &PublishAnswer, path: &Path) -> String {
    let PublishAnswer { name, content_hash, report, .. } = answer;
    let hash: String = content_hash.hex().chars().take(12).collect();
    let (first, how) = if report.is_unsigned() {
        let how = format!("plugboard publish {} --key FILE.key", shell_word(path));
        ("sign it with a key that is trusted", how)
    } else {
        let how = format!("plugboard trust add FILE.pub --scope {name}");
        ("trust the key, then publish again", how)
    };
    format!(
        "\nIt waits for a person, who can\n\
         \x20 {first:<34}  {how}\n\
         \x20 attach a trusted signature          plugboard quarantine attach {hash} FILE\n\
         \x20 approve exactly this bundle         plugboard quarantine approve {hash} --reason WHY"
    )
}

fn installed(rolled_out: &RolledOut, address: Option<&str>) -> String {
    let Install { id, name, version, enabled, .. } = &rolled_out.install;
    if !enabled {
        return format!("{name} {version} is installed\nEnable it:  plugboard enable {name}");
    }
    let sentence = format!("{name} {version} is installed and enabled");
    // The admin socket does not say by which address others reach it.
    let Some(base) = address else { return sentence };
    let place = if rolled_out.published.manifest.ui.is_some() {
        format!("Open it:  {base}/admin/open/{id}")
    } else {
        format!("Call it:  {base}/api/ext/{name}/…")
    };
    format!("{sentence}\n{place}")
}
