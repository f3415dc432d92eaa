//! What extensions keep: whose it is, what of it survives, and who can have it.

mod crashes;
mod guests;
mod importing;
mod keyvalue;
#[cfg(feature = "fail-points")]
mod kills;
mod linear;
mod model;
mod operators;
mod power_cuts;
mod promises;
mod races;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use plugboard::config::StateConfig;
use plugboard::model::{InstallId, InstallLabels, SystemClock};
use plugboard::state::values::{self, After, Entry, Page, Putting, Usage};
use plugboard::state::{Owner, Place, Put, State, StateError};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;
/// Larger than what any test keeps.
const WHOLE: Page = Page { entries: usize::MAX, bytes: usize::MAX };

fn in_memory(limits: &StateConfig) -> State {
    State::in_memory(limits, Arc::new(SystemClock)).unwrap()
}

fn labels(tenant: &str, install: InstallId) -> Arc<InstallLabels> {
    let (tenant, name) = (tenant.parse().unwrap(), "com.example.keeps".parse().unwrap());
    Arc::new(InstallLabels::of(tenant, name, install, &"1.0.0".parse().unwrap()))
}

fn place(namespace: &str, key: &str) -> Place {
    Place::new(namespace.to_owned(), key.to_owned(), &StateConfig::default()).unwrap()
}

/// Puts `value` at `n`, `key`, whatever is there.
fn put(
    state: &State,
    owner: &Arc<InstallLabels>,
    key: &str,
    value: &[u8],
) -> Result<Putting, StateError> {
    let (owner, limits) = (Arc::clone(owner), state.limits().clone());
    let value = Put::new(place("n", key), value.to_vec(), &limits).unwrap();
    state.write_blocking(move |txn| values::put(txn, &owner, &value, &limits, NOW))
}

/// All that an owner has, and what is counted of it.
fn look(state: &State, owner: &InstallLabels) -> (Vec<Entry>, Usage) {
    let owner = Owner::of(owner);
    state
        .read_blocking(|txn| {
            let entries = values::list_all(txn, &owner, &After::default(), WHOLE)?;
            Ok((entries, values::usage(txn, &owner)?))
        })
        .unwrap()
}

/// What should be counted of these.
fn recount(entries: &[Entry]) -> Usage {
    let mut namespaces = BTreeSet::new();
    let mut usage = Usage::default();
    for entry in entries {
        namespaces.insert(&entry.namespace);
        usage.keys += 1;
        usage.bytes += (entry.namespace.len() + entry.key.len() + entry.value.len()) as u64;
    }
    usage.namespaces = namespaces.len() as u64;
    usage
}
