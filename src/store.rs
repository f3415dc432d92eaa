//! The bundle store: keeps what was verified, hands out only what still is.
//!
//! `layout` names the keys, `backend` is the object store (`directory` what a
//! local one leaves to us, `s3` how a server is reached, `transfer` how a file is
//! sent), `staging` receives uploads into `room` that is counted, `uploads` keeps
//! those that come in parts. `writers` lets both in, `read_writer` writes them by
//! `file_writer` and has them read meanwhile by `growing` and `read_along`. `objects`
//! puts and reads bundles (`mend` replaces damaged objects, `download` hands bundles
//! out as they are, `attachments` are files beside them), `quarantine` keeps those
//! that wait, `sweep` removes what nobody refers to. `presign` signs addresses for
//! others to send to, `sent` takes what arrived there. `probe` finds out what a store
//! can do, `examine` remembers it. `disk_cache` holds unpacked files, filled by `unpack`,
//! and pages in the shorter forms that `encoded` makes of them.
//!
//! What is stored is not trusted: every byte that leaves the store was held
//! against a digest the caller got from the registry.

mod assets;
mod attachments;
mod backend;
mod beneath;
mod directory;
mod disk_cache;
mod download;
mod durable;
mod encoded;
mod error;
mod examine;
mod file_writer;
mod growing;
mod layout;
mod mend;
mod objects;
mod per_bundle;
mod presign;
mod probe;
mod quarantine;
mod read_along;
mod read_writer;
mod room;
mod s3;
mod sent;
mod staging;
mod sweep;
mod transfer;
mod unpack;
mod uploads;
mod writers;

pub use assets::AssetFile;
pub use download::ArchiveBytes;
pub use encoded::{EncodedForm, EncodedForms, is_encodable};
pub use error::{Doing, StoreError};
pub use examine::{Examination, examine};
pub use mend::Kept;
pub use presign::SentAs;
pub use quarantine::MAX_KEPT_SIGNATURES;
pub use s3::{SentPart, SignedRequest};
pub use sent::Fetched;
pub use staging::{Staged, Staging};
pub use uploads::{UploadHold, UploadRoom, UploadWriter};

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedMutexGuard, Semaphore};

use self::backend::{Backend, ObjectVersion, blocking};
use self::disk_cache::DiskCache;
use self::durable::create_private_dir;
use self::examine::LastReach;
use self::layout::{Layout, Place};
use self::per_bundle::PerBundle;
use self::read_along::Readers;
use self::room::{DiskFloor, Room};
use self::staging::{StagingArea, remove_transient};
use self::uploads::KeptUploads;
use self::writers::Writers;
use crate::bundle::BundleLimits;
use crate::config::StoreConfig;
use crate::model::{ContentHash, StoreFacts};

/// Bundles unpacked at the same time.
const MAX_FILLS: usize = 2;

/// How large and deep a bundle may be, by the settings.
pub fn bundle_limits(config: &StoreConfig) -> BundleLimits {
    BundleLimits {
        max_bundle_bytes: config.max_bundle_bytes,
        max_unpacked_bytes: config.max_unpacked_bytes,
        max_entries: config.max_entries,
        max_file_bytes: config.max_file_bytes,
        ..BundleLimits::default()
    }
}

/// The bundle store. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct BundleStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    backend: Backend,
    layout: Layout,
    staging: StagingArea,
    uploads: Arc<KeptUploads>,
    readers: Arc<Readers>,
    writers: Writers,
    room: Arc<Room>,
    floor: DiskFloor,
    cache: DiskCache,
    /// Held while objects of a bundle are made or removed.
    writing: PerBundle,
    /// See [`BundleStore::settling`].
    settling: PerBundle,
    /// Held while a bundle is unpacked: the others wait and then find it.
    filling: PerBundle,
    fills: Arc<Semaphore>,
    /// Whose pages are compressed: one bundle at a time.
    encoding: Arc<Semaphore>,
    /// Bundles put since the last sweep: their row may be about to come.
    fresh: Mutex<HashSet<(Place, ContentHash)>>,
    /// Archives found damaged, so that each request does not read one to its end again.
    broken: Mutex<HashMap<ContentHash, ObjectVersion>>,
    facts: Mutex<Option<Arc<StoreFacts>>>,
    reached: LastReach,
    /// Whether `room` knows what the quarantine holds.
    counted: AtomicBool,
}

impl BundleStore {
    /// Opens the store: bundles on the S3 server of the settings, else below
    /// `data_dir` in `store`; unpacked files in `cache`.
    ///
    /// No request is made: an appliance starts, and serves what it has unpacked,
    /// also when its server is away.
    ///
    /// Removes what a crash left behind: call it when this process is known to
    /// be the only one, as after the registry was opened, and then call
    /// [`Self::restore_uploads`].
    pub fn open(config: &StoreConfig, data_dir: &Path) -> Result<Self, StoreError> {
        let (layout, backend) = if let Some(location) = config.s3_location() {
            let public = config.s3_public_location();
            let backend = Backend::s3(&config.s3, &location, public.as_ref())?;
            (Layout::new(&location.prefix)?, backend)
        } else {
            let layout = Layout::new(&config.base)?;
            let backend = Backend::directory(&data_dir.join("store"), &layout)?;
            (layout, backend)
        };
        Self::new(config, layout, backend, &data_dir.join("cache"))
    }

    /// A store in memory, for tests. Uploads and unpacked files are below `cache_dir` all the same.
    pub fn in_memory(config: &StoreConfig, cache_dir: &Path) -> Result<Self, StoreError> {
        Self::new(config, Layout::new(&config.base)?, Backend::memory(), cache_dir)
    }

    fn new(
        config: &StoreConfig,
        layout: Layout,
        backend: Backend,
        cache_dir: &Path,
    ) -> Result<Self, StoreError> {
        let cache = DiskCache::open(cache_dir, config.cache_bytes)?;
        let staging = match backend.staging() {
            Some(folder) => folder.to_owned(),
            None => cache_dir.join("staging"),
        };
        let io = StoreError::io("open its folder");
        create_private_dir(&staging).map_err(&io)?;
        // Of a process that is gone. What comes in parts stays: a row says whether it goes on.
        remove_transient(&staging).map_err(&io)?;
        let floor = DiskFloor::new(staging.clone(), config.min_free_bytes);
        let in_use = backend.quarantined_bytes(&layout)?;
        let room = Arc::new(Room::new(config.max_staged_bytes, in_use));
        let readers = Arc::new(Readers::new(bundle_limits(config)));
        let staging = StagingArea::new(
            staging,
            Arc::clone(&room),
            floor.clone(),
            config.max_bundle_bytes,
            Arc::clone(&readers),
        );
        let inner = Inner {
            backend,
            layout,
            staging,
            uploads: Arc::default(),
            readers,
            writers: Writers::default(),
            room,
            floor,
            cache,
            writing: PerBundle::default(),
            settling: PerBundle::default(),
            filling: PerBundle::default(),
            fills: Arc::new(Semaphore::new(MAX_FILLS)),
            encoding: Arc::new(Semaphore::new(1)),
            fresh: Mutex::default(),
            broken: Mutex::default(),
            facts: Mutex::default(),
            reached: LastReach::default(),
            counted: AtomicBool::new(false),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Begins to receive an upload.
    pub async fn stage(&self) -> Result<Staging, StoreError> {
        let slot = self.inner.writers.admit().await?;
        self.inner.staging.stage(slot).await
    }

    /// To be held while it is decided what becomes of a bundle, from the first look at its
    /// rows until they and its objects agree. Else the copy of a quarantined bundle could be
    /// removed, by whoever published or deleted it, from under one that was just kept, and so
    /// could that of an attachment; and a signature could be on record twice.
    pub async fn settling(&self, hash: ContentHash) -> OwnedMutexGuard<()> {
        self.inner.settling.lock(hash).await
    }

    /// Whether uploads can be received: writes a small file and removes it.
    pub async fn check_writable(&self) -> Result<(), StoreError> {
        let inner = Arc::clone(&self.inner);
        blocking("write to its folder", move || backend::probe(inner.staging.folder())).await
    }

    /// Bytes that uploads and quarantined bundles hold together.
    pub fn staged_bytes(&self) -> u64 {
        self.inner.room.in_use()
    }

    /// Bytes free on the disk of the store.
    pub async fn free_bytes(&self) -> Result<u64, StoreError> {
        let floor = self.inner.floor.clone();
        blocking("ask for free space", move || floor.free_bytes()).await
    }

    /// Whether the disk has more free than `store.min_free_bytes`.
    pub async fn check_free_bytes(&self) -> Result<(), StoreError> {
        let floor = self.inner.floor.clone();
        blocking("ask for free space", move || floor.check()).await
    }
}

impl Inner {
    fn note_fresh(&self, place: Place, hash: ContentHash) {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner).insert((place, hash));
    }

    /// Whether the bundle was put since the last call for it.
    fn take_fresh(&self, place: Place, hash: ContentHash) -> bool {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner).remove(&(place, hash))
    }
}
