//! What writers of all kinds were told until the power was cut, and whether it holds.
//!
//! A counter that is written only by compare-and-set, whose number is its revision; values
//! of many sizes; and a secret that is set anew over and over.

use std::collections::BTreeSet;
use std::thread;

use plugboard::model::BindingChange;
use plugboard::state::secrets::{Lookup, NewSecret, Secrets, WrappingKey};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::*;

/// Threads that go for the counter; each has at most one put in doubt.
const COUNTING: u64 = 3;
/// Threads that put values.
const PUTTING: u64 = 2;
const COUNTER: &str = "counter";
const SECRET: &str = "api_key";

/// What one writer was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Its compare-and-set won this revision.
    Won(u64),
    /// The value of this number is kept.
    Put(u64),
    /// The secret has this number as its value.
    Set(u64),
}

/// What is known to be there.
#[derive(Clone, Debug, Default)]
pub(super) struct Promises {
    /// The highest revision that was won, and all that were.
    won: BTreeSet<u64>,
    put: BTreeSet<u64>,
    set: u64,
}

impl Told {
    /// As a line, for a process that may be killed.
    pub(super) fn line(self) -> String {
        match self {
            Self::Won(number) => format!("w{number}\n"),
            Self::Put(number) => format!("p{number}\n"),
            Self::Set(number) => format!("s{number}\n"),
        }
    }

    /// Of a line; none where it was cut off.
    pub(super) fn of_line(line: &str) -> Option<Self> {
        let number = line.get(1..)?.parse().ok()?;
        match line.get(..1)? {
            "w" => Some(Self::Won(number)),
            "p" => Some(Self::Put(number)),
            "s" => Some(Self::Set(number)),
            _ => None,
        }
    }
}

impl Promises {
    pub(super) fn told(&mut self, told: Told) {
        match told {
            Told::Won(revision) => {
                assert!(self.won.insert(revision), "revision {revision} was won twice");
            }
            Told::Put(number) => _ = self.put.insert(number),
            Told::Set(number) => self.set = self.set.max(number),
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.won.len() + self.put.len() + usize::try_from(self.set).unwrap()
    }

    /// Compares what is there after a cut, and takes it as what is known from then on.
    pub(super) fn check(&mut self, state: &State, owner: &Arc<InstallLabels>, case: &str) {
        let (entries, usage) = look(state, owner);
        assert_eq!(usage, recount(&entries), "{case}");
        let counter = entries.iter().find(|entry| entry.namespace == COUNTER);
        let revision = counter.map_or(0, |entry| {
            assert_eq!(number_in(&entry.value), entry.revision, "{case}: of one commit");
            entry.revision
        });
        let won = self.won.last().copied().unwrap_or(0);
        assert!(revision >= won, "{case}: revision {won} was won and {revision} is there");
        assert!(revision <= won + COUNTING, "{case}: {revision} is there, and {won} was won");
        self.won = (1..=revision).collect();

        let put = entries.iter().filter(|entry| entry.namespace == "n");
        let put: BTreeSet<u64> = put.map(|entry| entry.key.parse().unwrap()).collect();
        let lost: Vec<_> = self.put.difference(&put).collect();
        assert!(lost.is_empty(), "{case}: acknowledged and lost: {lost:?}");
        let doubted = put.difference(&self.put).count() as u64;
        assert!(doubted <= PUTTING, "{case}: {doubted} values that nobody was promised");
        self.put = put;

        let set = secret(state, owner).unwrap_or(0);
        let known = self.set;
        assert!((known..=known + 1).contains(&set), "{case}: {known} was set, {set} is there");
        self.set = set;
    }
}

fn number_in(value: &[u8]) -> u64 {
    u64::from_le_bytes(value.try_into().unwrap())
}

fn secrets(state: &State) -> Secrets {
    Secrets::new(state.clone(), WrappingKey::new(Zeroizing::new([7; 32])))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

/// The number that the secret has as its value, opened with its key.
fn secret(state: &State, owner: &InstallLabels) -> Option<u64> {
    runtime().block_on(async {
        let name = SECRET.parse().unwrap();
        match secrets(state).of(Owner::of(owner)).get(name).await.unwrap() {
            Lookup::Found(value) => Some(value.expose_secret().parse().unwrap()),
            Lookup::Missing => None,
            Lookup::Expired | Lookup::Bound => unreachable!("it has no end and no hosts"),
        }
    })
}

/// Writes of all kinds, until the disk is off; `tell` hears of each that is acknowledged.
pub(super) fn work(state: &State, owner: &Arc<InstallLabels>, tell: &(impl Fn(Told) + Sync)) {
    thread::scope(|scope| {
        for _ in 0..COUNTING {
            scope.spawn(|| while count(state, owner, tell).is_ok() {});
        }
        for writer in 0..PUTTING {
            scope.spawn(move || {
                let Ok(last) = last_put(state, owner) else { return };
                let first = (last / PUTTING + 1) * PUTTING;
                for number in (first..).step_by(2).map(|even| even + writer) {
                    let value = vec![7; usize::try_from(number % 7).unwrap() * 900];
                    match put(state, owner, &number.to_string(), &value) {
                        Ok(done) => assert_eq!(done, Putting::Done(1)),
                        Err(_) => return,
                    }
                    tell(Told::Put(number));
                }
            });
        }
        scope.spawn(|| runtime().block_on(set_over_and_over(state, owner, tell)));
    });
}

/// The highest number of a value that is there.
fn last_put(state: &State, owner: &InstallLabels) -> Result<u64, StateError> {
    let owner = Owner::of(owner);
    let entries = state.read_blocking(|txn| values::list(txn, &owner, "n", None, WHOLE, NOW))?;
    Ok(entries.iter().map(|entry| entry.key.parse().unwrap()).max().unwrap_or(0))
}

/// One compare-and-set.
fn count(
    state: &State,
    owner: &Arc<InstallLabels>,
    tell: &(impl Fn(Told) + Sync),
) -> Result<(), StateError> {
    let (whose, counter) = (Owner::of(owner), place(COUNTER, "k"));
    let there = state.read_blocking(|txn| values::get(txn, &whose, &counter, NOW))?;
    let expected = there.map(|entry| entry.revision);
    let next = expected.unwrap_or(0) + 1;
    let limits = state.limits().clone();
    let new = Put::new(counter, next.to_le_bytes().into(), &limits).unwrap();
    let (new, owner) = (new.if_revision(expected), Arc::clone(owner));
    let done = state.write_blocking(move |txn| {
        // A put has no way to say "where nothing is": only the first needs it.
        let is_taken = values::get(txn, &whose, &new.place, NOW)?.is_some();
        if expected.is_none() && is_taken {
            return Ok(Putting::Conflict);
        }
        values::put(txn, &owner, &new, &limits, NOW)
    })?;
    match done {
        Putting::Done(revision) => {
            assert_eq!(revision, next);
            tell(Told::Won(revision));
        }
        Putting::Conflict => {}
        other => panic!("{other:?}"),
    }
    Ok(())
}

async fn set_over_and_over(state: &State, owner: &InstallLabels, tell: &(impl Fn(Told) + Sync)) {
    let (secrets, whose) = (secrets(state), Owner::of(owner));
    let there = secrets.of(whose).get(SECRET.parse().unwrap()).await;
    let first = match there {
        Ok(Lookup::Found(value)) => value.expose_secret().parse::<u64>().unwrap() + 1,
        Ok(_) => 1,
        Err(_) => return,
    };
    for number in first.. {
        let new = NewSecret {
            name: SECRET.parse().unwrap(),
            value: SecretString::from(number.to_string()),
            set_at: NOW,
            set_by: "operator ada".to_owned(),
            expires_at: None,
            binding: BindingChange::Keep,
        };
        if secrets.set(whose, new).await.is_err() {
            return;
        }
        tell(Told::Set(number));
    }
}
