//! What is known about the store: probed at start, asked for by readiness, and
//! examined by `plugboard doctor` beside a running appliance.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use rustix::fs::statvfs;
use tokio::time::Instant;

use super::backend::{self, blocking};
use super::error::innermost;
use super::layout::{Layout, Place, join};
use super::probe::Probe;
use super::s3::S3;
use super::{BundleStore, StoreError};
use crate::config::StoreConfig;
use crate::model::{FactState, StoreCapability, StoreFacts};

/// How long an answer to "do you still answer?" stays good: probes of
/// readiness come often, and from anybody.
const REACHED_FOR: Duration = Duration::from_secs(5);

/// When the store was last asked, and what was wrong.
pub(super) type LastReach = tokio::sync::Mutex<Option<(Instant, Option<String>)>>;

/// What `plugboard doctor` finds out about the store.
#[derive(Debug)]
pub struct Examination {
    /// Where bundles are.
    pub place: String,
    /// `None` when there is nothing to probe: the first start makes the folder.
    pub facts: Option<StoreFacts>,
    /// Where uploads are received, and why they cannot be.
    pub staging: (PathBuf, Result<(), StoreError>),
    /// Bytes free on that disk.
    pub free_bytes: Option<u64>,
}

impl BundleStore {
    /// Finds out what the store can do, and remembers it.
    ///
    pub async fn probe(&self, now: Timestamp) -> Arc<StoreFacts> {
        let inner = &self.inner;
        let backend = &inner.backend;
        let probe = Probe::new(Arc::clone(backend.objects()), backend.as_s3(), &inner.layout);
        let facts = Arc::new(probe.run(now).await);
        if backend.as_s3().is_some() {
            let refuses = facts.state(StoreCapability::CreateOnly) == FactState::Works;
            backend.set_refuses_overwrite(refuses);
        } else {
            // An empty folder is what it leaves on a disk.
            backend.remove_folder(&inner.layout.probe()).await.ok();
        }
        self.count_quarantined().await;
        *inner.facts.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&facts));
        facts
    }

    /// What the last probe found out.
    pub fn facts(&self) -> Option<Arc<StoreFacts>> {
        self.inner.facts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether others may keep bundles in the same place.
    pub fn is_shared(&self) -> bool {
        self.inner.backend.as_s3().is_some()
    }

    /// Whether the store answers; asked at most every five seconds.
    pub async fn check_reachable(&self) -> Result<(), String> {
        let inner = &self.inner;
        if inner.backend.as_s3().is_none() {
            return Ok(());
        }
        let mut last = inner.reached.lock().await;
        if let Some((asked, problem)) = &*last
            && asked.elapsed() < REACHED_FOR
        {
            return problem.clone().map_or(Ok(()), Err);
        }
        let key = join(&inner.layout.probe(), "reach");
        let problem = inner.backend.exists(&key).await.err().map(|error| innermost(&error));
        *last = Some((Instant::now(), problem.clone()));
        problem.map_or(Ok(()), Err)
    }

    /// Counts quarantined bundles into the room of uploads, once; on a disk they
    /// are counted when the store is opened.
    async fn count_quarantined(&self) {
        let inner = &self.inner;
        if inner.backend.as_s3().is_none() || inner.counted.load(Ordering::Relaxed) {
            return;
        }
        let folder = inner.layout.place(Place::Quarantine);
        if let Ok(bytes) = inner.backend.bytes_below(&folder).await
            && !inner.counted.swap(true, Ordering::Relaxed)
        {
            inner.room.add(bytes);
        }
    }
}

/// Examines the store of a configuration without taking it over: a running
/// appliance is not disturbed.
pub async fn examine(
    config: &StoreConfig,
    data_dir: &Path,
    now: Timestamp,
) -> Result<Examination, StoreError> {
    let (place, facts, staging) = if let Some(location) = config.s3_location() {
        let layout = Layout::new(&location.prefix)?;
        let s3 = S3::open(&config.s3, &location, config.s3_public_location().as_ref())?;
        let facts = Probe::new(Arc::new(s3.objects()), Some(&s3), &layout).run(now).await;
        let place = format!("{} bucket {}", location.endpoint, location.bucket);
        (place, Some(facts), data_dir.join("cache").join("staging"))
    } else {
        let layout = Layout::new(&config.base)?;
        let root = data_dir.join("store");
        let staging = root.join(layout.staging().as_ref());
        let facts =
            if root.is_dir() { Some(probe_folder(&root, &layout, now).await?) } else { None };
        (root.display().to_string(), facts, staging)
    };
    let folder = nearest_folder(&staging);
    let free_bytes =
        statvfs(&folder).ok().map(|found| found.f_bavail.saturating_mul(found.f_frsize));
    let writable = blocking("write to its folder", move || backend::probe(&folder)).await;
    Ok(Examination { place, facts, staging: (staging, writable), free_bytes })
}

async fn probe_folder(
    root: &Path,
    layout: &Layout,
    now: Timestamp,
) -> Result<StoreFacts, StoreError> {
    let objects = LocalFileSystem::new_with_prefix(root)
        .map_err(|error| StoreError::object("open its folder", error))?
        .with_automatic_cleanup(true);
    let objects: Arc<dyn ObjectStore> = Arc::new(objects);
    Ok(Probe::new(objects, None, layout).run(now).await)
}

/// The folder itself, or the one it would be made in; or what is in the place of one of them, as
/// a file or a link to a disk that is not mounted: nothing can be written there, as at a start.
fn nearest_folder(folder: &Path) -> PathBuf {
    let existing = folder.ancestors().find(|folder| folder.symlink_metadata().is_ok());
    existing.unwrap_or_else(|| Path::new(".")).to_owned()
}
