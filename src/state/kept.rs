//! Of which installs something is kept, and until when.
//!
//! A row stays when its install goes, with the time of that: from then on nothing
//! is taken for it any more, also not from an execution that was still under way,
//! and an operator has some days to export what is there.

use std::sync::Arc;

use jiff::Timestamp;
use redb::{ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::owner::OWNER_BYTES;
use super::{Owner, ReadTables, StateError, WriteTxn};
use crate::model::{ExtensionName, InstallId, InstallLabels, TenantId};

const NAME: &str = "kept";

/// [`Owner`] to a JSON [`Kept`].
const KEPT: TableDefinition<&[u8; OWNER_BYTES], &[u8]> = TableDefinition::new(NAME);

/// An install of which something is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub tenant: TenantId,
    pub install: InstallId,
    pub extension: ExtensionName,
    /// When it was uninstalled; `None` while it is installed.
    pub uninstalled_at: Option<Timestamp>,
}

impl Kept {
    /// What is kept of the install of these labels.
    pub fn of(labels: &InstallLabels) -> Self {
        let (tenant, extension) = (labels.tenant.clone(), labels.extension.clone());
        Self { tenant, install: labels.install, extension, uninstalled_at: None }
    }

    /// The first part of the keys of its rows.
    pub fn owner(&self) -> Owner {
        Owner::new(&self.tenant, self.install)
    }
}

pub(super) fn create_table(txn: &WriteTransaction) -> Result<(), StateError> {
    txn.open_table(KEPT)?;
    Ok(())
}

/// Makes sure that an install has a row before something is kept for it; false, and
/// nothing done, when it was uninstalled.
pub fn enter(txn: &WriteTxn, labels: &InstallLabels) -> Result<bool, StateError> {
    match get(txn, &Owner::of(labels))? {
        Some(row) => Ok(row.uninstalled_at.is_none()),
        None => write(txn, &Kept::of(labels)).map(|()| true),
    }
}

/// Remembers that an install is gone; a time that is there stays.
pub fn close(txn: &WriteTxn, kept: &Kept, at: Timestamp) -> Result<(), StateError> {
    match get(txn, &kept.owner())? {
        Some(row) if row.uninstalled_at.is_some() => Ok(()),
        _ => write(txn, &Kept { uninstalled_at: Some(at), ..kept.clone() }),
    }
}

/// Forgets an owner that has nothing left.
pub fn remove(txn: &WriteTxn, owner: &Owner) -> Result<(), StateError> {
    txn.table(KEPT)?.remove(owner.as_bytes())?;
    Ok(())
}

/// The row of one owner.
pub fn get(txn: &impl ReadTables, owner: &Owner) -> Result<Option<Kept>, StateError> {
    let rows = txn.rows(KEPT)?;
    rows.get(owner.as_bytes())?.map(|row| decode(row.value())).transpose()
}

/// Every row.
pub fn list(txn: &impl ReadTables) -> Result<Vec<Kept>, StateError> {
    let rows = txn.rows(KEPT)?;
    rows.iter()?.map(|row| decode(row?.1.value())).collect()
}

fn write(txn: &WriteTxn, kept: &Kept) -> Result<(), StateError> {
    let row = serde_json::to_vec(kept).map_err(unreadable)?;
    txn.table(KEPT)?.insert(kept.owner().as_bytes(), row.as_slice())?;
    Ok(())
}

fn decode(json: &[u8]) -> Result<Kept, StateError> {
    serde_json::from_slice(json).map_err(unreadable)
}

fn unreadable(source: serde_json::Error) -> StateError {
    StateError::Row { table: NAME, source: Arc::new(source) }
}
