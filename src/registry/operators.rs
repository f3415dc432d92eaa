//! Operators, keyed by sign-in name.

use redb::{ReadableTable, TableDefinition, WriteTransaction};

use crate::model::{Operator, OperatorName};

use super::txn::{decode, encode};
use super::{ReadTables, RegistryError, WriteTxn};

/// A sign-in name to a JSON [`Operator`].
const OPERATORS: TableDefinition<&str, &[u8]> = TableDefinition::new("operators");

pub(super) fn create_table(txn: &WriteTransaction) -> Result<(), RegistryError> {
    txn.open_table(OPERATORS)?;
    Ok(())
}

/// Inserts an operator; false, and nothing done, when the name is in use.
pub fn insert(txn: &WriteTxn, operator: &Operator) -> Result<bool, RegistryError> {
    let known = get(txn, &operator.name)?.is_some();
    if !known {
        put(txn, operator)?;
    }
    Ok(!known)
}

/// Adds an operator, or replaces what was known of them.
pub fn put(txn: &WriteTxn, operator: &Operator) -> Result<(), RegistryError> {
    let row = encode(&OPERATORS, operator)?;
    txn.table(OPERATORS)?.insert(operator.name.as_str(), row.as_slice())?;
    txn.next().put_operator(operator.clone());
    Ok(())
}

/// The operator of this name.
pub fn get(txn: &impl ReadTables, name: &OperatorName) -> Result<Option<Operator>, RegistryError> {
    let rows = txn.rows(OPERATORS)?;
    let row = rows.get(name.as_str())?;
    row.map(|row| decode(&OPERATORS, row.value())).transpose()
}

/// Every operator, by name.
pub fn list(txn: &impl ReadTables) -> Result<Vec<Operator>, RegistryError> {
    let rows = txn.rows(OPERATORS)?;
    let rows = rows.iter()?;
    rows.map(|row| decode(&OPERATORS, row?.1.value())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::samples::{operator, registry};

    #[test]
    fn a_name_in_use_is_not_taken_over() {
        let registry = registry();
        let ada = operator("ada");
        let other = Operator { password_hash: "other".to_owned(), ..ada.clone() };

        let inserted =
            registry.write_blocking(|txn| Ok([insert(txn, &ada)?, insert(txn, &other)?])).unwrap();

        assert_eq!(inserted, [true, false]);
        assert_eq!(registry.read_blocking(list).unwrap(), [ada]);
    }

    #[test]
    fn the_appliance_is_set_up_once_there_is_an_operator() {
        let registry = registry();
        let before = registry.live();

        registry.write_blocking(|txn| insert(txn, &operator("ada"))).unwrap();

        assert!(!before.is_set_up());
        assert!(registry.live().is_set_up());
        assert_eq!(registry.live().operator_count(), 1);
        assert!(registry.live().operator(&operator("ada").name).is_some());
    }
}
