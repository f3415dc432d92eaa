//! One row of the values: looked at, read, written and removed.
//!
//! A write looks at the row before it: the value in that may be as large as any, and nothing
//! counts it, so it is not copied.

use jiff::Timestamp;
use redb::ReadableTable;

use super::{ENDS, Entry, Row, VALUES, entry_bytes, millis, timestamp, usage};
use crate::state::{Owner, Place, ReadTables, StateError, WriteTxn};

/// What a row says beside its value: what a write has to know of the one before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Old {
    /// What it counts for.
    pub(super) bytes: u64,
    pub(super) revision: u64,
    pub(super) created_at: Timestamp,
    pub(super) expires_at: Option<Timestamp>,
}

impl Old {
    pub(super) fn of(entry: &Entry) -> Self {
        let Entry { revision, created_at, expires_at, .. } = *entry;
        Self { bytes: entry.bytes(), revision, created_at, expires_at }
    }
}

/// The value at a place, also if its time is over.
pub(super) fn get_row(
    txn: &impl ReadTables,
    owner: &Owner,
    place: &Place,
) -> Result<Option<Entry>, StateError> {
    let (namespace, key) = place.parts();
    look_at_row(txn, owner, (namespace, key), |row| entry(namespace, key, row))
}

/// What is known of the value at a namespace and key, also if its time is over.
pub(super) fn get_old(
    txn: &impl ReadTables,
    owner: &Owner,
    (namespace, key): (&str, &str),
) -> Result<Option<Old>, StateError> {
    look_at_row(txn, owner, (namespace, key), |(revision, created, _, end, value)| Old {
        bytes: entry_bytes(namespace, key, value.len()),
        revision: *revision,
        created_at: timestamp(*created),
        expires_at: end.map(timestamp),
    })
}

/// What `look` makes of the row at a namespace and key, of which nothing is copied here.
pub(super) fn look_at_row<T>(
    txn: &impl ReadTables,
    owner: &Owner,
    (namespace, key): (&str, &str),
    look: impl FnOnce(&Row<'_>) -> T,
) -> Result<Option<T>, StateError> {
    let rows = txn.rows(VALUES)?;
    let row = rows.get((owner.as_bytes(), namespace, key))?;
    Ok(row.map(|row| look(&row.value())))
}

/// Writes `new`, with `value`, over what ended at `old_end` or is not there.
pub(super) fn write_row(
    txn: &WriteTxn,
    owner: &Owner,
    old_end: Option<Timestamp>,
    new: &Entry,
    value: &[u8],
) -> Result<(), StateError> {
    let (owner, namespace, key) = (owner.as_bytes(), &*new.namespace, &*new.key);
    let [old_end, end] = [old_end, new.expires_at].map(|end| end.map(millis));
    let row = (new.revision, millis(new.created_at), millis(new.updated_at), end, value);
    txn.table(VALUES)?.insert((owner, namespace, key), row)?;
    let mut ends = txn.table(ENDS)?;
    if let Some(old_end) = old_end {
        ends.remove((old_end, owner, namespace, key))?;
    }
    if let Some(end) = end {
        ends.insert((end, owner, namespace, key), ())?;
    }
    Ok(())
}

pub(super) fn remove(
    txn: &WriteTxn,
    owner: &Owner,
    (namespace, key): (&str, &str),
    old: Old,
) -> Result<(), StateError> {
    txn.table(VALUES)?.remove((owner.as_bytes(), namespace, key))?;
    if let Some(end) = old.expires_at {
        txn.table(ENDS)?.remove((millis(end), owner.as_bytes(), namespace, key))?;
    }
    usage::apply(txn, owner, namespace, usage::Change::removal(old.bytes))
}

pub(super) fn entry(
    namespace: &str,
    key: &str,
    (revision, created, updated, end, value): &Row<'_>,
) -> Entry {
    Entry {
        namespace: namespace.to_owned(),
        key: key.to_owned(),
        value: value.to_vec(),
        revision: *revision,
        created_at: timestamp(*created),
        updated_at: timestamp(*updated),
        expires_at: end.map(timestamp),
    }
}
