//! When tokens and sessions were last seen: kept in memory, written now and then.
//!
//! A commit costs two syncs; a request must not wait for one to say "seen".

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::model::TokenId;

/// Times that are newer than the rows they belong to.
#[derive(Debug, Default)]
pub(super) struct Touches {
    pub(super) tokens: Latest<TokenId>,
    /// By the SHA-256 of the session's cookie.
    pub(super) sessions: Latest<[u8; 32]>,
}

/// The latest time each key was seen.
#[derive(Debug)]
pub(super) struct Latest<K>(Mutex<HashMap<K, Timestamp>>);

impl<K: Clone + Eq + Hash> Latest<K> {
    /// Records that `key` was seen at `now`; time never goes back.
    pub(super) fn touch(&self, key: &K, now: Timestamp) {
        let mut seen = self.lock();
        match seen.get_mut(key) {
            Some(at) => *at = now.max(*at),
            None => {
                seen.insert(key.clone(), now);
            }
        }
    }

    /// When `key` was last seen, if that is not written yet.
    pub(super) fn of(&self, key: &K) -> Option<Timestamp> {
        self.lock().get(key).copied()
    }

    /// Everything that is not written yet.
    pub(super) fn pending(&self) -> Vec<(K, Timestamp)> {
        self.lock().iter().map(|(key, at)| (key.clone(), *at)).collect()
    }

    /// Forgets what has been written, but not what was seen while it was being written.
    pub(super) fn written(&self, rows: &[(K, Timestamp)]) {
        let mut seen = self.lock();
        for (key, at) in rows {
            if seen.get(key).is_some_and(|newest| newest <= at) {
                seen.remove(key);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Timestamp>> {
        // No call above can stop half way, so the map is whole even if a thread panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> Default for Latest<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_while_a_flush_runs_is_kept_for_the_next() {
        let seen = Latest::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        seen.touch(&1, at(10));
        seen.touch(&2, at(10));
        let rows = seen.pending();

        seen.touch(&2, at(20));
        seen.touch(&2, at(15));
        seen.written(&rows);

        assert_eq!(seen.pending(), [(2, at(20))]);
    }
}
