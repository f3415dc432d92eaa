//! The registry: what the appliance remembers, in one redb file.
//!
//! Every table is a file here, with functions that take a transaction. Keys of
//! several parts are tuples; the tenant is part of every key that belongs to one.
//! What requests need is also in [`Live`], a snapshot in memory that is swapped in
//! the same step as the commit: the gateway never waits for the disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use redb::backends::InMemoryBackend;
use redb::{ReadableDatabase, StorageBackend};
use tokio::task::spawn_blocking;

use crate::model::{Session, Token, TokenId};
use crate::redb_file::{self, Opener, Storage, Turn, caught};

pub mod approvals;
pub mod attachments;
pub mod audit;
pub mod awaited;
mod error;
pub mod installs;
mod live;
pub mod operators;
pub mod purges;
pub mod quarantine;
pub mod removals;
#[cfg(test)]
mod samples;
mod schema;
pub mod sessions;
pub mod setup;
pub mod tenants;
#[cfg(test)]
mod tests;
pub mod tokens;
mod touches;
pub mod trusted_keys;
mod txn;
pub mod uploads;
mod uses;
pub mod versions;

pub use crate::redb_file::{Examined, ReadTables};
pub use error::RegistryError;
pub use live::{Live, LiveInstall};
pub use redb::ReadTransaction;
pub use schema::FORMAT_VERSION;
pub use txn::WriteTxn;
pub use uses::LastUse;

use schema::Tables;
use touches::Touches;

/// Bytes of pages kept in memory where no configuration says how many.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// A cheap handle to the open registry.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    /// The file, for messages.
    file: PathBuf,
    /// Its turn is held from the begin of a write to the swap of the snapshot, so that
    /// snapshots follow each other in the order of their commits.
    storage: Storage<RegistryError>,
    live: ArcSwap<Live>,
    touches: Arc<Touches>,
}

impl Registry {
    /// Opens the registry in `file`, making it if there is none.
    ///
    /// A damaged file is refused and left as it is. `cache_bytes` bounds the pages
    /// kept in memory; `now` dates the rows of a new registry.
    pub fn open(file: &Path, cache_bytes: usize, now: Timestamp) -> Result<Self, RegistryError> {
        let path = file.to_owned();
        let made = caught(|| redb_file::make(&Tables { now }, file, cache_bytes));
        made.map_err(|error: RegistryError| error.loading(file))?;
        Self::start(file, Box::new(move || redb_file::open(&Tables { now }, &path, cache_bytes)))
    }

    /// Looks at the registry in `file`, which is there, as [`Registry::open`] would, and leaves it
    /// as it is.
    pub fn examine(
        file: &Path,
        cache_bytes: usize,
        now: Timestamp,
    ) -> Result<Examined, RegistryError> {
        redb_file::examine(&Tables { now }, file, cache_bytes, |db| {
            Live::load(&db.begin_read()?).map(drop)
        })
        .map_err(|error| error.loading(file))
    }

    /// A registry that is gone when its last handle is dropped.
    pub fn in_memory(now: Timestamp) -> Result<Self, RegistryError> {
        Self::open_on(InMemoryBackend::new, now)
    }

    /// Opens the registry on the storage that `connect` gives, making it if the storage is empty.
    ///
    /// `connect` is called again after each failure of the storage.
    pub fn open_on<B: StorageBackend>(
        connect: impl Fn() -> B + Send + Sync + 'static,
        now: Timestamp,
    ) -> Result<Self, RegistryError> {
        let open = move || redb_file::open_on(&Tables { now }, connect(), CACHE_BYTES);
        Self::start(Path::new("(storage)"), Box::new(open))
    }

    fn start(file: &Path, open: Opener<RegistryError>) -> Result<Self, RegistryError> {
        let started = caught(|| {
            let storage = Storage::open(open)?;
            let live = Live::load(&storage.begin_read()?)?;
            Ok((storage, live))
        });
        let (storage, live) = started.map_err(|error: RegistryError| error.loading(file))?;
        Ok(Self(Arc::new(Inner {
            file: file.to_owned(),
            storage,
            live: ArcSwap::from_pointee(live),
            touches: Arc::default(),
        })))
    }

    /// Runs `f` in one read transaction, off the async threads.
    pub async fn read<T: Send + 'static>(
        &self,
        f: impl FnOnce(&ReadTransaction) -> Result<T, RegistryError> + Send + 'static,
    ) -> Result<T, RegistryError> {
        let registry = self.clone();
        spawn_blocking(move || registry.read_blocking(f)).await.map_err(RegistryError::Cancelled)?
    }

    /// Runs `f` in one write transaction, off the async threads, and commits if it succeeds.
    ///
    /// When this returns `Ok`, the commit is on disk and [`Registry::live`] shows it.
    /// When `f` fails, nothing has changed. Once begun it runs to its end, also
    /// when the caller stops waiting.
    pub async fn write<T: Send + 'static>(
        &self,
        f: impl FnOnce(&WriteTxn) -> Result<T, RegistryError> + Send + 'static,
    ) -> Result<T, RegistryError> {
        let registry = self.clone();
        spawn_blocking(move || registry.write_blocking(f))
            .await
            .map_err(RegistryError::Cancelled)?
    }

    /// [`Registry::read`] on this thread.
    pub fn read_blocking<T>(
        &self,
        f: impl FnOnce(&ReadTransaction) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        if self.0.storage.has_failed() {
            self.recover(&self.0.storage.turn())?;
        }
        let result = caught(|| f(&self.0.storage.begin_read()?));
        self.0.storage.note_failure(&result);
        result
    }

    /// [`Registry::write`] on this thread.
    pub fn write_blocking<T>(
        &self,
        f: impl FnOnce(&WriteTxn) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let turn = self.0.storage.turn();
        if self.0.storage.has_failed() {
            self.recover(&turn)?;
        }
        let result = self.commit(f);
        self.0.storage.note_write(&result);
        if self.0.storage.has_failed() {
            // A commit that failed may be on disk all the same: read back what is true.
            if let Err(error) = self.recover(&turn) {
                tracing::error!(error = %error, "The registry could not be opened again: {error}");
            }
        }
        result
    }

    fn commit<T>(
        &self,
        f: impl FnOnce(&WriteTxn) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let inner = &*self.0;
        let txn = WriteTxn::new(inner.storage.begin_write()?, &inner.live.load(), &inner.touches);
        // Caught before the transaction is dropped: redb rolls back cleanly only
        // when the thread is not unwinding.
        let value = caught(|| f(&txn))?;
        crate::fail_point!("registry.before_commit");
        let live = txn.commit()?;
        crate::fail_point!("registry.after_commit");
        inner.live.store(Arc::new(live));
        crate::fail_point!("registry.after_swap");
        Ok(value)
    }

    /// What requests need, as of the last commit.
    pub fn live(&self) -> Arc<Live> {
        self.0.live.load_full()
    }

    /// Remembers that a token was used.
    pub fn touch_token(&self, id: &TokenId, now: Timestamp) {
        self.0.touches.tokens.touch(id, now);
    }

    /// Remembers that a session was used.
    pub fn touch_session(&self, id_sha256: &[u8; 32], now: Timestamp) {
        self.0.touches.sessions.touch(id_sha256, now);
    }

    /// When a token was last used, as of now.
    pub fn last_used(&self, token: &Token) -> Option<Timestamp> {
        self.0.touches.tokens.of(&token.id).max(token.last_used_at)
    }

    /// When a session was last used, as of now.
    pub fn last_seen(&self, session: &Session) -> Timestamp {
        let seen = self.0.touches.sessions.of(&session.id_sha256);
        seen.map_or(session.last_seen_at, |at| at.max(session.last_seen_at))
    }

    /// Writes the times that the `touch_` functions collected, in one commit.
    ///
    /// Call it once a minute and before the process ends; without news it writes nothing.
    pub async fn flush_touches(&self) -> Result<(), RegistryError> {
        let (tokens, sessions) =
            (self.0.touches.tokens.pending(), self.0.touches.sessions.pending());
        let uses = self.live().pending_uses();
        if tokens.is_empty() && sessions.is_empty() && uses.is_empty() {
            return Ok(());
        }
        let touches = Arc::clone(&self.0.touches);
        self.write(move |txn| {
            for (id, at) in &tokens {
                tokens::set_last_used(txn, id, *at)?;
            }
            for (id, at) in &sessions {
                sessions::set_last_seen(txn, id, *at)?;
            }
            for (install, second) in &uses {
                uses::set(txn, &install.install.id, *second)?;
            }
            Ok((tokens, sessions, uses))
        })
        .await
        .map(|(tokens, sessions, uses)| {
            touches.tokens.written(&tokens);
            touches.sessions.written(&sessions);
            for (install, second) in &uses {
                install.last_use.written(*second);
            }
        })
    }

    /// Opens the storage again after a failure and loads what it holds.
    fn recover(&self, turn: &Turn<'_>) -> Result<(), RegistryError> {
        let inner = &*self.0;
        let recovered = inner.storage.recover(turn, Live::load);
        if let Some(live) = recovered.map_err(|error| error.loading(&inner.file))? {
            inner.live.store(Arc::new(live));
        }
        Ok(())
    }
}
