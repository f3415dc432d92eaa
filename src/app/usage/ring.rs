//! What executions took, in slots of time: a fixed number of them, the newest over the oldest.

use jiff::Timestamp;

use crate::runner::{Outcome, Usage};

/// Durations are sorted into powers of two of this many microseconds; the last is open.
const SHORTEST_US: u64 = 250;
const STEPS: usize = 16;

/// What some executions took together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    outcomes: [u32; Outcome::ALL.len()],
    durations: [u32; STEPS],
    longest_us: u64,
    cpu_us: u64,
    /// Calls that were not let through, because the install was failing.
    pub held_back: u32,
    /// Bytes of memory of the execution that took most.
    pub peak_memory_bytes: u64,
    pub host_calls: u64,
    pub request_bytes: u64,
    pub response_bytes: u64,
}

/// Slots of equal length.
#[derive(Debug)]
pub(super) struct Ring {
    slot_s: usize,
    slots: Box<[Slot]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// Which slot since 1970 this is: what is older is overwritten, and not shown.
    stamp: usize,
    tally: Tally,
}

impl Tally {
    /// Adds an execution.
    pub fn note(&mut self, usage: &Usage, outcome: Outcome) {
        add(&mut self.outcomes[outcome as usize], 1);
        if outcome == Outcome::Refused {
            // It never ran.
            return;
        }
        let duration = micros(usage.duration);
        add(&mut self.durations[step(duration)], 1);
        self.longest_us = self.longest_us.max(duration);
        self.cpu_us = self.cpu_us.saturating_add(micros(usage.cpu));
        self.peak_memory_bytes = self.peak_memory_bytes.max(usage.peak_memory_bytes);
        self.host_calls += u64::from(usage.host_calls);
        self.request_bytes = self.request_bytes.saturating_add(usage.request_bytes);
        self.response_bytes = self.response_bytes.saturating_add(usage.response_bytes);
    }

    /// Counts a call that was not let through.
    pub fn hold_back(&mut self) {
        add(&mut self.held_back, 1);
    }

    /// Adds what others took.
    pub fn add(&mut self, other: &Self) {
        let both = |ours: &mut [u32], theirs: &[u32]| {
            ours.iter_mut().zip(theirs).for_each(|(ours, theirs)| add(ours, *theirs));
        };
        both(&mut self.outcomes, &other.outcomes);
        both(&mut self.durations, &other.durations);
        self.longest_us = self.longest_us.max(other.longest_us);
        self.cpu_us = self.cpu_us.saturating_add(other.cpu_us);
        add(&mut self.held_back, other.held_back);
        self.peak_memory_bytes = self.peak_memory_bytes.max(other.peak_memory_bytes);
        self.host_calls = self.host_calls.saturating_add(other.host_calls);
        self.request_bytes = self.request_bytes.saturating_add(other.request_bytes);
        self.response_bytes = self.response_bytes.saturating_add(other.response_bytes);
    }

    /// Executions that ended so.
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize].into()
    }

    /// Executions that the extension is to blame for.
    pub fn failed(&self) -> u64 {
        Outcome::ALL.iter().filter(|o| o.is_failure()).map(|o| self.of(*o)).sum()
    }

    /// Executions that answered.
    pub fn answered(&self) -> u64 {
        Outcome::ALL.iter().filter(|o| o.is_success()).map(|o| self.of(*o)).sum()
    }

    /// Executions that ran.
    pub fn ran(&self) -> u64 {
        self.durations.iter().map(|count| u64::from(*count)).sum()
    }

    /// Whether nothing was called.
    pub fn is_empty(&self) -> bool {
        self.held_back == 0 && self.outcomes.iter().all(|count| *count == 0)
    }

    /// Microseconds of processor time of an execution, on average.
    pub fn mean_cpu_us(&self) -> u64 {
        self.cpu_us.checked_div(self.ran()).unwrap_or(0)
    }

    /// Microseconds that 95 of 100 executions did not exceed, as far as the steps tell: up
    /// to twice too much.
    pub fn p95_us(&self) -> u64 {
        let wanted = (self.ran() * 95).div_ceil(100);
        let mut seen = 0;
        for (step, count) in self.durations.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= wanted && seen > 0 {
                let is_last = step + 1 == STEPS;
                let upper = if is_last { u64::MAX } else { SHORTEST_US << step };
                return upper.min(self.longest_us);
            }
        }
        0
    }

    /// Microseconds of the longest execution.
    pub fn longest_us(&self) -> u64 {
        self.longest_us
    }
}

impl Ring {
    pub(super) fn new(count: usize, slot_s: usize) -> Self {
        Self { slot_s, slots: vec![Slot::default(); count].into_boxed_slice() }
    }

    /// The tally of the slot that `now` is in.
    pub(super) fn at(&mut self, now: Timestamp) -> &mut Tally {
        let stamp = self.stamp(now);
        let slot = &mut self.slots[stamp % self.slots.len()];
        if slot.stamp != stamp {
            *slot = Slot { stamp, tally: Tally::default() };
        }
        &mut slot.tally
    }

    /// Every slot up to the one that `now` is in, oldest first, with its beginning.
    pub(super) fn read(&self, now: Timestamp) -> Vec<(Timestamp, Tally)> {
        let (newest, count) = (self.stamp(now), self.slots.len());
        let begin = |stamp: usize| {
            let second = i64::try_from(stamp * self.slot_s).unwrap_or(i64::MAX);
            Timestamp::from_second(second).unwrap_or(now)
        };
        let one = |stamp: usize| {
            let slot = self.slots[stamp % count];
            let tally = if slot.stamp == stamp { slot.tally } else { Tally::default() };
            (begin(stamp), tally)
        };
        ((newest + 1).saturating_sub(count)..=newest).map(one).collect()
    }

    /// Which slot since 1970 it is.
    fn stamp(&self, now: Timestamp) -> usize {
        usize::try_from(now.as_second()).unwrap_or(0) / self.slot_s
    }
}

/// A counter that stays at its end.
fn add(counter: &mut u32, more: u32) {
    *counter = counter.saturating_add(more);
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn step(us: u64) -> usize {
    let over = us.div_ceil(SHORTEST_US).max(1).next_power_of_two().trailing_zeros();
    (over as usize).min(STEPS - 1)
}

#[cfg(test)]
mod tests;
