//! Whether a start could use what the data folder has.

use std::fs;
use std::path::PathBuf;

use anyhow::anyhow;

use super::{Finding, Status};
use crate::app::master_key::MasterKey;
use crate::cli::failure::{Exit, Failure};
use crate::cli::interrupt::blocking;
use crate::cli::serve::folder::{self, is_absent};
use crate::config::Config;
use crate::model::{Clock, SystemClock};
use crate::registry::{Examined, Registry};
use crate::state::State;

/// What is to be looked at, and with how much memory.
struct Folder {
    path: PathBuf,
    registry_cache_bytes: usize,
    state_cache_bytes: usize,
    /// The master key is elsewhere.
    key_is_given: bool,
}

/// Looks at the folder and its files as a start does; nothing in it is changed.
pub(super) async fn check(config: &Config) -> Vec<Finding> {
    let folder = Folder {
        path: config.server.data_dir.clone(),
        registry_cache_bytes: config.registry.cache_bytes,
        state_cache_bytes: config.state.cache_bytes,
        key_is_given: !config.server.master_key_file.as_os_str().is_empty(),
    };
    let looked = blocking(move || Ok(folder.look())).await;
    looked.unwrap_or_else(|failure| vec![failed(&failure)])
}

impl Folder {
    fn look(&self) -> Vec<Finding> {
        let shown = self.path.display();
        if is_absent(&self.path) {
            return vec![not_made(format!("Not made yet: the first start makes {shown}."))];
        }
        if let Err(failure) = self.check() {
            return vec![failed(&failure)];
        }
        let [registry, state] =
            ["registry.redb", "state.redb"].map(|name| !is_absent(&self.path.join(name)));
        if !registry && !state {
            return vec![not_made(format!(
                "No appliance is in {shown}: the first start makes one."
            ))];
        }
        let mut looked = vec![self.registry()];
        if state {
            looked.push(self.state());
            looked.push(self.key());
        }
        let is_open = looked.iter().any(|each| matches!(each, Ok(Examined::InUse)));
        let mut findings: Vec<_> =
            looked.iter().filter_map(|each| each.as_ref().err()).map(failed).collect();
        if findings.is_empty() {
            findings.push(Finding::ok(
                "data",
                if is_open {
                    format!("A server or a command has {shown} open: its files are not looked at.")
                } else {
                    format!("A start can use what is in {shown}.")
                },
            ));
        }
        findings
    }

    fn check(&self) -> Result<(), Failure> {
        let found = fs::metadata(&self.path).map_err(|error| {
            let message = format!("the data folder {} cannot be opened", self.path.display());
            Failure::misconfigured(anyhow!(error).context(message))
        })?;
        if !found.is_dir() {
            return Err(folder::not_a_folder(&self.path));
        }
        folder::check(&self.path)
    }

    fn registry(&self) -> Result<Examined, Failure> {
        let file = self.path.join("registry.redb");
        let examined = Registry::examine(&file, self.registry_cache_bytes, SystemClock.now());
        examined.map_err(Failure::refused)
    }

    fn state(&self) -> Result<Examined, Failure> {
        let file = self.path.join("state.redb");
        State::examine(&file, self.state_cache_bytes).map_err(Failure::refused)
    }

    /// A start makes a key where there is none. Where something is kept there was one, and
    /// secrets open with no other.
    fn key(&self) -> Result<Examined, Failure> {
        if self.key_is_given || MasterKey::is_kept(&self.path).map_err(Failure::refused)? {
            return Ok(Examined::Sound);
        }
        let message = format!("no master.key is in {}, where state.redb is", self.path.display());
        Err(Failure::refused(anyhow!(message)).hint(
            "put it back, or name the one that the server is given with `server.master_key_file`; \
             a start without it makes another, with which no secret opens that was set before",
        ))
    }
}

fn not_made(sentence: String) -> Finding {
    Finding { status: Status::NotChecked, ..Finding::ok("data", sentence) }
}

/// With the causes and the hint, on one line.
fn failed(failure: &Failure) -> Finding {
    let hint = failure.hint.as_ref().map_or(String::new(), |hint| format!("; {hint}"));
    let exit = if failure.exit == Exit::Usage { Exit::Usage } else { Exit::Refused };
    Finding::failed("data", format!("{:#}{hint}.", failure.error), exit)
}
