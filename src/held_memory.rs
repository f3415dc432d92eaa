//! Memory that many hold a part of, and no more than so much together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How much of it there is for all. Cloning it is cheap, and shares it.
#[derive(Clone, Debug)]
pub struct HeldMemory {
    held: Arc<AtomicU64>,
    limit_bytes: u64,
}

/// What one has of it, until it is dropped.
#[derive(Debug)]
pub struct Held {
    memory: HeldMemory,
    bytes: u64,
}

/// What is asked for does not fit beside what others hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom {
    /// What all together may have.
    pub limit_bytes: u64,
}

impl HeldMemory {
    /// Nothing of it is held yet.
    pub fn new(limit_bytes: u64) -> Self {
        Self { held: Arc::default(), limit_bytes }
    }

    /// For one who will hold some.
    pub fn hold_nothing(&self) -> Held {
        Held { memory: self.clone(), bytes: 0 }
    }
}

impl Held {
    /// Takes what is missing to so many bytes. What does not fit is refused and not waited for:
    /// two who wait for each other's end would do so until their time is over.
    pub fn grow_to(&mut self, bytes: u64) -> Result<(), NoRoom> {
        let HeldMemory { held, limit_bytes } = &self.memory;
        let missing = bytes.saturating_sub(self.bytes);
        let more = |held: u64| held.checked_add(missing).filter(|held| held <= limit_bytes);
        let grown = held.fetch_update(Relaxed, Relaxed, more);
        grown.map_err(|_| NoRoom { limit_bytes: *limit_bytes })?;
        self.bytes += missing;
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
    fn all_share_what_there_is_and_give_it_back() {
        let memory = HeldMemory::new(100);
        let [mut one, mut two] = [memory.hold_nothing(), memory.hold_nothing()];
        one.grow_to(60).unwrap();
        one.grow_to(60).unwrap();
        two.grow_to(40).unwrap();
        assert_eq!(two.grow_to(41), Err(NoRoom { limit_bytes: 100 }));
        assert_eq!(two.grow_to(u64::MAX), Err(NoRoom { limit_bytes: 100 }));

        drop(one);
        two.grow_to(100).unwrap();
        drop(two);

        assert_eq!(memory.held.load(Relaxed), 0);
    }
}
