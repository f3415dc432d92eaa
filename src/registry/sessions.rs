//! Signed-in browsers, keyed by the SHA-256 of their cookie.

use jiff::Timestamp;
use redb::{ReadableTable, TableDefinition, WriteTransaction};

use crate::model::{OperatorName, Session};

use super::txn::{decode, encode};
use super::{ReadTables, RegistryError, WriteTxn};

/// The SHA-256 of a cookie to a JSON [`Session`].
const SESSIONS: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("sessions");

pub(super) fn create_table(txn: &WriteTransaction) -> Result<(), RegistryError> {
    txn.open_table(SESSIONS)?;
    Ok(())
}

/// Inserts a session; false, and nothing done, when its id is in use.
pub fn insert(txn: &WriteTxn, session: &Session) -> Result<bool, RegistryError> {
    let known = get(txn, &session.id_sha256)?.is_some();
    if !known {
        write(txn, session)?;
    }
    Ok(!known)
}

/// The session whose cookie has this SHA-256.
pub fn get(txn: &impl ReadTables, id_sha256: &[u8; 32]) -> Result<Option<Session>, RegistryError> {
    let rows = txn.rows(SESSIONS)?;
    let row = rows.get(id_sha256)?;
    row.map(|row| decode(&SESSIONS, row.value())).transpose()
}

/// Every session.
pub fn list(txn: &impl ReadTables) -> Result<Vec<Session>, RegistryError> {
    let rows = txn.rows(SESSIONS)?;
    let rows = rows.iter()?;
    rows.map(|row| decode(&SESSIONS, row?.1.value())).collect()
}

/// Removes a session; false when there is none.
pub fn remove(txn: &WriteTxn, id_sha256: &[u8; 32]) -> Result<bool, RegistryError> {
    let removed = txn.table(SESSIONS)?.remove(id_sha256)?.is_some();
    txn.next().remove_session(id_sha256);
    Ok(removed)
}

/// Removes every session of an operator and says how many there were.
pub fn remove_of(txn: &WriteTxn, operator: &OperatorName) -> Result<usize, RegistryError> {
    remove_where(txn, |session| session.operator == *operator)
}

/// Removes the sessions that were last used before `seen`, or begun before `created`.
pub fn remove_expired(
    txn: &WriteTxn,
    seen: Timestamp,
    created: Timestamp,
) -> Result<usize, RegistryError> {
    remove_where(txn, |session| {
        let unwritten = txn.touches().sessions.of(&session.id_sha256);
        session.created_at < created || unwritten.max(Some(session.last_seen_at)) < Some(seen)
    })
}

/// Records when a session was last used; a session that is gone stays gone.
pub fn set_last_seen(
    txn: &WriteTxn,
    id_sha256: &[u8; 32],
    at: Timestamp,
) -> Result<(), RegistryError> {
    let Some(mut session) = get(txn, id_sha256)? else { return Ok(()) };
    session.last_seen_at = session.last_seen_at.max(at);
    write(txn, &session)
}

fn remove_where(
    txn: &WriteTxn,
    unwanted: impl Fn(&Session) -> bool,
) -> Result<usize, RegistryError> {
    let unwanted: Vec<Session> = list(txn)?.into_iter().filter(unwanted).collect();
    for session in &unwanted {
        remove(txn, &session.id_sha256)?;
    }
    Ok(unwanted.len())
}

fn write(txn: &WriteTxn, session: &Session) -> Result<(), RegistryError> {
    let row = encode(&SESSIONS, session)?;
    txn.table(SESSIONS)?.insert(&session.id_sha256, row.as_slice())?;
    txn.next().put_session(session.clone());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::samples::{at, operator, registry, session};

    #[test]
    fn signing_out_one_browser_leaves_the_others() {
        let registry = registry();
        let (desk, phone) = (session("ada", 1, at(0)), session("ada", 2, at(0)));
        registry.write_blocking(|txn| Ok([insert(txn, &desk)?, insert(txn, &phone)?])).unwrap();

        let removed = registry.write_blocking(|txn| remove(txn, &desk.id_sha256)).unwrap();

        assert!(removed);
        assert!(registry.live().session(&desk.id_sha256).is_none());
        assert!(registry.live().session(&phone.id_sha256).is_some());
    }

    #[test]
    fn a_new_password_signs_out_every_browser_of_that_operator() {
        let registry = registry();
        let rows = [session("ada", 1, at(0)), session("ada", 2, at(0)), session("bob", 3, at(0))];
        registry
            .write_blocking(|txn| rows.iter().try_for_each(|row| insert(txn, row).map(drop)))
            .unwrap();

        let removed = registry.write_blocking(|txn| remove_of(txn, &operator("ada").name)).unwrap();

        assert_eq!(removed, 2);
        assert_eq!(registry.read_blocking(list).unwrap(), rows[2..]);
    }

    #[test]
    fn a_session_expires_by_idleness_or_age_and_a_use_in_memory_counts() {
        let registry = registry();
        let rows = [1, 2, 3].map(|id| session("ada", id, at(100)));
        registry
            .write_blocking(|txn| {
                insert(txn, &session("ada", 4, at(10)))?;
                rows.iter().try_for_each(|row| insert(txn, row).map(drop))
            })
            .unwrap();
        registry.touch_session(&rows[1].id_sha256, at(500));
        registry.touch_session(&[4; 32], at(500));

        let removed = registry.write_blocking(|txn| remove_expired(txn, at(200), at(50))).unwrap();

        assert_eq!(removed, 3);
        assert_eq!(registry.read_blocking(list).unwrap(), rows[1..2]);
    }
}
