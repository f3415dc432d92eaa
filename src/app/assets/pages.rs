//! Page files in memory, with what the door writes around each.
//!
//! Nothing in here says that a file may be served: that is asked of the registry on
//! each request, before this is looked at. What is in here was checked when it was put.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http::HeaderMap;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, Options, OptionsBuilder, Weighter};
use rustix::process::{Resource, getrlimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Asset;
use super::encoding::PAUSE;
use crate::config::ExtUiConfig;
use crate::memory_file::MemoryFile;
use crate::model::{ContentCoding, ContentHash};

/// What one page takes besides its body: two maps of a dozen headers.
const HEAD_BYTES: u64 = 4096;
/// What a body in a file counts beside its bytes: there are fewer descriptors than bytes.
const DESCRIPTOR_BYTES: u64 = 64 * 1024;
/// From this size on the kernel sends a file from its own memory for less than it costs
/// to copy the bytes from ours.
const SENT_FROM_FILE_BYTES: u64 = 32 * 1024;
/// Parts of the memory that have a lock and a limit each.
const SHARDS: usize = 4;

/// One form of a page file, and its answer as far as it is always the same.
#[derive(Clone, Debug)]
pub struct Page {
    /// The strong tag, with its quotes.
    pub etag: String,
    /// Bytes of the body.
    pub size: u64,
    /// Of the answer with all of the body.
    pub head: HeaderMap,
    /// Of the answer that says the client has it.
    pub unchanged: HeaderMap,
    /// Not of a file that is larger than what is kept, or that nobody has asked for.
    pub body: Option<PageBody>,
}

/// All bytes of a form, in memory.
#[derive(Clone, Debug)]
pub enum PageBody {
    Bytes(Bytes),
    /// In a file in memory that nobody can change: the kernel sends it without a copy.
    File(Arc<PageFile>),
}

/// A file whose bytes are sent: shared by all who send it, so that its place among the
/// descriptors that bodies may have is taken for as long as one of them needs it.
#[derive(Debug)]
pub struct PageFile {
    file: File,
    /// None of a file on disk.
    _place: Option<OwnedSemaphorePermit>,
}

impl From<File> for PageFile {
    fn from(file: File) -> Self {
        Self { file, _place: None }
    }
}

impl AsFd for PageFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// The pages in memory, `ext_ui.memory_cache_bytes` of them.
pub struct Pages {
    cache: Cache<Key, Arc<Page>, Weight>,
    max_file_bytes: u64,
    /// Descriptors that are left for bodies: connections need some, too.
    descriptors: Arc<Semaphore>,
    /// Whose pages were to be compressed lately.
    encoded: Mutex<HashMap<ContentHash, Instant>>,
}

/// A version's file by its place in the file table.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    hash: ContentHash,
    index: usize,
    coding: ContentCoding,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Arc<Page>> for Weight {
    fn weight(&self, _: &Key, page: &Arc<Page>) -> u64 {
        match &page.body {
            None => HEAD_BYTES,
            Some(PageBody::Bytes(bytes)) => HEAD_BYTES + bytes.len() as u64,
            Some(PageBody::File(..)) => HEAD_BYTES + DESCRIPTOR_BYTES + page.size,
        }
    }
}

impl Pages {
    /// An empty memory, with a quarter of the files that this process may have open now.
    pub fn new(config: &ExtUiConfig) -> Self {
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX) / 4;
        Self::with_descriptors(config, usize::try_from(files).unwrap_or(usize::MAX))
    }

    fn with_descriptors(config: &ExtUiConfig, files: usize) -> Self {
        let bytes = config.memory_cache_bytes;
        let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        // What does not fit into a part of the memory would be read in vain.
        let fitting = (bytes / SHARDS as u64).saturating_sub(HEAD_BYTES + DESCRIPTOR_BYTES);
        Self {
            cache: Cache::with_options(options(bytes), Weight, hasher, lifecycle),
            max_file_bytes: config.memory_cache_file_bytes.min(fitting),
            descriptors: Arc::new(Semaphore::new(files.min(Semaphore::MAX_PERMITS))),
            encoded: Mutex::default(),
        }
    }

    /// The page, if it is in memory; perhaps without its body.
    pub fn get(&self, asset: &Asset, coding: ContentCoding) -> Option<Arc<Page>> {
        self.cache.get(&Key::of(asset, coding))
    }

    /// Puts a page in. Its body was checked.
    pub fn keep(&self, asset: &Asset, coding: ContentCoding, page: Arc<Page>) {
        self.cache.insert(Key::of(asset, coding), page);
    }

    /// Gives back what the pages of a bundle take.
    pub fn forget(&self, hash: &ContentHash) {
        self.cache.retain(|key, _| key.hash != *hash);
    }

    /// Whether the body of a page of so many bytes is kept.
    pub const fn keeps(&self, bytes: u64) -> bool {
        bytes <= self.max_file_bytes
    }

    /// Keeps the bytes in a file if the kernel sends so many for less than copying them
    /// costs, if it has such files, and if a descriptor is left.
    pub fn body(&self, bytes: Bytes) -> PageBody {
        if (bytes.len() as u64) < SENT_FROM_FILE_BYTES {
            return PageBody::Bytes(bytes);
        }
        let Ok(place) = Arc::clone(&self.descriptors).try_acquire_owned() else {
            return PageBody::Bytes(bytes);
        };
        match MemoryFile::of(&bytes) {
            Ok(file) => PageBody::File(Arc::new(PageFile { file, _place: Some(place) })),
            Err(_) => PageBody::Bytes(bytes),
        }
    }

    /// Bytes in use.
    pub fn bytes(&self) -> u64 {
        self.cache.weight()
    }

    /// Whether it is time to compress the pages of a bundle; the next ones are told no.
    pub(super) fn may_encode(&self, hash: ContentHash) -> bool {
        let mut encoded = self.encoded.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        encoded.retain(|_, at| now.duration_since(*at) < PAUSE);
        let is_time = !encoded.contains_key(&hash);
        if is_time {
            encoded.insert(hash, now);
        }
        is_time
    }
}

fn options(bytes: u64) -> Options {
    let items = usize::try_from(bytes / HEAD_BYTES / 4).unwrap_or(usize::MAX);
    OptionsBuilder::new()
        .shards(SHARDS)
        .estimated_items_capacity(items)
        .weight_capacity(bytes)
        .build()
        .expect("all that has no default is set")
}

impl Key {
    fn of(asset: &Asset, coding: ContentCoding) -> Self {
        Self { hash: asset.version.content_hash, index: asset.index, coding }
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_no_more_descriptors_than_are_for_them() {
        let pages = Pages::with_descriptors(&ExtUiConfig::default(), 1);
        let body = || pages.body(vec![0; 32 * 1024].into());

        let PageBody::File(first) = body() else { panic!("a descriptor was left") };
        let sending = Arc::clone(&first);

        assert!(matches!(body(), PageBody::Bytes(_)));
        drop(first);
        assert!(matches!(body(), PageBody::Bytes(_)));
        drop(sending);
        assert!(matches!(body(), PageBody::File(..)));
    }
}
