//! Values that go: those whose time is over, and all of an owner.

use jiff::Timestamp;
use redb::ReadableTable;

use super::{After, ENDS, Page, Usage, VALUES, entry, list_all, millis, remove};
use crate::state::owner::OWNER_BYTES;
use crate::state::{Owner, StateError, WriteTxn};

/// What one step of a purge has in memory.
const PURGE_BYTES: usize = 8 * 1024 * 1024;

/// Removes values whose time is over, at most `most`; says how many.
pub fn sweep(txn: &WriteTxn, now: Timestamp, most: usize) -> Result<usize, StateError> {
    let mut over = Vec::new();
    {
        let ends = txn.table(ENDS)?;
        // Up to the first end that is not over: the next millisecond's.
        let bytes = [0; OWNER_BYTES];
        for row in ends.range(..(millis(now) + 1, &bytes, "", ""))?.take(most) {
            let (key, _) = row?;
            let (_, owner, namespace, key) = key.value();
            over.push((Owner::from(*owner), namespace.to_owned(), key.to_owned()));
        }
    }
    for (owner, namespace, key) in &over {
        let row = txn.table(VALUES)?.get((owner.as_bytes(), &**namespace, &**key))?.map(|row| {
            let row = row.value();
            entry(namespace, key, &row)
        });
        if let Some(row) = row {
            remove(txn, owner, &row)?;
        }
    }
    Ok(over.len())
}

/// Removes values of an owner, at most `most`; gives what they had.
///
/// Repeat it until it gives nothing: in steps, so that nobody waits for all of it.
pub fn purge(txn: &WriteTxn, owner: &Owner, most: usize) -> Result<Usage, StateError> {
    let page = Page { entries: most, bytes: PURGE_BYTES };
    let page = list_all(txn, owner, &After::default(), page)?;
    let mut purged = Usage::default();
    for row in &page {
        purged.keys += 1;
        purged.bytes += row.bytes();
        remove(txn, owner, row)?;
    }
    Ok(purged)
}
