//! API tokens, keyed by tenant and token id.

use jiff::Timestamp;
use redb::{ReadableTable, TableDefinition, WriteTransaction};

use crate::model::{Token, TokenId};

use super::txn::{decode, encode};
use super::{ReadTables, RegistryError, WriteTxn};

/// `(tenant, token id)` to a JSON [`Token`].
const TOKENS: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("tokens");

/// A token's id to its tenant.
const TENANTS: TableDefinition<&str, &str> = TableDefinition::new("token_tenants");

pub(super) fn create_tables(txn: &WriteTransaction) -> Result<(), RegistryError> {
    txn.open_table(TOKENS)?;
    txn.open_table(TENANTS)?;
    Ok(())
}

/// Inserts a token; false, and nothing done, when its id is in use.
pub fn insert(txn: &WriteTxn, token: &Token) -> Result<bool, RegistryError> {
    let known = get(txn, &token.id)?.is_some();
    if !known {
        txn.table(TENANTS)?.insert(token.id.as_str(), token.tenant.as_str())?;
        write(txn, token)?;
    }
    Ok(!known)
}

/// The token with this id.
pub fn get(txn: &impl ReadTables, id: &TokenId) -> Result<Option<Token>, RegistryError> {
    let tenants = txn.rows(TENANTS)?;
    let Some(tenant) = tenants.get(id.as_str())? else { return Ok(None) };
    let rows = txn.rows(TOKENS)?;
    let row = rows.get((tenant.value(), id.as_str()))?;
    row.map(|row| decode(&TOKENS, row.value())).transpose()
}

/// Removes a token and returns what it was.
pub fn remove(txn: &WriteTxn, id: &TokenId) -> Result<Option<Token>, RegistryError> {
    let Some(token) = get(txn, id)? else { return Ok(None) };
    txn.table(TENANTS)?.remove(id.as_str())?;
    txn.table(TOKENS)?.remove((token.tenant.as_str(), id.as_str()))?;
    txn.next().remove_token(id);
    Ok(Some(token))
}

/// Every token, by tenant and id.
pub fn list_all(txn: &impl ReadTables) -> Result<Vec<Token>, RegistryError> {
    let rows = txn.rows(TOKENS)?;
    let rows = rows.iter()?;
    rows.map(|row| decode(&TOKENS, row?.1.value())).collect()
}

/// Records when a token was last used; a token that is gone stays gone.
pub fn set_last_used(txn: &WriteTxn, id: &TokenId, at: Timestamp) -> Result<(), RegistryError> {
    let Some(mut token) = get(txn, id)? else { return Ok(()) };
    token.last_used_at = token.last_used_at.max(Some(at));
    write(txn, &token)
}

fn write(txn: &WriteTxn, token: &Token) -> Result<(), RegistryError> {
    let key = (token.tenant.as_str(), token.id.as_str());
    txn.table(TOKENS)?.insert(key, encode(&TOKENS, token)?.as_slice())?;
    txn.next().put_token(token.clone());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ClaimedUser;
    use crate::registry::samples::{at, registry, token};

    #[test]
    fn a_token_belongs_to_one_tenant_and_its_id_is_used_once() {
        let registry = registry();
        let (ours, theirs) = (token("acme", "aaaaaaaa"), token("other", "aaaaaaaa"));

        let inserted = registry
            .write_blocking(|txn| Ok([insert(txn, &ours)?, insert(txn, &theirs)?]))
            .unwrap();

        assert_eq!(inserted, [true, false]);
        assert_eq!(registry.read_blocking(list_all).unwrap(), std::slice::from_ref(&ours));
        assert_eq!(registry.live().token(&ours.id).map(|token| (**token).clone()), Some(ours));
    }

    #[test]
    fn a_row_without_claims_stands_for_nobody_and_claims_stay_with_their_token() {
        let registry = registry();
        let (mut ada, nobody) = (token("acme", "aaaaaaaa"), token("acme", "bbbbbbbb"));
        let claimed = ClaimedUser { id: "u-1".to_owned(), ..ClaimedUser::default() };
        ada.user = Some(claimed.try_into().unwrap());
        assert!(!serde_json::to_string(&nobody).unwrap().contains("user"));

        registry.write_blocking(|txn| Ok([insert(txn, &ada)?, insert(txn, &nobody)?])).unwrap();
        registry.write_blocking(|txn| set_last_used(txn, &ada.id, at(1))).unwrap();

        let rows = registry.read_blocking(list_all).unwrap();
        assert_eq!(rows.iter().map(|row| row.user.clone()).collect::<Vec<_>>(), [ada.user, None]);
    }

    #[test]
    fn a_revoked_token_is_gone_and_a_late_use_does_not_bring_it_back() {
        let registry = registry();
        let row = token("acme", "aaaaaaaa");
        registry.write_blocking(|txn| insert(txn, &row)).unwrap();

        let removed = registry.write_blocking(|txn| remove(txn, &row.id)).unwrap();
        registry.write_blocking(|txn| set_last_used(txn, &row.id, at(1))).unwrap();

        assert_eq!(removed, Some(row.clone()));
        assert_eq!(registry.read_blocking(list_all).unwrap(), []);
        assert!(registry.live().token(&row.id).is_none());
    }
}
