//! Values put back as an export gave them, by an operator.
//!
//! A revision never goes back where a value is: whoever waits to put over the one that it
//! has seen must not find another value under the same number.

use jiff::Timestamp;

use super::rows::{get_row, write_row};
use super::{Entry, entry_bytes, is_over, usage};
use crate::config::StateConfig;
use crate::model::InstallLabels;
use crate::state::place::MAX_TTL;
use crate::state::values::usage::{Change, Usage};
use crate::state::{Owner, Place, ReadTables, Refused, StateError, WriteTxn, kept};

/// The largest revision that is taken: what JSON readers tell from its neighbors, and far
/// from what no next revision could follow.
const MAX_REVISION: u64 = 1 << 53;

/// A value to put back, within the limits.
#[derive(Clone, Debug)]
pub struct Import {
    place: Place,
    value: Vec<u8>,
    revision: Option<u64>,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
}

/// What the row of a value says beside the value; what is not said is as of a new put.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    pub revision: Option<u64>,
    pub created_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
}

/// What putting a value back came to. But for the first two, nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importing {
    Created,
    Replaced,
    /// The same value is there already.
    Unchanged,
    /// Its time is over.
    Expired,
    /// Another value is there, and is not to be replaced.
    Taken,
    /// The install has as much as it may.
    Full,
    /// The install is gone.
    Gone,
}

impl Import {
    /// Checks a value against the limits.
    pub fn new(
        place: Place,
        value: Vec<u8>,
        facts: Facts,
        limits: &StateConfig,
        now: Timestamp,
    ) -> Result<Self, Refused> {
        let Facts { revision, created_at, updated_at, expires_at } = facts;
        if value.len() as u64 > limits.max_value_bytes {
            return Err(Refused::Value(limits.max_value_bytes));
        }
        if revision.is_some_and(|revision| revision == 0 || revision > MAX_REVISION) {
            return Err(Refused::Revision(MAX_REVISION));
        }
        // No shortest life: what was exported may be near its end.
        if expires_at.is_some_and(|end| end > now + MAX_TTL) {
            return Err(Refused::Ttl);
        }
        Ok(Self { place, value, revision, created_at, updated_at, expires_at })
    }

    /// Where it belongs.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Bytes that it counts for.
    pub fn bytes(&self) -> u64 {
        entry_bytes(self.place.namespace(), self.place.key(), self.value.len())
    }

    fn is(&self, there: &Entry) -> bool {
        let millis = |at: Option<Timestamp>| at.map(super::millis);
        there.value == self.value
            && millis(there.expires_at) == millis(self.expires_at)
            && self.revision.is_none_or(|revision| revision <= there.revision)
    }
}

/// What is to be written.
struct Plan {
    /// The row it is written over.
    old: Option<Entry>,
    new: Entry,
    change: Change,
    replaces: bool,
}

impl Plan {
    const fn outcome(&self) -> Importing {
        if self.replaces { Importing::Replaced } else { Importing::Created }
    }
}

/// What is to be written, or why nothing is.
fn plan(
    txn: &impl ReadTables,
    owner: &Owner,
    import: &Import,
    replace: bool,
    now: Timestamp,
) -> Result<Result<Plan, Importing>, StateError> {
    if is_over(import.expires_at, now) {
        return Ok(Err(Importing::Expired));
    }
    let old = get_row(txn, owner, &import.place)?;
    let live = old.as_ref().filter(|old| !is_over(old.expires_at, now));
    if live.is_some_and(|there| import.is(there)) {
        return Ok(Err(Importing::Unchanged));
    }
    if live.is_some() && !replace {
        return Ok(Err(Importing::Taken));
    }
    let next = live.map_or(1, |there| there.revision + 1);
    let created_at = import.created_at.or(live.map(|there| there.created_at));
    let new = Entry {
        namespace: import.place.namespace().to_owned(),
        key: import.place.key().to_owned(),
        value: Vec::new(),
        revision: import.revision.unwrap_or(next).max(next),
        created_at: created_at.unwrap_or(now),
        updated_at: import.updated_at.unwrap_or(now),
        expires_at: import.expires_at,
    };
    let change = Change::put(old.as_ref().map(Entry::bytes), import.bytes());
    let replaces = live.is_some();
    Ok(Ok(Plan { old, new, change, replaces }))
}

/// Puts a value back.
pub fn import(
    txn: &WriteTxn,
    labels: &InstallLabels,
    import: &Import,
    replace: bool,
    limits: &StateConfig,
    now: Timestamp,
) -> Result<Importing, StateError> {
    let (owner, namespace) = (Owner::of(labels), import.place.namespace());
    let plan = match plan(txn, &owner, import, replace, now)? {
        Ok(plan) => plan,
        Err(outcome) => return Ok(outcome),
    };
    if !usage::fits(txn, &owner, namespace, plan.change, limits)? {
        return Ok(Importing::Full);
    }
    if !kept::enter(txn, labels)? {
        return Ok(Importing::Gone);
    }
    let old_end = plan.old.as_ref().and_then(|old| old.expires_at);
    write_row(txn, &owner, old_end, &plan.new, &import.value)?;
    usage::apply(txn, &owner, namespace, plan.change)?;
    Ok(plan.outcome())
}

/// An import that writes nothing, and counts what it would have written.
///
/// It has to be asked in the order of places: it remembers one namespace.
#[derive(Debug, Default)]
pub struct Rehearsal {
    /// What the owner would have; nothing before the first value.
    usage: Option<Usage>,
    namespace: String,
    keys: u64,
}

impl Rehearsal {
    /// What putting a value back would come to.
    pub fn import(
        &mut self,
        txn: &impl ReadTables,
        labels: &InstallLabels,
        import: &Import,
        replace: bool,
        limits: &StateConfig,
        now: Timestamp,
    ) -> Result<Importing, StateError> {
        let (owner, namespace) = (Owner::of(labels), import.place.namespace());
        let plan = match plan(txn, &owner, import, replace, now)? {
            Ok(plan) => plan,
            Err(outcome) => return Ok(outcome),
        };
        let before = match self.usage {
            Some(usage) => usage,
            None => usage(txn, &owner)?,
        };
        if self.namespace != namespace {
            namespace.clone_into(&mut self.namespace);
            self.keys = usage::keys_in(txn, &owner, namespace)?;
        }
        let (after, keys) = usage::after(before, self.keys, plan.change);
        if !usage::is_allowed(before, after, limits) {
            return Ok(Importing::Full);
        }
        (self.usage, self.keys) = (Some(after), keys);
        Ok(plan.outcome())
    }
}
