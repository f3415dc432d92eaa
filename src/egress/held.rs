//! The memory for responses that a guest gets as a whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::error::EgressError;

/// How much of it the calls of all installs have.
#[derive(Clone)]
pub(super) struct Memory {
    held: Arc<AtomicU64>,
    limit: u64,
}

/// What one response has of it, until it is dropped.
pub(super) struct Held {
    memory: Memory,
    bytes: u64,
}

impl Memory {
    pub(super) fn new(limit: u64) -> Self {
        Self { held: Arc::default(), limit }
    }

    pub(super) fn hold_nothing(&self) -> Held {
        Held { memory: self.clone(), bytes: 0 }
    }
}

impl Held {
    /// Takes more. What does not fit is refused and not waited for: two responses that wait
    /// for each other's end would do so until their time is over.
    pub(super) fn grow(&mut self, bytes: u64) -> Result<(), EgressError> {
        let Memory { held, limit } = &self.memory;
        let more = |held: u64| held.checked_add(bytes).filter(|held| held <= limit);
        held.fetch_update(Relaxed, Relaxed, more).map_err(|_| EgressError::Crowded(*limit))?;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.held.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_share_what_there_is_and_give_it_back() {
        let memory = Memory::new(100);
        let [mut one, mut two] = [memory.hold_nothing(), memory.hold_nothing()];
        one.grow(60).unwrap();
        two.grow(40).unwrap();
        assert!(matches!(two.grow(1), Err(EgressError::Crowded(100))));
        assert!(matches!(two.grow(u64::MAX), Err(EgressError::Crowded(100))));

        drop(one);
        two.grow(60).unwrap();
        drop(two);

        assert_eq!(memory.held.load(Relaxed), 0);
    }
}
