//! Values that go: those whose time is over, and all of an owner.

use std::ops::Bound;

use jiff::Timestamp;
use redb::ReadableTable;

use super::rows::{Old, get_old, remove};
use super::{After, ENDS, Page, RowKey, Usage, VALUES, end_of, list_all, millis};
use crate::state::owner::OWNER_BYTES;
use crate::state::{Owner, ReadTables, State, StateError, WriteTxn};

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
        if let Some(old) = get_old(txn, owner, (namespace, key))? {
            remove(txn, owner, (namespace, key), old)?;
        }
    }
    Ok(over.len())
}

/// Removes all values whose time is over, in steps of `most`; says how many.
///
/// It looks before it writes: most minutes nothing is over, and a commit would cost the
/// disk a sync for nothing.
pub async fn sweep_all(state: &State, now: Timestamp, most: usize) -> Result<usize, StateError> {
    let mut swept = 0;
    while state.read(move |txn| is_one_over(txn, now)).await? {
        swept += state.write(move |txn| sweep(txn, now, most)).await?;
    }
    Ok(swept)
}

fn is_one_over(txn: &impl ReadTables, now: Timestamp) -> Result<bool, StateError> {
    let ends = txn.rows(ENDS)?;
    let first = ends.first()?;
    Ok(first.is_some_and(|(key, _)| key.value().0 <= millis(now)))
}

/// What one step of a purge removed, and where the next one begins.
#[derive(Clone, Debug)]
pub struct Purged {
    pub usage: Usage,
    /// `None`: there is nothing after it.
    pub next: Option<After>,
}

/// Where the last value of an owner is.
pub fn last(txn: &impl ReadTables, owner: &Owner) -> Result<Option<After>, StateError> {
    let next = owner.next();
    let rows = txn.rows(VALUES)?;
    let first = Bound::Included((owner.as_bytes(), "", ""));
    let last = rows.range::<RowKey<'_>>((first, end_of(next.as_ref())))?.next_back().transpose()?;
    Ok(last.map(|(key, _)| {
        let (_, namespace, key) = key.value();
        After { namespace: namespace.to_owned(), key: key.to_owned() }
    }))
}

/// Removes values of an owner after `after` and up to `last`, at most `most`.
///
/// In steps, so that nobody waits for all of it; and in one pass to an end that is known
/// before, so that it has one, however much a guest puts meanwhile.
pub fn purge(
    txn: &WriteTxn,
    owner: &Owner,
    (after, last): (&After, &After),
    most: usize,
) -> Result<Purged, StateError> {
    let page = Page { entries: most, bytes: PURGE_BYTES };
    let mut page = list_all(txn, owner, after, page)?;
    page.retain(|row| (&row.namespace, &row.key) <= (&last.namespace, &last.key));
    let mut usage = Usage::default();
    for row in &page {
        usage.keys += 1;
        usage.bytes += row.bytes();
        remove(txn, owner, (&row.namespace, &row.key), Old::of(row))?;
    }
    let next = After::the_last_of(&page).filter(|next| next != last);
    Ok(Purged { usage, next })
}
