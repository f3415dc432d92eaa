//! Who follows the lines of an install, as they come.
//!
//! The writer hands a record to all of them at once and goes on. Who is too slow loses the
//! oldest, and sees by the numbers how many.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast::{self, error::RecvError};
use tokio_util::sync::CancellationToken;

use super::record::Record;
use crate::model::{InstallId, TenantId};

/// Records that are held for the slowest follower of an install.
const BEHIND: usize = 256;

/// There is no seat for one more follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooManyFollowers {
    #[error("{0} callers follow lines, and no more may at the same time")]
    InAppliance(usize),
    #[error("{0} callers of this tenant follow lines, and no more may at the same time")]
    OfTenant(usize),
}

pub(super) struct Followers {
    max: usize,
    max_per_tenant: usize,
    seats: Arc<Mutex<Seats>>,
    ending: CancellationToken,
}

#[derive(Default)]
struct Seats {
    taken: usize,
    by_tenant: HashMap<TenantId, usize>,
    streams: HashMap<InstallId, broadcast::Sender<Arc<Record>>>,
}

/// One that follows. Dropping it gives its seat back.
pub struct Follower {
    records: broadcast::Receiver<Arc<Record>>,
    ending: CancellationToken,
    _seat: Seat,
}

struct Seat {
    tenant: TenantId,
    install: InstallId,
    seats: Arc<Mutex<Seats>>,
}

/// Why nothing more comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndOfLines {
    /// The install is gone.
    Uninstalled,
    /// The appliance stops.
    Stopping,
}

impl Followers {
    pub(super) fn new(max: usize, max_per_tenant: usize) -> Self {
        let (seats, ending) = (Arc::default(), CancellationToken::new());
        Self { max, max_per_tenant, seats, ending }
    }

    pub(super) fn follow(
        &self,
        tenant: &TenantId,
        install: InstallId,
    ) -> Result<Follower, TooManyFollowers> {
        let mut seats = lock(&self.seats);
        if seats.taken >= self.max {
            return Err(TooManyFollowers::InAppliance(self.max));
        }
        // One tenant cannot keep the others out.
        let of_tenant = seats.by_tenant.entry(tenant.clone()).or_default();
        if *of_tenant >= self.max_per_tenant {
            return Err(TooManyFollowers::OfTenant(self.max_per_tenant));
        }
        *of_tenant += 1;
        seats.taken += 1;
        let stream = seats.streams.entry(install);
        let records = stream.or_insert_with(|| broadcast::channel(BEHIND).0).subscribe();
        drop(seats);
        let seat = Seat { tenant: tenant.clone(), install, seats: Arc::clone(&self.seats) };
        Ok(Follower { records, ending: self.ending.clone(), _seat: seat })
    }

    pub(super) fn publish(&self, install: &InstallId, records: Vec<Record>) {
        let seats = lock(&self.seats);
        if let Some(stream) = seats.streams.get(install) {
            for record in records {
                // An error: the last one has just gone.
                stream.send(Arc::new(record)).ok();
            }
        }
    }

    /// Ends those of an install.
    pub(super) fn forget(&self, install: &InstallId) {
        lock(&self.seats).streams.remove(install);
    }

    pub(super) fn end(&self) {
        self.ending.cancel();
    }

    pub(super) fn count(&self) -> usize {
        lock(&self.seats).taken
    }
}

impl Follower {
    /// Whether the appliance stops.
    pub fn is_ending(&self) -> bool {
        self.ending.is_cancelled()
    }

    /// The next record. A gap in the numbers is what it was too slow for.
    pub async fn next(&mut self) -> Result<Arc<Record>, EndOfLines> {
        loop {
            let received = tokio::select! {
                () = self.ending.cancelled() => return Err(EndOfLines::Stopping),
                received = self.records.recv() => received,
            };
            match received {
                Ok(record) => return Ok(record),
                Err(RecvError::Closed) => return Err(EndOfLines::Uninstalled),
                Err(RecvError::Lagged(_)) => {}
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = lock(&self.seats);
        seats.taken -= 1;
        if let Some(of_tenant) = seats.by_tenant.get_mut(&self.tenant) {
            *of_tenant -= 1;
            if *of_tenant == 0 {
                seats.by_tenant.remove(&self.tenant);
            }
        }
        // Its own receiver is gone: it stands before the seat in [`Follower`].
        let is_last = |stream: &broadcast::Sender<_>| stream.receiver_count() == 0;
        if seats.streams.get(&self.install).is_some_and(is_last) {
            seats.streams.remove(&self.install);
        }
    }
}

fn lock(seats: &Mutex<Seats>) -> MutexGuard<'_, Seats> {
    // No code panics while it holds the lock.
    seats.lock().unwrap_or_else(PoisonError::into_inner)
}
