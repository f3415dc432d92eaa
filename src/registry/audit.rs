//! Who did what, keyed by a number that only grows. Rows are never changed.

use redb::{ReadableTable, TableDefinition, WriteTransaction};

use crate::model::{AuditEvent, AuditFilter, AuditReach};

use super::txn::{decode, encode};
use super::{ReadTables, RegistryError, WriteTxn};

/// A sequence number to a JSON [`AuditEvent`].
const AUDIT: TableDefinition<u64, &[u8]> = TableDefinition::new("audit");

pub(super) fn create_table(txn: &WriteTransaction) -> Result<(), RegistryError> {
    txn.open_table(AUDIT)?;
    Ok(())
}

/// Appends an event and returns its number: 1 for the first.
pub fn append(txn: &WriteTxn, event: &AuditEvent) -> Result<u64, RegistryError> {
    let mut rows = txn.table(AUDIT)?;
    let number = rows.last()?.map_or(0, |(last, _)| last.value()) + 1;
    rows.insert(number, encode(&AUDIT, event)?.as_slice())?;
    Ok(number)
}

/// Where a search begins and how much it may do.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// Only rows with a lower number.
    pub before: Option<u64>,
    /// Rows that are found, at most.
    pub limit: usize,
    /// Rows that are read, at most, whether they are found or not.
    pub budget: usize,
}

/// What a search came to.
#[derive(Debug, Default, PartialEq)]
pub struct Found {
    /// The rows with their numbers, the newest first.
    pub rows: Vec<(u64, AuditEvent)>,
    /// `before` of the search that goes on from here; `None`: every row was looked at.
    pub next: Option<u64>,
}

/// The newest rows within `reach` that `filter` matches.
///
/// It stops at its limit or at its budget, whichever comes first: a filter that
/// matches nothing costs no more than one that matches everything.
pub fn search(
    txn: &impl ReadTables,
    reach: &AuditReach,
    filter: &AuditFilter,
    search: Search,
) -> Result<Found, RegistryError> {
    let rows = txn.rows(AUDIT)?;
    let mut rows = rows.range(..search.before.unwrap_or(u64::MAX))?.rev();
    let (mut found, mut read, mut last) = (Found::default(), 0, None);
    while read < search.budget && found.rows.len() < search.limit {
        let Some(row) = rows.next() else { return Ok(found) };
        let (number, event) = row?;
        let event: AuditEvent = decode(&AUDIT, event.value())?;
        (last, read) = (Some(number.value()), read + 1);
        if reach.covers(event.tenant.as_ref()) && filter.matches(&event) {
            found.rows.push((number.value(), event));
        }
    }
    // Without another row there is nothing to go on with.
    if rows.next().is_some() {
        found.next = last;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Principal;
    use crate::registry::Registry;
    use crate::registry::samples::{audit_event, registry};

    /// A registry with a row for each subject, numbered from 1.
    fn record(subjects: &[&str]) -> Registry {
        let registry = registry();
        let events: Vec<_> = subjects.iter().map(|subject| audit_event(subject)).collect();
        registry
            .write_blocking(|txn| events.iter().try_for_each(|event| append(txn, event).map(drop)))
            .unwrap();
        registry
    }

    /// The numbers that a search for subjects that begin with `start` finds, and where it goes on.
    fn numbers(registry: &Registry, start: &str, search: Search) -> (Vec<u64>, Option<u64>) {
        let reach = AuditReach::of(&Principal::Local { uid: 0 });
        let filter = AuditFilter { subject: start.parse().ok(), ..AuditFilter::default() };
        let found = registry.read_blocking(|txn| super::search(txn, &reach, &filter, search));
        let Found { rows, next } = found.unwrap();
        (rows.into_iter().map(|(number, _)| number).collect(), next)
    }

    #[test]
    fn a_search_ends_at_its_limit_and_goes_on_from_there() {
        let registry = record(&["a", "b", "a", "b", "a"]);
        let page = |before, limit| Search { before, limit, budget: 100 };

        assert_eq!(numbers(&registry, "a", page(None, 2)), (vec![5, 3], Some(3)));
        assert_eq!(numbers(&registry, "a", page(Some(3), 2)), (vec![1], None));
        assert_eq!(numbers(&registry, "", page(None, 5)), (vec![5, 4, 3, 2, 1], None));
        assert_eq!(numbers(&registry, "", page(Some(1), 5)), (vec![], None));
    }

    #[test]
    fn a_search_that_finds_nothing_reads_no_more_than_its_budget() {
        let registry = record(&["a", "b", "b", "b", "b"]);
        let page = |before| Search { before, limit: 9, budget: 2 };

        assert_eq!(numbers(&registry, "a", page(None)), (vec![], Some(4)));
        assert_eq!(numbers(&registry, "a", page(Some(4))), (vec![], Some(2)));
        assert_eq!(numbers(&registry, "a", page(Some(2))), (vec![1], None));
    }

    #[test]
    fn an_event_is_found_as_it_was_appended_under_its_number() {
        let registry = registry();
        let append_both =
            |txn: &WriteTxn| Ok([append(txn, &audit_event("a"))?, append(txn, &audit_event("b"))?]);

        let appended = registry.write_blocking(append_both).unwrap();

        let (reach, filter) =
            (AuditReach::of(&Principal::Local { uid: 0 }), AuditFilter::default());
        let all = Search { before: None, limit: 9, budget: 9 };
        let found = registry.read_blocking(|txn| search(txn, &reach, &filter, all)).unwrap();
        assert_eq!(appended, [1, 2]);
        assert_eq!(found.rows, [(2, audit_event("b")), (1, audit_event("a"))]);
    }
}
