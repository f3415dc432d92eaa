//! What the cache holds, how long since each was used, and which files were checked.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use crate::model::ContentHash;

/// The bundles of the cache, in memory.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Counts uses; it is no time.
    clock: u64,
    bytes: u64,
    bundles: HashMap<ContentHash, Cached>,
}

#[derive(Debug)]
struct Cached {
    bytes: u64,
    /// Of its pages in shorter forms.
    encoded_bytes: u64,
    /// Whether `bytes` and `encoded_bytes` are known.
    is_measured: bool,
    last_use: u64,
    checked: HashMap<Box<str>, Fingerprint>,
}

/// What changes when a file does. The change time cannot be set back by a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    device: u64,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    size: u64,
}

impl From<&Metadata> for Fingerprint {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            size: metadata.size(),
        }
    }
}

impl Index {
    /// Notes a use of the bundle; says whether this very file was checked.
    pub(super) fn use_file(
        &mut self,
        hash: &ContentHash,
        path: &str,
        fingerprint: &Fingerprint,
    ) -> bool {
        self.clock += 1;
        let Some(cached) = self.bundles.get_mut(hash) else { return false };
        cached.last_use = self.clock;
        cached.checked.get(path) == Some(fingerprint)
    }

    /// Notes that this very file has its digest.
    pub(super) fn remember(&mut self, hash: &ContentHash, path: &str, fingerprint: Fingerprint) {
        if let Some(cached) = self.bundles.get_mut(hash) {
            cached.checked.insert(path.into(), fingerprint);
        }
    }

    pub(super) fn insert(&mut self, hash: ContentHash, bytes: u64) {
        self.add(hash, bytes, true);
    }

    /// Notes a bundle that is there from before, of bytes that are counted later.
    pub(super) fn take_over(&mut self, hash: ContentHash) {
        self.add(hash, 0, false);
    }

    fn add(&mut self, hash: ContentHash, bytes: u64, is_measured: bool) {
        self.remove(&hash);
        self.clock += 1;
        self.bytes += bytes;
        let (last_use, checked) = (self.clock, HashMap::new());
        let cached = Cached { bytes, encoded_bytes: 0, is_measured, last_use, checked };
        self.bundles.insert(hash, cached);
    }

    /// The bundles whose bytes are to be counted.
    pub(super) fn unmeasured(&self) -> Vec<ContentHash> {
        let bundles = self.bundles.iter().filter(|(_, cached)| !cached.is_measured);
        bundles.map(|(hash, _)| *hash).collect()
    }

    /// Notes the bytes of a bundle that was taken over; none of one filled or gone since.
    pub(super) fn measured(&mut self, hash: &ContentHash, bytes: u64, encoded_bytes: u64) {
        let Some(cached) = self.bundles.get_mut(hash) else { return };
        if !cached.is_measured {
            self.bytes = self.bytes - cached.encoded_bytes + bytes + encoded_bytes;
            (cached.bytes, cached.encoded_bytes) = (bytes, encoded_bytes);
            cached.is_measured = true;
        }
    }

    pub(super) fn remove(&mut self, hash: &ContentHash) {
        if let Some(cached) = self.bundles.remove(hash) {
            self.bytes -= cached.bytes + cached.encoded_bytes;
        }
    }

    pub(super) fn contains(&self, hash: &ContentHash) -> bool {
        self.bundles.contains_key(hash)
    }

    /// The bytes of a bundle without the shorter forms of its pages, if it is there; 0 as long
    /// as they are not counted.
    pub(super) fn bytes_of(&self, hash: &ContentHash) -> Option<u64> {
        self.bundles.get(hash).map(|cached| cached.bytes)
    }

    /// Notes how many bytes the shorter forms of a bundle's pages have now.
    pub(super) fn set_encoded(&mut self, hash: &ContentHash, bytes: u64) {
        if let Some(cached) = self.bundles.get_mut(hash) {
            self.bytes = self.bytes - cached.encoded_bytes + bytes;
            cached.encoded_bytes = bytes;
        }
    }

    /// The bundle longest unused, if all together have more than `limit` bytes.
    pub(super) fn oldest_beyond(&self, limit: u64) -> Option<ContentHash> {
        if self.bytes <= limit {
            return None;
        }
        let oldest = self.bundles.iter().min_by_key(|(_, cached)| cached.last_use);
        oldest.map(|(hash, _)| *hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(inode: u64) -> Fingerprint {
        Fingerprint { device: 1, inode, modified: (2, 3), changed: (2, 3), size: 4 }
    }

    #[test]
    fn the_bundle_longest_unused_goes_first() {
        let (a, b) = (ContentHash::of(b"a"), ContentHash::of(b"b"));
        let path = "ui/index.html";
        let mut index = Index::default();
        index.insert(a, 10);
        index.insert(b, 10);
        index.use_file(&a, path, &fingerprint(1));

        assert_eq!(index.oldest_beyond(20), None);
        assert_eq!(index.oldest_beyond(19), Some(b));
    }

    #[test]
    fn a_replaced_file_is_not_the_checked_one() {
        let hash = ContentHash::of(b"a");
        let path = "ui/index.html";
        let mut index = Index::default();
        index.insert(hash, 10);
        index.remember(&hash, path, fingerprint(1));

        assert!(index.use_file(&hash, path, &fingerprint(1)));
        assert!(!index.use_file(&hash, path, &fingerprint(2)));
    }

    #[test]
    fn shorter_forms_count_with_their_bundle_and_go_with_it() {
        let (a, b) = (ContentHash::of(b"a"), ContentHash::of(b"b"));
        let mut index = Index::default();
        index.insert(a, 10);
        index.set_encoded(&a, 7);
        index.set_encoded(&a, 5);
        index.set_encoded(&b, 5);

        assert_eq!((index.oldest_beyond(15), index.oldest_beyond(14)), (None, Some(a)));
        index.remove(&a);
        assert_eq!(index.bytes, 0);
    }

    #[test]
    fn bundles_taken_over_count_once_they_are_measured() {
        let (a, b) = (ContentHash::of(b"a"), ContentHash::of(b"b"));
        let mut index = Index::default();
        index.take_over(a);
        index.take_over(b);
        assert_eq!((index.bytes, index.unmeasured().len()), (0, 2));

        index.measured(&a, 10, 5);
        index.measured(&a, 20, 20);
        index.insert(b, 7);
        index.measured(&b, 20, 20);
        index.measured(&ContentHash::of(b"c"), 20, 20);

        assert_eq!((index.bytes, index.unmeasured().len()), (22, 0));
        assert_eq!((index.oldest_beyond(22), index.oldest_beyond(21)), (None, Some(a)));
    }

    #[test]
    fn shorter_forms_that_were_lost_before_they_were_measured_count_once() {
        let a = ContentHash::of(b"a");
        let mut index = Index::default();
        index.take_over(a);
        index.set_encoded(&a, 3);

        index.measured(&a, 10, 3);
        assert_eq!(index.bytes, 13);

        index.remove(&a);
        assert_eq!(index.bytes, 0);
    }

    #[test]
    fn a_bundle_filled_again_is_checked_again() {
        let hash = ContentHash::of(b"a");
        let path = "ui/index.html";
        let mut index = Index::default();
        index.insert(hash, 10);
        index.remember(&hash, path, fingerprint(1));

        index.insert(hash, 10);

        assert!(!index.use_file(&hash, path, &fingerprint(1)));
    }
}
