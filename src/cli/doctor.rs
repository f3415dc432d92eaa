//! `plugboard doctor`: looks at everything an appliance needs, and says what is wrong.

mod data;
mod files;

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;

use super::Context;
use super::failure::{Exit, Failure};
use super::output::{Paint, Tone, byte_size};
use super::settings_args::SettingsArgs;
use crate::config::{Config, ConfigProblems, OtlpConfig};
use crate::model::{Clock, FactState, StoreCapability, StoreFact, SystemClock};
use crate::runner::{Confinement, confinement};
use crate::store::{Examination, StoreError, examine};
use crate::traces::{self, CollectorFault};
use crate::trust::{TrustBundle, TrustBundleStatus};

/// Looks for what keeps an appliance from working
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Looks for what keeps an appliance from working: its configuration and the files that it \
names, its data folder and the files in it, its bundle store and what that can do, what the kernel \
keeps a compiler from, the disk, the collector of traces. It can run beside a server, and changes \
nothing: a bucket is tried out with objects below _probe/, which are removed.

Ends with 0 when nothing is wrong, 1 when a check failed, 2 when the configuration or a file \
that it names cannot be used, 4 when the bundle store cannot be reached.

Examples:
  plugboard doctor
  plugboard doctor --config /etc/plugboard/plugboard.toml
  plugboard doctor --data-dir /var/lib/plugboard --json"
)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// The data folder: the setting `server.data_dir`
    #[arg(short, long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// How one check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Ok,
    /// It works all the same; a person should know.
    Attention,
    Failed,
    NotChecked,
}

/// One line of the answer.
#[derive(Debug, Serialize)]
struct Finding {
    check: String,
    status: Status,
    sentence: String,
    #[serde(skip)]
    exit: Exit,
}

/// Runs `plugboard doctor`.
pub(super) async fn run(args: DoctorArgs, context: &Context) -> Result<Exit, Failure> {
    let settings = args.settings.with_data_dir(args.data_dir.as_deref());
    let (findings, place) = match settings.try_load(&context.environment)? {
        Err(ConfigProblems(problems)) => {
            let findings = problems.iter().map(|each| {
                let sentence = format!("{} (from {}) {}", each.key, each.source, each.message);
                Finding::failed("config", sentence, Exit::Usage)
            });
            (findings.collect(), None)
        }
        Ok(loaded) => {
            let mut findings = vec![Finding::ok("config", "The configuration can be used.")];
            findings.extend(loaded.notices.iter().map(|notice| Finding {
                status: Status::Attention,
                ..Finding::ok("config", notice)
            }));
            findings.extend(files::check(&loaded.config));
            findings.extend(data::check(&loaded.config).await);
            findings.push(of_compiler(confinement()));
            findings.extend(check_trust_bundle(&loaded.config.signing.trust_bundle));
            findings.extend(check_collector(&loaded.config.telemetry.otlp).await);
            let place = check_store(&loaded.config, &mut findings).await;
            (findings, place)
        }
    };
    let text: Vec<_> = findings.iter().map(|each| line(each, context.output.paint())).collect();
    context.output.result(&json!({ "checks": findings, "store": place }), &text.join("\n"))?;
    let exits = [Exit::Usage, Exit::Unfinished, Exit::Refused];
    let worst = exits.into_iter().find(|exit| findings.iter().any(|each| each.exit == *exit));
    Ok(worst.unwrap_or(Exit::Done))
}

/// Adds what the store, its disk and its staging folder are like; says where the store is.
async fn check_store(config: &Config, findings: &mut Vec<Finding>) -> Option<String> {
    let data_dir = Path::new(&config.server.data_dir);
    match examine(&config.store, data_dir, SystemClock.now()).await {
        Err(error) => {
            findings.push(Finding::failed("store", told(&error), Exit::Refused));
            None
        }
        Ok(examination) => {
            findings.extend(of_store(&examination));
            findings.extend(of_disk(&examination, config.store.min_free_bytes));
            Some(examination.place)
        }
    }
}

/// Whether the collector of traces takes spans, if one is set. An appliance works without.
async fn check_collector(config: &OtlpConfig) -> Option<Finding> {
    if !config.is_set() {
        return None;
    }
    Some(match traces::probe(config).await {
        Ok(()) => Finding::ok("traces", format!("{} takes spans.", config.endpoint)),
        Err(fault @ CollectorFault::Unusable(_)) => {
            Finding::failed("traces", fault.to_string(), Exit::Usage)
        }
        Err(fault) => {
            let sentence = format!("{} takes no spans: {fault}.", config.endpoint);
            Finding { status: Status::Attention, ..Finding::ok("traces", sentence) }
        }
    })
}

/// Whether the trust bundle can be used, if one is set. An appliance starts without.
fn check_trust_bundle(setting: &str) -> Option<Finding> {
    let now = SystemClock.now();
    match TrustBundle::load(setting, now).status(now) {
        TrustBundleStatus::NotConfigured => None,
        TrustBundleStatus::Usable { keys, .. } => {
            Some(Finding::ok("trust", format!("The trust bundle can be used; keys in it: {keys}.")))
        }
        TrustBundleStatus::Unusable { reason } => {
            let sentence = format!(
                "`signing.trust_bundle` is not usable, and no bundle is verified until it is: \
                 {reason}."
            );
            Some(Finding::failed("trust", sentence, Exit::Refused))
        }
    }
}

fn of_compiler(confinement: Confinement) -> Finding {
    match confinement.missing() {
        None => Finding::ok("compiler", "Components are compiled without any right."),
        Some(missing) if !confinement.is_enough() => {
            Finding::failed("compiler", missing, Exit::Refused)
        }
        Some(missing) => Finding { status: Status::Attention, ..Finding::ok("compiler", missing) },
    }
}

fn of_store(examination: &Examination) -> Vec<Finding> {
    let place = &examination.place;
    match &examination.facts {
        None => vec![Finding {
            status: Status::NotChecked,
            ..Finding::ok("store", format!("Not made yet: the first start makes {place}."))
        }],
        Some(facts) => facts.facts.iter().map(|fact| of_fact(fact, place)).collect(),
    }
}

fn of_fact(fact: &StoreFact, place: &str) -> Finding {
    let check = format!("store.{}", fact.capability.as_str());
    let reaches = fact.capability == StoreCapability::Reach;
    let sentence =
        if reaches { format!("{place}: {}", fact.sentence) } else { fact.sentence.clone() };
    match fact.state {
        FactState::Works => Finding::ok(check, sentence),
        FactState::NotChecked => {
            Finding { status: Status::NotChecked, ..Finding::ok(check, sentence) }
        }
        FactState::Missing if reaches => Finding::failed(check, sentence, Exit::Unfinished),
        FactState::Missing if fact.capability.is_needed() => {
            Finding::failed(check, sentence, Exit::Refused)
        }
        FactState::Missing => Finding { status: Status::Attention, ..Finding::ok(check, sentence) },
    }
}

fn of_disk(examination: &Examination, floor: u64) -> Vec<Finding> {
    let (folder, writable) = &examination.staging;
    let folder = folder.display();
    let staging = match writable {
        Ok(()) => Finding::ok("staging", format!("Uploads can be received in {folder}.")),
        Err(error) => {
            let sentence = format!("Uploads cannot be received in {folder}: {}", told(error));
            Finding::failed("staging", sentence, Exit::Refused)
        }
    };
    // Where the folder cannot be, the disk that was asked is not the one it would be on.
    if matches!(writable, Err(error) if !matches!(error, StoreError::DiskFull { .. })) {
        return vec![staging];
    }
    let disk = match examination.free_bytes {
        None => Finding {
            status: Status::NotChecked,
            ..Finding::ok("disk", format!("The free space of {folder} is not known."))
        },
        Some(free) if free < floor => {
            let sentence = format!(
                "{} are free and {} are kept free: uploads are refused. Free some, or lower \
                 `store.min_free_bytes`.",
                byte_size(free),
                byte_size(floor)
            );
            Finding::failed("disk", sentence, Exit::Refused)
        }
        Some(free) => Finding::ok(
            "disk",
            format!("{} are free, {} are kept free.", byte_size(free), byte_size(floor)),
        ),
    };
    vec![staging, disk]
}

impl Finding {
    fn ok(check: impl Into<String>, sentence: impl Into<String>) -> Self {
        let (check, sentence) = (check.into(), sentence.into());
        Self { check, status: Status::Ok, sentence, exit: Exit::Done }
    }

    fn failed(check: impl Into<String>, sentence: impl Into<String>, exit: Exit) -> Self {
        Self { status: Status::Failed, exit, ..Self::ok(check, sentence) }
    }
}

fn line(finding: &Finding, paint: Paint) -> String {
    let (tone, mark) = match finding.status {
        Status::Ok => (Tone::Good, "✔"),
        Status::Attention => (Tone::Attention, "!"),
        Status::Failed => (Tone::Danger, "✘"),
        Status::NotChecked => (Tone::Quiet, "–"),
    };
    format!("{} {:27}  {}", paint.words(tone, mark), finding.check, finding.sentence)
}

/// The sentence and its causes, on one line.
fn told(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(capability: StoreCapability, state: FactState) -> StoreFact {
        StoreFact { capability, state, sentence: "So it is.".to_owned() }
    }

    #[test]
    fn a_server_out_of_reach_is_worth_another_try_and_a_lack_is_not() {
        let exit = |capability| of_fact(&fact(capability, FactState::Missing), "here").exit;

        assert_eq!(exit(StoreCapability::Reach), Exit::Unfinished);
        assert_eq!(exit(StoreCapability::Multipart), Exit::Refused);
        assert_eq!(exit(StoreCapability::CreateOnly), Exit::Done);
    }

    #[test]
    fn a_kernel_that_leaves_a_compiler_some_rights_is_worth_attention() {
        let status = |landlock, filter| of_compiler(Confinement { landlock, filter }).status;

        assert_eq!((status(true, true), status(false, true)), (Status::Ok, Status::Attention));
        assert_eq!(status(false, false), Status::Failed);
    }

    #[test]
    fn a_finding_is_a_mark_a_name_and_a_sentence() {
        let lacks = of_fact(&fact(StoreCapability::Checksums, FactState::Missing), "here");

        assert_eq!(line(&lacks, Paint::PLAIN), "! store.checksums              So it is.");
    }
}
