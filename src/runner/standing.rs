//! How things stand in a runner, for whoever measures it.

use std::time::Duration;

use super::Runner;
use crate::egress::Egress;

/// The slots of the appliance, and who waits for one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotCounts {
    pub all: usize,
    pub in_use: usize,
    /// Calls that have the slots of their install and their tenant, and wait for this one.
    pub waiting: usize,
    /// Calls that had to wait for one of the three, since the start.
    pub waits: u64,
    /// How long all of them together did.
    pub waited: Duration,
}

impl Runner {
    pub fn slot_counts(&self) -> SlotCounts {
        self.slots.counts()
    }

    /// Calls to servers that go on.
    pub fn egress_in_flight(&self) -> usize {
        self.egress.as_ref().map_or(0, Egress::in_flight)
    }
}
