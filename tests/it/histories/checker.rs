//! A linearizability checker for the history of one key.
//!
//! The search of Wing and Gong with the memory of Lowe: take an event that may
//! be next, go on from the state after it, and never look twice at the same
//! set of taken events with the same state. Keys are checked one by one, which
//! is sound, as linearizability is local, and keeps each search small.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;

/// What a client learned from an answer: what the key went through at one moment.
pub(crate) trait Step: Debug {
    type State: Clone + Debug + Default + Eq + Hash;

    /// The state after this step; none where the step cannot be.
    fn after(&self, state: &Self::State) -> Option<Self::State>;
}

/// A step, and between which two moments it was.
#[derive(Debug)]
pub(crate) struct Event<S> {
    pub(crate) begin: u64,
    pub(crate) end: u64,
    pub(crate) step: S,
}

/// How far a search is: the events before `next` and those in `ahead` are taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Point<T> {
    next: usize,
    ahead: Vec<usize>,
    state: T,
}

/// Finds an order that explains `events`, or says where every order fails.
pub(crate) fn check<S: Step>(mut events: Vec<Event<S>>) -> Result<(), String> {
    events.sort_by_key(|event| event.begin);
    let start = Point { next: 0, ahead: Vec::new(), state: S::State::default() };
    let mut furthest = start.clone();
    let mut seen = HashSet::from([start.clone()]);
    let mut open = vec![start];
    while let Some(point) = open.pop() {
        if point.next == events.len() {
            return Ok(());
        }
        if point.next + point.ahead.len() > furthest.next + furthest.ahead.len() {
            furthest = point.clone();
        }
        for index in candidates(&events, &point) {
            if let Some(state) = events[index].step.after(&point.state) {
                let reached = point.take(index, state);
                if seen.insert(reached.clone()) {
                    open.push(reached);
                }
            }
        }
    }
    let line = |index: usize| {
        let Event { begin, end, step } = &events[index];
        format!("\n  {begin}..{end} {step:?}")
    };
    let earliest = furthest.next.saturating_sub(12);
    let before: String =
        (earliest..furthest.next).chain(furthest.ahead.clone()).map(line).collect();
    let stuck: String = candidates(&events, &furthest).into_iter().map(line).collect();
    let state = furthest.state;
    Err(format!("no order explains it: after{before}\nin {state:?} none can be next of{stuck}"))
}

/// The events that are not taken and began before all others of them ended.
fn candidates<S: Step>(events: &[Event<S>], point: &Point<S::State>) -> Vec<usize> {
    let mut found = Vec::new();
    let mut first_end = u64::MAX;
    for (index, event) in events.iter().enumerate().skip(point.next) {
        if point.ahead.contains(&index) {
            continue;
        }
        if event.begin > first_end {
            break;
        }
        first_end = first_end.min(event.end);
        found.push(index);
    }
    found
}

impl<T> Point<T> {
    fn take(&self, index: usize, state: T) -> Self {
        let mut ahead = self.ahead.clone();
        let place = ahead.binary_search(&index).unwrap_or_else(|place| place);
        ahead.insert(place, index);
        let mut next = self.next;
        while ahead.first() == Some(&next) {
            ahead.remove(0);
            next += 1;
        }
        Self { next, ahead, state }
    }
}

/// A register that is written once, as a version is.
#[derive(Clone, Copy, Debug)]
enum Once {
    Wins(u8),
    Loses,
    Reads(Option<u8>),
}

impl Step for Once {
    type State = Option<u8>;

    fn after(&self, state: &Option<u8>) -> Option<Option<u8>> {
        match *self {
            Self::Wins(value) => state.is_none().then_some(Some(value)),
            Self::Loses => state.is_some().then_some(*state),
            Self::Reads(value) => (value == *state).then_some(*state),
        }
    }
}

fn accepts(history: &[(u64, u64, Once)]) -> bool {
    let event = |&(begin, end, step)| Event { begin, end, step };
    check(history.iter().map(event).collect()).is_ok()
}

#[test]
fn a_history_with_an_order_is_accepted() {
    assert!(accepts(&[]));
    assert!(accepts(&[(1, 2, Once::Reads(None)), (3, 4, Once::Wins(1)), (5, 6, Once::Loses)]));
    // At the same time: the reads say in which order.
    let both = [(1, 9, Once::Loses), (2, 8, Once::Wins(1)), (3, 4, Once::Reads(None))];
    assert!(accepts(&both));
    // Begun last and taken effect first.
    assert!(accepts(&[(1, 9, Once::Reads(Some(1))), (2, 8, Once::Loses), (3, 7, Once::Wins(1))]));
}

#[test]
fn a_lost_write_is_refused() {
    assert!(!accepts(&[(1, 2, Once::Wins(1)), (3, 4, Once::Reads(None))]));
    assert!(!accepts(&[(1, 2, Once::Wins(1)), (3, 4, Once::Reads(Some(2)))]));
}

#[test]
fn a_stale_read_is_refused() {
    let stale = [
        (1, 10, Once::Wins(1)),
        (2, 3, Once::Reads(None)),
        (4, 5, Once::Reads(Some(1))),
        (6, 7, Once::Reads(None)),
    ];
    assert!(!accepts(&stale));
    assert!(accepts(&stale[..3]));
}

#[test]
fn two_winners_are_refused_also_when_they_were_at_the_same_time() {
    assert!(!accepts(&[(1, 4, Once::Wins(1)), (2, 3, Once::Wins(2))]));
    assert!(!accepts(&[(1, 4, Once::Wins(1)), (2, 3, Once::Wins(1))]));
}

#[test]
fn an_answer_from_the_future_is_refused() {
    assert!(!accepts(&[(1, 2, Once::Reads(Some(1))), (3, 4, Once::Wins(1))]));
    assert!(!accepts(&[(1, 2, Once::Loses), (3, 4, Once::Wins(1))]));
}
