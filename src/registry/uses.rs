//! When installs were last called, so that a start can begin with what is in use.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use jiff::Timestamp;
use redb::{ReadableTable, TableDefinition, WriteTransaction};

use crate::model::InstallId;

use super::{ReadTables, RegistryError, WriteTxn, installs};

/// An install's id to seconds since 1970.
const USES: TableDefinition<&[u8; 16], i64> = TableDefinition::new("install_uses");

/// When an install was last called, to the second; 0 for never.
///
/// Shared by all snapshots, and written now and then.
#[derive(Debug, Default)]
pub struct LastUse {
    seen: AtomicI64,
    written: AtomicI64,
}

impl LastUse {
    /// Records a call at `now`. Costs a read, and a write once a second.
    pub fn touch(&self, now: Timestamp) {
        if now.as_second() > self.seen.load(Relaxed) {
            self.seen.fetch_max(now.as_second(), Relaxed);
        }
    }

    /// Seconds since 1970; 0 for never.
    pub fn second(&self) -> i64 {
        self.seen.load(Relaxed)
    }

    pub(super) fn of(second: i64) -> Self {
        Self { seen: second.into(), written: second.into() }
    }

    /// What is not written yet.
    pub(super) fn pending(&self) -> Option<i64> {
        let seen = self.second();
        (seen > self.written.load(Relaxed)).then_some(seen)
    }

    /// Says that it is written up to `second`.
    pub(super) fn written(&self, second: i64) {
        self.written.fetch_max(second, Relaxed);
    }
}

pub(super) fn create_table(txn: &WriteTransaction) -> Result<(), RegistryError> {
    txn.open_table(USES)?;
    Ok(())
}

/// Sets when the install with this id was last called, if there is one.
pub(super) fn set(txn: &WriteTxn, id: &InstallId, second: i64) -> Result<(), RegistryError> {
    if installs::get(txn, id)?.is_some() {
        txn.table(USES)?.insert(id.as_bytes(), second)?;
    }
    Ok(())
}

/// When the install with this id was last called, as far as that is written.
pub(super) fn get(txn: &impl ReadTables, id: &InstallId) -> Result<i64, RegistryError> {
    let rows = txn.rows(USES)?;
    Ok(rows.get(id.as_bytes())?.map_or(0, |row| row.value()))
}

pub(super) fn remove(txn: &WriteTxn, id: &InstallId) -> Result<(), RegistryError> {
    txn.table(USES)?.remove(id.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_call_counts_until_it_is_written() {
        let last = LastUse::of(10);
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(last.pending(), None);

        last.touch(at(20));
        last.touch(at(15));

        assert_eq!(last.pending(), Some(20));
        last.written(20);
        assert_eq!((last.second(), last.pending()), (20, None));
    }
}
