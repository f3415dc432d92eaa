//! Request bodies that are held in memory until their handler has them.
//!
//! A body that goes to its handler whole is read before the call has a slot, at the pace of
//! who sends it. So it is not the slots that bound how many there are.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::GatewayConfig;

/// What the bodies of all calls together may take.
#[derive(Debug)]
pub struct HeldBodies {
    /// A permit for each KiB that no body has taken.
    left: Arc<Semaphore>,
    max_bytes: u64,
}

/// The room of one body, which it gives back when it is dropped.
#[derive(Debug)]
pub struct Room {
    left: Arc<Semaphore>,
    max_bytes: u64,
    taken: Option<OwnedSemaphorePermit>,
}

/// There is no room left for a body.
#[derive(Debug, thiserror::Error)]
#[error("the bodies of other calls take the {max_bytes} bytes that all together may have")]
pub struct NoRoom {
    pub max_bytes: u64,
}

impl HeldBodies {
    /// Nothing is held yet.
    pub fn new(config: &GatewayConfig) -> Self {
        let max_bytes = config.max_held_body_bytes;
        let kib = usize::try_from(max_bytes / 1024).unwrap_or(Semaphore::MAX_PERMITS);
        Self { left: Arc::new(Semaphore::new(kib.min(Semaphore::MAX_PERMITS))), max_bytes }
    }

    /// For a body of which nothing is there yet.
    pub fn begin(&self) -> Room {
        Room { left: Arc::clone(&self.left), max_bytes: self.max_bytes, taken: None }
    }
}

impl Room {
    /// Takes what `bytes` of the body need beyond what was taken before.
    pub fn grow_to(&mut self, bytes: u64) -> Result<(), NoRoom> {
        let has = self.taken.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let no_room = NoRoom { max_bytes: self.max_bytes };
        let needs = usize::try_from(bytes.div_ceil(1024)).unwrap_or(usize::MAX);
        let Ok(more) = u32::try_from(needs.saturating_sub(has)) else { return Err(no_room) };
        if more == 0 {
            return Ok(());
        }
        let left = Arc::clone(&self.left);
        let room = left.try_acquire_many_owned(more).map_err(|_| no_room)?;
        match &mut self.taken {
            Some(taken) => taken.merge(room),
            None => self.taken = Some(room),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_what_others_have_left_and_gives_it_back() {
        let config = GatewayConfig { max_held_body_bytes: 3 * 1024, ..GatewayConfig::default() };
        let bodies = HeldBodies::new(&config);
        let (mut first, mut second) = (bodies.begin(), bodies.begin());

        first.grow_to(1).unwrap();
        first.grow_to(1024).unwrap();
        second.grow_to(2048).unwrap();
        let refused = first.grow_to(1025).unwrap_err();
        drop(second);

        assert_eq!(refused.max_bytes, 3 * 1024);
        first.grow_to(3 * 1024).unwrap();
        first.grow_to(3 * 1024 + 1).unwrap_err();
    }
}
