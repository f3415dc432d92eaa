//! What many writers of the same values were told has an order that explains it.
//!
//! `PLUGBOARD_TEST_ROUNDS=100` makes some 150,000 operations.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::*;
use crate::histories::checker::{Event, Step, check};
use crate::support::random::Random;
use crate::support::{note, rounds};

const CLIENTS: u64 = 6;
const KEYS: [&str; 3] = ["a", "b", "a/b"];
const EACH: usize = 40;

/// A revision, and the value that it was put with.
type Held = Option<(u64, u64)>;

/// What a client learned of one value.
#[derive(Clone, Copy, Debug)]
enum Learned {
    Got(Held),
    /// Whatever was there: the revision it got, and the value.
    Put(u64, u64),
    /// The revision that was expected, the one it got, and the value.
    Won(u64, u64, u64),
    /// The revision that was expected and is not there.
    Lost(u64),
    /// Whether something was there.
    Deleted(bool),
}

impl Step for Learned {
    type State = Held;

    fn after(&self, held: &Held) -> Option<Held> {
        let next = held.map_or(1, |(revision, _)| revision + 1);
        let there = held.map(|(revision, _)| revision);
        match *self {
            Self::Got(found) => (found == *held).then_some(*held),
            Self::Put(revision, value) => (revision == next).then_some(Some((revision, value))),
            Self::Won(expected, revision, value) => {
                (there == Some(expected) && revision == next).then_some(Some((revision, value)))
            }
            Self::Lost(expected) => (there != Some(expected)).then_some(*held),
            Self::Deleted(was_there) => (was_there == held.is_some()).then_some(None),
        }
    }
}

fn number_in(value: &[u8]) -> u64 {
    u64::from_le_bytes(value.try_into().unwrap())
}

struct Client<'a> {
    state: &'a State,
    owner: Arc<InstallLabels>,
    /// Moments, in the order in which they were asked for.
    clock: &'a AtomicU64,
    random: Random,
    /// The revision that it saw last of each value.
    seen: [u64; KEYS.len()],
}

impl Client<'_> {
    fn step(&mut self) -> (usize, Event<Learned>) {
        let which = usize::try_from(self.random.below(KEYS.len() as u64)).unwrap();
        let begin = self.clock.fetch_add(1, Ordering::SeqCst);
        let step = match self.random.below(8) {
            0 | 1 => self.get(which),
            2 => self.put(which, begin, None),
            3 => self.delete(which),
            // Of what it saw some time ago, or just now; others have overtaken it or not.
            4 => self.put(which, begin, Some(self.seen[which])),
            _ => {
                self.get(which);
                self.put(which, begin, Some(self.seen[which]))
            }
        };
        let end = self.clock.fetch_add(1, Ordering::SeqCst);
        (which, Event { begin, end, step })
    }

    fn get(&mut self, which: usize) -> Learned {
        let (owner, place) = (Owner::of(&self.owner), place("n", KEYS[which]));
        let found = self.state.read_blocking(|txn| values::get(txn, &owner, &place, NOW)).unwrap();
        let found = found.map(|entry| (entry.revision, number_in(&entry.value)));
        self.seen[which] = found.map_or(1, |(revision, _)| revision);
        Learned::Got(found)
    }

    /// The value says which put it was.
    fn put(&mut self, which: usize, value: u64, expected: Option<u64>) -> Learned {
        let (owner, limits) = (Arc::clone(&self.owner), self.state.limits().clone());
        let put = Put::new(place("n", KEYS[which]), value.to_le_bytes().into(), &limits).unwrap();
        let put = put.if_revision(expected);
        let done =
            self.state.write_blocking(move |txn| values::put(txn, &owner, &put, &limits, NOW));
        match (done.unwrap(), expected) {
            (Putting::Done(revision), expected) => {
                self.seen[which] = revision;
                match expected {
                    Some(expected) => Learned::Won(expected, revision, value),
                    None => Learned::Put(revision, value),
                }
            }
            (Putting::Conflict, Some(expected)) => Learned::Lost(expected),
            other => panic!("{other:?}"),
        }
    }

    fn delete(&self, which: usize) -> Learned {
        let (owner, place) = (Owner::of(&self.owner), place("n", KEYS[which]));
        let deleted =
            self.state.write_blocking(move |txn| values::delete(txn, &owner, &place, NOW));
        Learned::Deleted(deleted.unwrap())
    }
}

#[test]
fn what_writers_of_the_same_values_are_told_has_an_order() {
    let (mut told, mut won, mut lost) = (0, 0, 0);
    for round in 0..6 * u64::from(rounds()) {
        let state = in_memory(&StateConfig::default());
        let owner = labels("default", InstallId::random());
        let (clock, histories) = (AtomicU64::new(1), Mutex::new(KEYS.map(|_| Vec::new())));
        thread::scope(|scope| {
            for number in 0..CLIENTS {
                let mut client = Client {
                    state: &state,
                    owner: Arc::clone(&owner),
                    clock: &clock,
                    random: Random::new(round * CLIENTS + number + 1),
                    seen: [1; KEYS.len()],
                };
                let histories = &histories;
                scope.spawn(move || {
                    for _ in 0..EACH {
                        let (which, event) = client.step();
                        histories.lock().unwrap()[which].push(event);
                    }
                });
            }
        });

        told += CLIENTS * EACH as u64;
        for (key, history) in KEYS.iter().zip(histories.into_inner().unwrap()) {
            for event in &history {
                won += u64::from(matches!(event.step, Learned::Won(..)));
                lost += u64::from(matches!(event.step, Learned::Lost(_)));
            }
            check(history).unwrap_or_else(|why| panic!("round {round}, {key}: {why}"));
        }
    }
    assert!(won > told / 20 && lost > told / 20, "the run must do some work: {won}, {lost}");
    note(&format!(
        "{told} operations of {CLIENTS} clients, of which {won} won a revision and {lost} lost one: \
         explained by an order"
    ));
}

#[test]
fn a_history_in_which_two_win_the_same_revision_has_no_order() {
    let event = |begin, end, step| Event { begin, end, step };
    let two_win = vec![
        event(1, 2, Learned::Put(1, 7)),
        event(3, 6, Learned::Won(1, 2, 8)),
        event(4, 5, Learned::Won(1, 2, 9)),
    ];

    assert!(check(two_win).is_err());
}
