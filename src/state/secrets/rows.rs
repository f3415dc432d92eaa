//! The rows of secrets: for each install a wrapped data key, for each secret what may be
//! shown of it, and its sealed value.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use redb::{ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::seal::{DataKey, WrappingKey, WrappingKeyId};
use super::{Keys, NewSecret, SecretsError, Set};
use crate::model::{BindingChange, SecretFacts, SecretName};
use crate::state::owner::OWNER_BYTES;
use crate::state::{Owner, ReadTables, StateError, WriteTxn};

/// An owner to how many values its secrets were given, and its wrapped data key.
const DATA_KEYS: TableDefinition<&[u8; OWNER_BYTES], (u64, &[u8])> =
    TableDefinition::new("secret_data_keys");

/// `(owner, name)` to a JSON [`Row`].
const FACTS: TableDefinition<(&[u8; OWNER_BYTES], &str), &[u8]> =
    TableDefinition::new("secret_facts");

/// `(owner, name)` to a sealed value.
const VALUES: TableDefinition<(&[u8; OWNER_BYTES], &str), &[u8]> =
    TableDefinition::new("secret_values");

/// Sorts after every name.
const AFTER_NAMES: &str = "\u{7f}";

pub(in crate::state) fn create_tables(txn: &WriteTransaction) -> Result<(), StateError> {
    txn.open_table(DATA_KEYS)?;
    txn.open_table(FACTS)?;
    txn.open_table(VALUES)?;
    Ok(())
}

/// What may be shown of the secrets of an owner, by name.
pub(super) fn list(txn: &impl ReadTables, owner: Owner) -> Result<Vec<SecretFacts>, StateError> {
    let rows = txn.rows(FACTS)?;
    let rows = rows.range(of(&owner))?;
    rows.map(|row| decode(row?.1.value())).collect()
}

/// One sealed value with its facts and its wrapped data key.
pub(super) struct Sealed {
    pub(super) facts: SecretFacts,
    pub(super) value: Vec<u8>,
    pub(super) data_key: Vec<u8>,
}

/// The sealed value of a secret.
pub(super) fn get(
    txn: &impl ReadTables,
    owner: Owner,
    name: &SecretName,
) -> Result<Option<Sealed>, StateError> {
    let key = (owner.as_bytes(), name.as_str());
    let Some(facts) = facts(txn, owner, name)? else { return Ok(None) };
    let (values, data_keys) = (txn.rows(VALUES)?, txn.rows(DATA_KEYS)?);
    let value = values.get(key)?.map(|row| row.value().to_vec());
    let data_key = data_keys.get(owner.as_bytes())?.map(|row| row.value().1.to_vec());
    // A row without its others opens as little as one that was changed.
    let (value, data_key) = (value.unwrap_or_default(), data_key.unwrap_or_default());
    Ok(Some(Sealed { facts, value, data_key }))
}

fn facts(
    txn: &impl ReadTables,
    owner: Owner,
    name: &SecretName,
) -> Result<Option<SecretFacts>, StateError> {
    let rows = txn.rows(FACTS)?;
    let row = rows.get((owner.as_bytes(), name.as_str()))?;
    row.map(|row| decode(row.value())).transpose()
}

/// Seals a value and writes it, unless the owner has `most` others.
pub(super) fn put(
    txn: &WriteTxn,
    owner: Owner,
    new: &NewSecret,
    keys: &Keys,
    most: usize,
) -> Result<Result<Set, SecretsError>, StateError> {
    let others = list(txn, owner)?;
    let before = others.iter().find(|facts| facts.name == new.name);
    if before.is_none() && others.len() >= most {
        return Ok(Ok(Set::Full(others.len())));
    }
    let (count, wrapped) = match data_key(txn, owner)? {
        Some(row) => row,
        None => (0, keys.current.wrap(&DataKey::random(), owner)),
    };
    let data_key = match keys.unwrap(&wrapped, owner) {
        Ok(key) => key,
        Err(error) => return Ok(Err(error)),
    };
    let sequence = count + 1;
    let binding = match &new.binding {
        // Read in this transaction: a binding that another has just made stays, too.
        BindingChange::Keep => before.and_then(|facts| facts.binding.clone()),
        BindingChange::Unbind => None,
        BindingChange::Bind(binding) => Some(binding.clone()),
    };
    let facts = SecretFacts {
        name: new.name.clone(),
        version: before.map_or(0, |facts| facts.version) + 1,
        sequence,
        set_at: new.set_at,
        set_by: new.set_by.clone(),
        expires_at: new.expires_at,
        binding,
    };
    let key = (owner.as_bytes(), facts.name.as_str());
    let sealed = data_key.seal(&new.value, owner, &facts);
    txn.table(DATA_KEYS)?.insert(owner.as_bytes(), (sequence, wrapped.as_slice()))?;
    txn.table(FACTS)?.insert(key, encode(&facts)?.as_slice())?;
    txn.table(VALUES)?.insert(key, sealed.as_slice())?;
    Ok(Ok(if before.is_some() { Set::Replaced(facts) } else { Set::Created(facts) }))
}

/// Removes a secret; false when there is none. With the last one goes the data key, and with
/// it whatever older copies of the rows could be read with.
pub(super) fn remove(txn: &WriteTxn, owner: Owner, name: &SecretName) -> Result<bool, StateError> {
    let key = (owner.as_bytes(), name.as_str());
    let found = txn.table(FACTS)?.remove(key)?.is_some();
    txn.table(VALUES)?.remove(key)?;
    if list(txn, owner)?.is_empty() {
        txn.table(DATA_KEYS)?.remove(owner.as_bytes())?;
    }
    Ok(found)
}

/// Removes all secrets of an owner; says how many.
pub(super) fn remove_all(txn: &WriteTxn, owner: Owner) -> Result<usize, StateError> {
    let all = list(txn, owner)?;
    for facts in &all {
        remove(txn, owner, &facts.name)?;
    }
    txn.table(DATA_KEYS)?.remove(owner.as_bytes())?;
    Ok(all.len())
}

/// Everyone who has secrets.
pub(super) fn owners(txn: &impl ReadTables) -> Result<Vec<Owner>, StateError> {
    let rows = txn.rows(DATA_KEYS)?;
    let rows = rows.iter()?;
    rows.map(|row| Ok(Owner::from(*row?.0.value()))).collect()
}

/// With which wrapping keys data keys are sealed, and how many with each. One that cannot be
/// told is left out: it opens with none.
pub(super) fn wrapped_with(
    txn: &impl ReadTables,
) -> Result<BTreeMap<WrappingKeyId, usize>, StateError> {
    let (rows, mut counts) = (txn.rows(DATA_KEYS)?, BTreeMap::new());
    for row in rows.iter()? {
        if let Ok(id) = WrappingKeyId::of(row?.1.value().1) {
            *counts.entry(id).or_default() += 1;
        }
    }
    Ok(counts)
}

/// Seals with `to` the data keys that are sealed with `from`; says how many. Those of other
/// keys stay as they are. One that does not open ends it, before anything is written.
pub(super) fn rewrap(
    txn: &WriteTxn,
    from: &WrappingKey,
    to: &WrappingKey,
) -> Result<Result<usize, SecretsError>, StateError> {
    let mut changed = Vec::new();
    for owner in owners(txn)? {
        let Some((count, wrapped)) = data_key(txn, owner)? else { continue };
        if WrappingKeyId::of(&wrapped) != Ok(from.id()) {
            continue;
        }
        match from.unwrap(&wrapped, owner) {
            Ok(key) => changed.push((owner, count, to.wrap(&key, owner))),
            Err(broken) => return Ok(Err(broken.into())),
        }
    }
    let mut table = txn.table(DATA_KEYS)?;
    for (owner, count, wrapped) in &changed {
        table.insert(owner.as_bytes(), (*count, wrapped.as_slice()))?;
    }
    Ok(Ok(changed.len()))
}

fn data_key(txn: &impl ReadTables, owner: Owner) -> Result<Option<(u64, Vec<u8>)>, StateError> {
    let rows = txn.rows(DATA_KEYS)?;
    let row = rows.get(owner.as_bytes())?;
    Ok(row.map(|row| {
        let (count, wrapped) = row.value();
        (count, wrapped.to_vec())
    }))
}

fn of(owner: &Owner) -> RangeInclusive<(&[u8; OWNER_BYTES], &'static str)> {
    (owner.as_bytes(), "")..=(owner.as_bytes(), AFTER_NAMES)
}

/// What is on disk of what may be shown.
#[derive(Serialize, Deserialize)]
struct Row<F> {
    #[serde(flatten)]
    facts: F,
    /// Where it is absent, `version` was this one.
    sequence: Option<u64>,
}

fn encode(facts: &SecretFacts) -> Result<Vec<u8>, StateError> {
    serde_json::to_vec(&Row { facts, sequence: Some(facts.sequence) }).map_err(row)
}

fn decode(json: &[u8]) -> Result<SecretFacts, StateError> {
    let Row { facts, sequence }: Row<SecretFacts> = serde_json::from_slice(json).map_err(row)?;
    Ok(SecretFacts { sequence: sequence.unwrap_or(facts.version), ..facts })
}

fn row(source: serde_json::Error) -> StateError {
    StateError::Row { table: "secret_facts", source: Arc::new(source) }
}

/// What somebody does who can write the file.
#[cfg(test)]
pub(super) mod tampering {
    use jiff::Timestamp;

    use super::*;
    use crate::model::SecretBinding;

    pub(in super::super) fn swap_values(
        txn: &WriteTxn,
        one: (Owner, &str),
        two: (Owner, &str),
    ) -> Result<(), StateError> {
        let mut rows = txn.table(VALUES)?;
        let [first, second] = [one, two].map(|(owner, name)| {
            rows.get((owner.as_bytes(), name)).unwrap().unwrap().value().to_vec()
        });
        rows.insert((one.0.as_bytes(), one.1), second.as_slice())?;
        rows.insert((two.0.as_bytes(), two.1), first.as_slice())?;
        Ok(())
    }

    pub(in super::super) fn swap_data_keys(
        txn: &WriteTxn,
        one: Owner,
        two: Owner,
    ) -> Result<(), StateError> {
        let [(count, first), (_, second)] =
            [one, two].map(|owner| data_key(txn, owner).unwrap().unwrap());
        let mut rows = txn.table(DATA_KEYS)?;
        rows.insert(one.as_bytes(), (count, second.as_slice()))?;
        rows.insert(two.as_bytes(), (count, first.as_slice()))?;
        Ok(())
    }

    /// Has a secret sent elsewhere.
    pub(in super::super) fn bind(
        txn: &WriteTxn,
        owner: Owner,
        name: &str,
        binding: Option<SecretBinding>,
    ) -> Result<(), StateError> {
        let mut facts = facts(txn, owner, &name.parse().unwrap())?.unwrap();
        facts.binding = binding;
        txn.table(FACTS)?.insert((owner.as_bytes(), name), encode(&facts)?.as_slice())?;
        Ok(())
    }

    /// A row as it was when values were counted for the whole install.
    pub(in super::super) fn without_sequence(
        txn: &WriteTxn,
        owner: Owner,
        name: &str,
    ) -> Result<(), StateError> {
        let mut facts = facts(txn, owner, &name.parse().unwrap())?.unwrap();
        facts.version = facts.sequence;
        let json = serde_json::to_vec(&facts).unwrap();
        txn.table(FACTS)?.insert((owner.as_bytes(), name), json.as_slice())?;
        Ok(())
    }

    pub(in super::super) fn put_off(
        txn: &WriteTxn,
        owner: Owner,
        name: &str,
        until: Timestamp,
    ) -> Result<(), StateError> {
        let mut facts = facts(txn, owner, &name.parse().unwrap())?.unwrap();
        facts.expires_at = Some(until);
        txn.table(FACTS)?.insert((owner.as_bytes(), name), encode(&facts)?.as_slice())?;
        Ok(())
    }
}
