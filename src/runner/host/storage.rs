//! `storage`: values that outlive the call, of this install alone.
//!
//! The error cases are those of the reference: what is malformed or too large is
//! `internal`, a limit that is reached is `denied`.

use std::sync::Arc;

use super::Host;
use crate::model::{Capability, InstallLabels};
use crate::runner::bindings::storage;
use crate::runner::bindings::types::{StorageEntry, StorageError};
use crate::state::values::{self, Entry, Page, Putting};
use crate::state::{Owner, Place, Put, Refused, State, StateError, TooManyOperations};

/// What one `list-entries` gives: it has to fit into the guest's memory.
pub(super) const PAGE: Page = Page { entries: 1_000, bytes: 4 * 1024 * 1024 };

type Answer<T> = wasmtime::Result<Result<T, StorageError>>;

impl storage::Host for Host {
    async fn get(&mut self, namespace: String, key: String) -> Answer<StorageEntry> {
        let keeper = match self.keeper(1)? {
            Ok(keeper) => keeper,
            Err(refused) => return Ok(Err(refused.into())),
        };
        let part = self.part("storage.get");
        let found = part.end(keeper.get(namespace, key).await, |error| word(*error));
        self.count_bytes(found.as_ref().map_or(0, |entry| entry.value.len()))?;
        Ok(found)
    }

    async fn put(&mut self, entry: StorageEntry) -> Answer<StorageEntry> {
        self.count_bytes(entry.value.len())?;
        let keeper = match self.keeper(1)? {
            Ok(keeper) => keeper,
            Err(refused) => return Ok(Err(refused.into())),
        };
        let part = self.part("storage.put");
        Ok(part.end(keeper.put(entry).await, |error| word(*error)))
    }

    async fn delete(&mut self, namespace: String, key: String) -> Answer<()> {
        let keeper = match self.keeper(1)? {
            Ok(keeper) => keeper,
            Err(refused) => return Ok(Err(refused.into())),
        };
        let part = self.part("storage.delete");
        Ok(part.end(keeper.delete(namespace, key).await, |error| word(*error)))
    }

    async fn list_entries(
        &mut self,
        namespace: String,
        cursor: Option<String>,
    ) -> Answer<Vec<StorageEntry>> {
        let keeper = match self.keeper(1)? {
            Ok(keeper) => keeper,
            Err(refused) => return Ok(Err(refused.into())),
        };
        let part = self.part("storage.list-entries");
        let found = part.end(keeper.list(namespace, cursor).await, |error| word(*error));
        let bytes = |entries: &Vec<StorageEntry>| entries.iter().map(|it| it.value.len()).sum();
        self.count_bytes(found.as_ref().map_or(0, bytes))?;
        Ok(found)
    }
}

impl Host {
    /// What keeps the values of this install, if it may have any, for a call about some keys.
    pub(super) fn keeper(&mut self, keys: usize) -> wasmtime::Result<Result<Keeper, NoKeeper>> {
        let granted = self.admit_all(keys, Capability::StorageKv)?;
        let Some(state) = self.state.clone().filter(|_| granted) else {
            return Ok(Err(NoKeeper::NotGranted));
        };
        let install = Arc::clone(&self.context.install);
        // A batch has each of its keys counted: it is no way around the limit.
        Ok(match state.admit(install.install, keys.max(1)) {
            Ok(()) => Ok(Keeper { state, install }),
            Err(refused) => Err(NoKeeper::TooMany(refused)),
        })
    }
}

/// Why an operation is refused before anything is looked at.
pub(super) enum NoKeeper {
    NotGranted,
    TooMany(TooManyOperations),
}

/// The values of one install.
pub(super) struct Keeper {
    pub(super) state: State,
    pub(super) install: Arc<InstallLabels>,
}

impl Keeper {
    pub(super) fn owner(&self) -> Owner {
        Owner::of(&self.install)
    }

    async fn get(&self, namespace: String, key: String) -> Result<StorageEntry, StorageError> {
        let place = Place::new(namespace, key, self.state.limits())?;
        let (owner, now) = (self.owner(), self.state.now());
        let found = self.state.read(move |txn| values::get(txn, &owner, &place, now)).await?;
        found.map(StorageEntry::from).ok_or(StorageError::Missing)
    }

    /// Without a revision it is put whatever is there.
    async fn put(&self, entry: StorageEntry) -> Result<StorageEntry, StorageError> {
        let StorageEntry { namespace, key, value, revision } = entry;
        let place = Place::new(namespace, key, self.state.limits())?;
        let put = Put::new(place, value, self.state.limits())?.if_revision(revision);
        let answer = StorageEntry {
            namespace: put.place.namespace().to_owned(),
            key: put.place.key().to_owned(),
            value: put.value().to_vec(),
            revision: None,
        };
        let (install, now) = (Arc::clone(&self.install), self.state.now());
        let limits = self.state.limits().clone();
        let (whose, bytes) = (Arc::clone(&install), put.bytes());
        let write = move |txn: &_| values::put(txn, &install, &put, &limits, now);
        match self.state.write_for(whose, bytes, write).await? {
            Putting::Done(revision) => Ok(StorageEntry { revision: Some(revision), ..answer }),
            Putting::Conflict => Err(StorageError::Conflict),
            Putting::Full | Putting::Gone => Err(StorageError::Denied),
        }
    }

    /// Deleting what is not there is `missing`, as existing hosts answer it.
    async fn delete(&self, namespace: String, key: String) -> Result<(), StorageError> {
        let place = Place::new(namespace, key, self.state.limits())?;
        let (owner, now) = (self.owner(), self.state.now());
        let (whose, bytes) = (Arc::clone(&self.install), place.bytes());
        let write = move |txn: &_| values::delete(txn, &owner, &place, now);
        let was_there = self.state.write_for(whose, bytes, write).await?;
        if was_there { Ok(()) } else { Err(StorageError::Missing) }
    }

    /// The cursor is the key after which the answer begins: guests are given no
    /// other, and have the last key of what they were given before.
    async fn list(
        &self,
        namespace: String,
        cursor: Option<String>,
    ) -> Result<Vec<StorageEntry>, StorageError> {
        Place::check_namespace(&namespace)?;
        let (owner, now) = (self.owner(), self.state.now());
        let found = self
            .state
            .read(move |txn| values::list(txn, &owner, &namespace, cursor.as_deref(), PAGE, now))
            .await?;
        Ok(found.into_iter().map(StorageEntry::from).collect())
    }
}

impl From<Entry> for StorageEntry {
    fn from(Entry { namespace, key, value, revision, .. }: Entry) -> Self {
        Self { namespace, key, value, revision: Some(revision) }
    }
}

/// The reference answers 403 and 429 to its runner, which makes `denied` of both.
impl From<NoKeeper> for StorageError {
    fn from(refused: NoKeeper) -> Self {
        match refused {
            NoKeeper::NotGranted | NoKeeper::TooMany(_) => Self::Denied,
        }
    }
}

/// The case of an error, in a trace. What is not there or was changed is an answer.
const fn word(error: StorageError) -> Option<&'static str> {
    match error {
        StorageError::Missing | StorageError::Conflict => None,
        StorageError::Denied => Some("denied"),
        StorageError::Internal => Some("internal"),
    }
}

impl From<Refused> for StorageError {
    fn from(_: Refused) -> Self {
        Self::Internal
    }
}

impl From<StateError> for StorageError {
    fn from(error: StateError) -> Self {
        if matches!(error, StateError::Busy) {
            // A limit that is reached, and no failure: the reference answers it with 429.
            return Self::Denied;
        }
        report(&error);
        Self::Internal
    }
}

/// Tells the operator, unless it is one of the many that follow a failure.
pub(super) fn report(error: &StateError) {
    if error.is_paused() {
        tracing::debug!("An extension could not write what it keeps: {error}");
    } else {
        tracing::error!("An extension could not read or write what it keeps: {error}");
    }
}
