//! Values in the order of their keys, a page at a time.

use std::ops::Bound;

use jiff::Timestamp;
use redb::ReadableTable;

use super::rows::entry;
use super::{Entry, Row, RowKey, VALUES, end_of, is_over, timestamp};
use crate::state::{Owner, ReadTables, StateError};

/// How much one page holds; at least one value, however large.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    pub entries: usize,
    /// Of namespaces, keys and values.
    pub bytes: usize,
}

/// Where a page of all of an owner's values begins: after this namespace and key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct After {
    pub namespace: String,
    pub key: String,
}

impl After {
    /// Where the page after `page` begins.
    pub fn the_last_of(page: &[Entry]) -> Option<Self> {
        let last = page.last()?;
        Some(Self { namespace: last.namespace.clone(), key: last.key.clone() })
    }
}

/// Values of one namespace in ascending order of their keys, from the first after
/// the key `after` on.
pub fn list(
    txn: &impl ReadTables,
    owner: &Owner,
    namespace: &str,
    after: Option<&str>,
    page: Page,
    now: Timestamp,
) -> Result<Vec<Entry>, StateError> {
    let beyond = beyond(namespace);
    let range = range_of(owner, namespace, after, &beyond);
    read_page(txn, range, page, |(.., end, _)| !is_over(end.map(timestamp), now))
}

/// A page of keys.
#[derive(Debug, Default)]
pub struct KeyPage {
    pub keys: Vec<String>,
    /// Whether there are more after them.
    pub more: bool,
    /// Bytes of the rows that were gone through to find them, with their values.
    pub bytes: usize,
}

/// Keys as [`list`] gives them with their values, which are not copied here.
///
/// A page ends where it would with values: they are read from the disk with their keys.
pub fn list_keys(
    txn: &impl ReadTables,
    owner: &Owner,
    namespace: &str,
    after: Option<&str>,
    page: Page,
    now: Timestamp,
) -> Result<KeyPage, StateError> {
    let beyond = beyond(namespace);
    let rows = txn.rows(VALUES)?;
    let mut found = KeyPage::default();
    for row in rows.range::<RowKey<'_>>(range_of(owner, namespace, after, &beyond))? {
        let (key, row) = row?;
        let ((.., key), row) = (key.value(), row.value());
        let bytes = namespace.len() + key.len() + row.4.len();
        if is_over(row.3.map(timestamp), now) {
            found.bytes += bytes;
            continue;
        }
        let is_full = found.keys.len() == page.entries || found.bytes + bytes > page.bytes;
        if is_full && !found.keys.is_empty() {
            found.more = true;
            break;
        }
        found.bytes += bytes;
        found.keys.push(key.to_owned());
    }
    Ok(found)
}

/// All values of an owner, also those whose time is over, by namespace and key.
pub fn list_all(
    txn: &impl ReadTables,
    owner: &Owner,
    after: &After,
    page: Page,
) -> Result<Vec<Entry>, StateError> {
    let next = owner.next();
    // No key is empty: what comes after an empty one is the first.
    let first = Bound::Excluded((owner.as_bytes(), &*after.namespace, &*after.key));
    read_page(txn, (first, end_of(next.as_ref())), page, |_| true)
}

/// The least text greater than the namespace: where the next one can begin.
fn beyond(namespace: &str) -> String {
    format!("{namespace}\0")
}

fn range_of<'a>(
    owner: &'a Owner,
    namespace: &'a str,
    after: Option<&'a str>,
    beyond: &'a str,
) -> (Bound<RowKey<'a>>, Bound<RowKey<'a>>) {
    let bytes = owner.as_bytes();
    let first = match after {
        None => Bound::Included((bytes, namespace, "")),
        Some(after) => Bound::Excluded((bytes, namespace, after)),
    };
    (first, Bound::Excluded((bytes, beyond, "")))
}

fn read_page(
    txn: &impl ReadTables,
    range: (Bound<RowKey<'_>>, Bound<RowKey<'_>>),
    page: Page,
    is_wanted: impl Fn(&Row<'_>) -> bool,
) -> Result<Vec<Entry>, StateError> {
    let rows = txn.rows(VALUES)?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    for row in rows.range::<RowKey<'_>>(range)? {
        let (key, row) = row?;
        let ((_, namespace, key), row) = (key.value(), row.value());
        if !is_wanted(&row) {
            continue;
        }
        bytes += namespace.len() + key.len() + row.4.len();
        if found.len() == page.entries || (bytes > page.bytes && !found.is_empty()) {
            break;
        }
        found.push(entry(namespace, key, &row));
    }
    Ok(found)
}
