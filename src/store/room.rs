//! How much uploads may hold: together, and of the disk.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::statvfs;

use super::StoreError;

/// The bytes that uploads and quarantined bundles hold together.
#[derive(Debug)]
pub(super) struct Room {
    limit: u64,
    in_use: AtomicU64,
}

/// The part of one upload. It is given back when dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    room: Arc<Room>,
    bytes: u64,
}

/// The free space that uploads leave to everything else.
#[derive(Clone, Debug)]
pub(super) struct DiskFloor {
    folder: PathBuf,
    min_free_bytes: u64,
}

impl Room {
    pub(super) fn new(limit: u64, in_use: u64) -> Self {
        Self { limit, in_use: AtomicU64::new(in_use) }
    }

    /// An empty part, to grow.
    pub(super) fn reserve(room: &Arc<Self>) -> Reservation {
        Reservation { room: Arc::clone(room), bytes: 0 }
    }

    /// A part of this size, also above the limit: for what is here already.
    pub(super) fn reserve_at_any_rate(room: &Arc<Self>, bytes: u64) -> Reservation {
        room.add(bytes);
        Reservation { room: Arc::clone(room), bytes }
    }

    /// Counts a bundle that is in quarantine from here on.
    ///
    /// It is not refused: its upload had the room, and gives it back in a moment.
    pub(super) fn add(&self, bytes: u64) {
        self.in_use.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn in_use(&self) -> u64 {
        self.in_use.load(Ordering::Relaxed)
    }

    /// Never below nothing: what another server keeps may not have been counted.
    pub(super) fn give_back(&self, bytes: u64) {
        let less = |in_use: u64| Some(in_use.saturating_sub(bytes));
        self.in_use.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).ok();
    }
}

impl Reservation {
    pub(super) fn grow(&mut self, bytes: u64) -> Result<(), StoreError> {
        let in_use = self.room.in_use.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        if in_use + bytes > self.room.limit {
            return Err(StoreError::StagedFull { limit: self.room.limit, in_use });
        }
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.room.give_back(self.bytes);
    }
}

impl DiskFloor {
    pub(super) fn new(folder: PathBuf, min_free_bytes: u64) -> Self {
        Self { folder, min_free_bytes }
    }

    /// Bytes that this user can still write.
    pub(super) fn free_bytes(&self) -> Result<u64, StoreError> {
        let found = statvfs(&self.folder);
        let found = found.map_err(|error| StoreError::unavailable("ask for free space", error))?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.check_for(0)
    }

    /// Whether the floor holds once `bytes` more are written.
    pub(super) fn check_for(&self, bytes: u64) -> Result<(), StoreError> {
        let free = self.free_bytes()?;
        if free < self.min_free_bytes.saturating_add(bytes) {
            return Err(StoreError::DiskFull { free, floor: self.min_free_bytes });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_together_stay_below_the_limit() {
        let room = Arc::new(Room::new(100, 40));
        let mut first = Room::reserve(&room);
        let mut second = Room::reserve(&room);
        first.grow(50).unwrap();

        let refused = second.grow(11);

        assert!(matches!(refused, Err(StoreError::StagedFull { limit: 100, in_use: 90 })));
    }

    #[test]
    fn a_dropped_upload_gives_its_room_back() {
        let room = Arc::new(Room::new(100, 0));
        let mut first = Room::reserve(&room);
        first.grow(100).unwrap();
        assert!(Room::reserve(&room).grow(1).is_err());

        drop(first);

        assert!(Room::reserve(&room).grow(100).is_ok());
    }

    #[test]
    fn what_was_never_counted_leaves_nothing_behind_when_it_goes() {
        let room = Room::new(100, 5);

        room.give_back(10);

        assert_eq!(room.in_use(), 0);
    }

    #[test]
    fn a_disk_below_its_floor_is_full() {
        let floor = DiskFloor::new(std::env::temp_dir(), u64::MAX);

        assert!(matches!(floor.check(), Err(StoreError::DiskFull { floor: u64::MAX, .. })));
    }
}
