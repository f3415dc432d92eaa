//! Ids that nobody can guess and that do not repeat, without asking the system for
//! randomness each time: a keyed hash of a counter.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::model::{SpanId, TraceId};

pub(super) struct Ids {
    key: [u8; 32],
    next: AtomicU64,
}

impl Ids {
    pub(super) fn new() -> Self {
        let mut key = [0; 32];
        getrandom::fill(&mut key).expect("the system has randomness, as tokens need it too");
        Self { key, next: AtomicU64::new(0) }
    }

    pub(super) fn trace(&self) -> TraceId {
        loop {
            if let Some(id) = TraceId::new(self.bytes()) {
                return id;
            }
        }
    }

    pub(super) fn span(&self) -> SpanId {
        loop {
            if let Some(id) = SpanId::new(self.bytes()) {
                return id;
            }
        }
    }

    /// A number from 0 to below 1. It is not taken from the trace's id, which a caller chooses.
    pub(super) fn chance(&self) -> f64 {
        let number = u32::from_le_bytes(self.bytes());
        f64::from(number) / (f64::from(u32::MAX) + 1.0)
    }

    fn bytes<const N: usize>(&self) -> [u8; N] {
        let count = self.next.fetch_add(1, Relaxed);
        let hash = blake3::keyed_hash(&self.key, &count.to_le_bytes());
        *hash.as_bytes().first_chunk().expect("a hash is longer than any id")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_do_not_repeat_and_chances_are_even() {
        let ids = Ids::new();

        let traces: HashSet<_> = (0..1_000).map(|_| ids.trace()).collect();
        let spans: HashSet<_> = (0..1_000).map(|_| ids.span()).collect();
        let low = (0..10_000).filter(|_| ids.chance() < 0.25).count();

        assert_eq!((traces.len(), spans.len()), (1_000, 1_000));
        assert!((2_000..3_000).contains(&low), "{low}");
    }
}
