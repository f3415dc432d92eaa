//! Slots that are given to those who wait in turns: to one of each key, and round again.
//!
//! In the order of arrival, whoever sends a hundred calls at once goes before everybody
//! who comes after. This is round robin over queues, with room taken from the longest one
//! when there is no more, as RFC 970 describes it for packets.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

/// Waiting ones for each slot.
const WAITING_PER_SLOT: usize = 2;

/// A number of slots, and who waits for one.
pub(super) struct FairQueue<K: Key> {
    slots: usize,
    state: Mutex<State<K>>,
    waits: Arc<Waits>,
}

/// How often somebody had to wait, and how long all of them together, with or without success.
#[derive(Default)]
pub(super) struct Waits {
    count: AtomicU64,
    waited_us: AtomicU64,
}

/// One slot, until dropped; and whether it was waited for.
pub(super) struct Permit<K: Key>(Option<Arc<FairQueue<K>>>, bool);

/// By what turns are taken.
pub(super) trait Key: Clone + Eq + Hash {}

impl<K: Clone + Eq + Hash> Key for K {}

/// Nobody waits while a slot is free.
struct State<K: Key> {
    free: usize,
    waiting: usize,
    /// None of them is empty.
    queues: HashMap<K, VecDeque<Waiter<K>>>,
    /// Each key that has a queue, once; the first is next.
    turns: VecDeque<K>,
}

/// Dropped without a permit if its place goes to another.
type Waiter<K> = oneshot::Sender<Permit<K>>;

impl<K: Key> FairQueue<K> {
    pub(super) fn new(slots: usize, waits: &Arc<Waits>) -> Self {
        let slots = slots.max(1);
        let queues = HashMap::new();
        let state = State { free: slots, waiting: 0, queues, turns: VecDeque::new() };
        Self { slots, state: Mutex::new(state), waits: Arc::clone(waits) }
    }

    /// Takes a slot, waiting for its turn until `until`. `None` if none came, or if too many
    /// wait and none of the others has more waiting than `key`.
    pub(super) async fn acquire(self: &Arc<Self>, key: &K, until: Instant) -> Option<Permit<K>> {
        let turn = {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1;
                return Some(Permit(Some(Arc::clone(self)), false));
            }
            if state.waiting >= self.slots.saturating_mul(WAITING_PER_SLOT) {
                state.make_room(key)?;
            }
            state.join(key)
        };
        let _place = Place { queue: self, key, since: Instant::now() };
        timeout_at(until, turn).await.ok()?.ok()
    }

    /// How many slots there are, how many are taken, and how many wait for one.
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        let state = self.lock();
        (self.slots, self.slots - state.free, state.waiting)
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        // No code panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waits {
    fn note(&self, waited: Duration) {
        let waited_us = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        self.count.fetch_add(1, Relaxed);
        self.waited_us.fetch_add(waited_us, Relaxed);
    }

    pub(super) fn read(&self) -> (u64, Duration) {
        let waited = Duration::from_micros(self.waited_us.load(Relaxed));
        (self.count.load(Relaxed), waited)
    }
}

impl<K: Key> State<K> {
    fn join(&mut self, key: &K) -> oneshot::Receiver<Permit<K>> {
        let (waiter, turn) = oneshot::channel();
        self.waiting += 1;
        if let Some(queue) = self.queues.get_mut(key) {
            queue.push_back(waiter);
        } else {
            self.queues.insert(key.clone(), VecDeque::from([waiter]));
            self.turns.push_back(key.clone());
        }
        turn
    }

    /// Sends away the last one of the longest queue, if that is longer than the one of `key`
    /// would be.
    fn make_room(&mut self, key: &K) -> Option<()> {
        let own = self.queues.get(key).map_or(0, VecDeque::len);
        let longest = self.turns.iter().max_by_key(|key| self.queues[*key].len())?.clone();
        let queue = self.queues.get_mut(&longest).filter(|queue| queue.len() > own + 1)?;
        queue.pop_back();
        self.waiting -= 1;
        Some(())
    }

    /// The first one of the queue whose turn it is.
    fn next(&mut self) -> Option<Waiter<K>> {
        let key = self.turns.pop_front()?;
        let queue = self.queues.get_mut(&key)?;
        let waiter = queue.pop_front();
        self.waiting -= 1;
        if queue.is_empty() {
            self.queues.remove(&key);
        } else {
            self.turns.push_back(key);
        }
        waiter
    }

    /// Forgets those of `key` who no longer wait.
    fn tidy(&mut self, key: &K) {
        let Some(queue) = self.queues.get_mut(key) else { return };
        let before = queue.len();
        queue.retain(|waiter| !waiter.is_closed());
        self.waiting -= before - queue.len();
        if queue.is_empty() {
            self.queues.remove(key);
            self.turns.retain(|other| other != key);
        }
    }
}

impl<K: Key> Permit<K> {
    pub(super) const fn was_waited_for(&self) -> bool {
        self.1
    }
}

impl<K: Key> Drop for Permit<K> {
    /// Gives the slot to whose turn it is.
    fn drop(&mut self) {
        let Some(queue) = self.0.take() else { return };
        let mut state = queue.lock();
        let mut permit = Self(Some(Arc::clone(&queue)), true);
        while let Some(waiter) = state.next() {
            match waiter.send(permit) {
                Ok(()) => return,
                Err(back) => permit = back,
            }
        }
        // Dropped as it is, it would come here again.
        permit.0 = None;
        state.free += 1;
    }
}

/// A place in a queue; given up when dropped, also by a caller that goes away.
struct Place<'a, K: Key> {
    queue: &'a FairQueue<K>,
    key: &'a K,
    since: Instant,
}

impl<K: Key> Drop for Place<'_, K> {
    fn drop(&mut self) {
        self.queue.lock().tidy(self.key);
        self.queue.waits.note(self.since.elapsed());
    }
}

#[cfg(test)]
mod tests;
