//! Values, keyed by owner, namespace and key.
//!
//! What an owner has is counted in the transaction that changes it. A value whose
//! time is over is as absent from that moment; it counts until it is swept.

use std::ops::Bound;

use jiff::Timestamp;
use redb::{TableDefinition, WriteTransaction};

use super::owner::OWNER_BYTES;
use super::{Owner, Place, Put, ReadTables, StateError, WriteTxn, kept};
use crate::config::StateConfig;
use crate::model::InstallLabels;

pub mod counting;
mod importing;
mod leaving;
mod listing;
mod rows;
mod usage;

pub use importing::{Facts, Import, Importing, Rehearsal, import};
pub use leaving::{Purged, last, purge, sweep, sweep_all};
pub use listing::{After, KeyPage, Page, list, list_all, list_keys};
pub use usage::{Usage, usage};

use rows::{get_old, get_row, look_at_row, remove, write_row};

type Bytes<'a> = &'a [u8; OWNER_BYTES];
/// Owner, namespace, key. Parts are compared one after the other: by the bytes of
/// the owner, which all have one width, then of the namespace, then of the key.
type RowKey<'a> = (Bytes<'a>, &'a str, &'a str);
/// Revision, milliseconds of the first and of the last put and of its end, value.
type Row<'a> = (u64, i64, i64, Option<i64>, &'a [u8]);

/// Where a value stands to what it is.
const VALUES: TableDefinition<RowKey<'static>, Row<'static>> = TableDefinition::new("values");

/// When a value ends, in milliseconds, and where it stands.
const ENDS: TableDefinition<(i64, Bytes<'static>, &str, &str), ()> = TableDefinition::new("ends");

pub(super) fn create_tables(txn: &WriteTransaction) -> Result<(), StateError> {
    txn.open_table(VALUES)?;
    txn.open_table(ENDS)?;
    usage::create_tables(txn)
}

/// A value that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub namespace: String,
    pub key: String,
    pub value: Vec<u8>,
    /// 1 for the first put, and one more for each after it.
    pub revision: u64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub expires_at: Option<Timestamp>,
}

/// What putting a value came to. But for the first, nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Putting {
    /// With the revision that it has.
    Done(u64),
    /// Another revision is there, or none.
    Conflict,
    /// The install has as much as it may.
    Full,
    /// The install is gone.
    Gone,
}

/// Puts a value.
pub fn put(
    txn: &WriteTxn,
    labels: &InstallLabels,
    put: &Put,
    limits: &StateConfig,
    now: Timestamp,
) -> Result<Putting, StateError> {
    let (owner, place) = (Owner::of(labels), &put.place);
    let old = get_old(txn, &owner, place.parts())?;
    let live = old.filter(|old| !is_over(old.expires_at, now));
    if put.if_revision.is_some() && put.if_revision != live.map(|old| old.revision) {
        return Ok(Putting::Conflict);
    }
    let bytes = entry_bytes(place.namespace(), place.key(), put.value.len());
    let change = usage::Change::put(old.map(|old| old.bytes), bytes);
    if !usage::fits(txn, &owner, place.namespace(), change, limits)? {
        return Ok(Putting::Full);
    }
    if !kept::enter(txn, labels)? {
        return Ok(Putting::Gone);
    }
    let new = Entry {
        namespace: place.namespace().to_owned(),
        key: place.key().to_owned(),
        value: Vec::new(),
        revision: live.map_or(1, |old| old.revision + 1),
        created_at: live.map_or(now, |old| old.created_at),
        updated_at: now,
        // Extensions give no ends: what an import gave goes with the value it was given to.
        expires_at: None,
    };
    write_row(txn, &owner, old.and_then(|old| old.expires_at), &new, &put.value)?;
    usage::apply(txn, &owner, place.namespace(), change)?;
    Ok(Putting::Done(new.revision))
}

/// The value at a place.
pub fn get(
    txn: &impl ReadTables,
    owner: &Owner,
    place: &Place,
    now: Timestamp,
) -> Result<Option<Entry>, StateError> {
    Ok(get_row(txn, owner, place)?.filter(|row| !is_over(row.expires_at, now)))
}

/// The bytes of the value at a place, without the value.
pub fn length(
    txn: &impl ReadTables,
    owner: &Owner,
    place: &Place,
    now: Timestamp,
) -> Result<Option<usize>, StateError> {
    let length = look_at_row(txn, owner, place.parts(), |(.., end, value)| {
        (!is_over(end.map(timestamp), now)).then_some(value.len())
    });
    Ok(length?.flatten())
}

/// Deletes the value at a place; false when there is none.
pub fn delete(
    txn: &WriteTxn,
    owner: &Owner,
    place: &Place,
    now: Timestamp,
) -> Result<bool, StateError> {
    let Some(old) = get_old(txn, owner, place.parts())? else { return Ok(false) };
    remove(txn, owner, place.parts(), old)?;
    Ok(!is_over(old.expires_at, now))
}

impl Entry {
    /// What it counts for.
    pub fn bytes(&self) -> u64 {
        entry_bytes(&self.namespace, &self.key, self.value.len())
    }
}

fn entry_bytes(namespace: &str, key: &str, value: usize) -> u64 {
    (namespace.len() + key.len() + value) as u64
}

fn is_over(expires_at: Option<Timestamp>, now: Timestamp) -> bool {
    expires_at.is_some_and(|end| end <= now)
}

fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}

/// The rows of one owner from `after` on: the range ends before the next owner's.
fn end_of(next: Option<&Owner>) -> Bound<RowKey<'_>> {
    next.map_or(Bound::Unbounded, |next| Bound::Excluded((next.as_bytes(), "", "")))
}

#[cfg(test)]
mod tests;
