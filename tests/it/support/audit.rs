//! The audit record, as tests look at it.

use plugboard::model::{AuditEvent, AuditFilter, AuditReach};
use plugboard::registry::audit::{Search, search};
use plugboard::registry::{ReadTables, RegistryError};

use super::test_app::local;

/// The newest events with their numbers, at most so many.
pub(crate) fn newest(
    txn: &impl ReadTables,
    limit: usize,
) -> Result<Vec<(u64, AuditEvent)>, RegistryError> {
    let (reach, filter) = (AuditReach::of(&local()), AuditFilter::default());
    let all = Search { before: None, limit, budget: usize::MAX };
    Ok(search(txn, &reach, &filter, all)?.rows)
}
