//! The one-time token that lets the first operator in.

use jiff::Timestamp;
use redb::{ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::txn::{decode, encode};
use super::{ReadTables, RegistryError, WriteTxn};

/// [`ROW`] to a JSON [`SetupToken`]; empty when set-up is closed or not begun.
const SETUP: TableDefinition<&str, &[u8]> = TableDefinition::new("setup");
/// The only row of [`SETUP`].
const ROW: &str = "token";

/// The setup token as the registry keeps it: never the secret, only its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetupToken {
    #[serde(with = "hex::serde")]
    pub secret_sha256: [u8; 32],
    pub expires_at: Timestamp,
}

pub(super) fn create_table(txn: &WriteTransaction) -> Result<(), RegistryError> {
    txn.open_table(SETUP)?;
    Ok(())
}

/// Makes this the setup token, in place of an older one.
pub fn put(txn: &WriteTxn, token: &SetupToken) -> Result<(), RegistryError> {
    txn.table(SETUP)?.insert(ROW, encode(&SETUP, token)?.as_slice())?;
    Ok(())
}

/// The setup token, expired or not.
pub fn get(txn: &impl ReadTables) -> Result<Option<SetupToken>, RegistryError> {
    let rows = txn.rows(SETUP)?;
    let row = rows.get(ROW)?;
    row.map(|row| decode(&SETUP, row.value())).transpose()
}

/// Removes the setup token; false when there was none.
///
/// In the transaction that inserts the first operator this decides between two
/// who come with the token at the same time: only one of them removes it.
pub fn clear(txn: &WriteTxn) -> Result<bool, RegistryError> {
    Ok(txn.table(SETUP)?.remove(ROW)?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::samples::{at, registry};

    #[test]
    fn a_setup_token_is_used_once() {
        let registry = registry();
        let token = SetupToken { secret_sha256: [7; 32], expires_at: at(9) };
        registry.write_blocking(|txn| put(txn, &token)).unwrap();
        assert_eq!(registry.read_blocking(get).unwrap(), Some(token));

        let cleared = registry.write_blocking(|txn| Ok([clear(txn)?, clear(txn)?])).unwrap();

        assert_eq!(cleared, [true, false]);
        assert_eq!(registry.read_blocking(get).unwrap(), None);
    }
}
