//! The state beside a map that does the same: no choice of ids, namespaces and keys
//! reaches what another owner has.
//!
//! `PLUGBOARD_TEST_ROUNDS=100` makes a million operations.

use jiff::SignedDuration;
use plugboard::state::WriteTxn;
use plugboard::state::values::{Facts, Import, Importing};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};

use super::*;
use crate::support::{note, rounds};

/// Tenants and installs of which one is the beginning, or the successor, of another.
const OWNERS: [(&str, &str); 6] = [
    ("a", "00000000-0000-0000-0000-000000000000"),
    ("a", "00000000-0000-0000-0000-000000000001"),
    ("ab", "00000000-0000-0000-0000-000000000000"),
    ("a-", "00000000-0000-0000-0000-0000000000ff"),
    ("a-b", "00000000-0000-0000-0000-000000000100"),
    ("b", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
];
const TEXTS: [&str; 12] =
    ["a", "a\0", "a\0a", "a/", "a/a", "a:", "a:a", "..", "../a", "/", "ab", "\u{10ffff}"];
/// Operations of one case.
const EACH: usize = 200;
/// What one owner may have: little, so that it is reached.
const LIMITS: (u64, u64, u64) = (5, 24, 160);

#[derive(Clone, Debug)]
enum Action {
    /// The size, and whether the revision that is there is expected.
    Put(usize, Option<bool>),
    /// The size, and seconds to live.
    Import(usize, i64),
    Get,
    Delete,
    /// After this key, at most so many.
    List(Option<&'static str>, usize),
    Purge,
    Sweep,
    /// Seconds go by.
    Wait(i64),
}

type Operation = (usize, &'static str, &'static str, Action);

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let text = || select(&TEXTS[..]);
    let action = prop_oneof![
        8 => (0..24_usize, prop::option::weighted(0.3, any::<bool>()))
            .prop_map(|(a, b)| Action::Put(a, b)),
        2 => (0..24_usize, 60..200_i64).prop_map(|(a, b)| Action::Import(a, b)),
        4 => Just(Action::Get),
        2 => Just(Action::Delete),
        3 => (prop::option::of(text()), 1..20_usize).prop_map(|(a, b)| Action::List(a, b)),
        1 => (1..90_i64).prop_map(Action::Wait),
        1 => prop_oneof![3 => Just(Action::Sweep), 1 => Just(Action::Purge)],
    ];
    prop::collection::vec((0..OWNERS.len(), text(), text(), action), EACH)
}

struct Known {
    value: Vec<u8>,
    revision: u64,
    end: Option<Timestamp>,
}

/// What should be there: by the number of the owner, namespace and key.
struct Model {
    rows: BTreeMap<(usize, String, String), Known>,
    now: Timestamp,
}

impl Model {
    fn live(&self, at: &(usize, String, String)) -> Option<&Known> {
        self.rows.get(at).filter(|known| known.end.is_none_or(|end| end > self.now))
    }

    fn usage(&self, owner: usize) -> Usage {
        let mut usage = Usage::default();
        let mut last = None;
        for ((_, namespace, key), known) in self.rows.iter().filter(|(at, _)| at.0 == owner) {
            usage.namespaces += u64::from(last != Some(namespace));
            usage.keys += 1;
            usage.bytes += (namespace.len() + key.len() + known.value.len()) as u64;
            last = Some(namespace);
        }
        usage
    }

    /// What a put comes to; if it is done, it is in the model.
    fn put(&mut self, at: (usize, String, String), known: Known, expected: Option<u64>) -> Putting {
        let revision = self.live(&at).map(|known| known.revision);
        if expected.is_some() && expected != revision {
            return Putting::Conflict;
        }
        let (owner, before) = (at.0, self.usage(at.0));
        let revision = revision.unwrap_or(0) + 1;
        let old = self.rows.insert(at.clone(), Known { revision, ..known });
        let after = self.usage(owner);
        let fits = |before, after, limit| after <= limit || after <= before;
        if fits(before.namespaces, after.namespaces, LIMITS.0)
            && fits(before.keys, after.keys, LIMITS.1)
            && fits(before.bytes, after.bytes, LIMITS.2)
        {
            return Putting::Done(revision);
        }
        match old {
            Some(old) => self.rows.insert(at, old),
            None => self.rows.remove(&at),
        };
        Putting::Full
    }

    /// The same of an import that replaces.
    fn import(&mut self, at: (usize, String, String), known: Known) -> Importing {
        let there = self.live(&at);
        if there.is_some_and(|there| (&there.value, there.end) == (&known.value, known.end)) {
            return Importing::Unchanged;
        }
        let done = if there.is_some() { Importing::Replaced } else { Importing::Created };
        match self.put(at, known, None) {
            Putting::Done(_) => done,
            Putting::Full => Importing::Full,
            other @ (Putting::Conflict | Putting::Gone) => panic!("{other:?}"),
        }
    }
}

/// Does the operation to the state and to the model, and compares the answers.
fn apply(
    txn: &WriteTxn,
    model: &mut Model,
    limits: &StateConfig,
    (number, namespace, key, action): &Operation,
) -> TestCaseResult {
    let (tenant, install) = OWNERS[*number];
    let labels = labels(tenant, install.parse().unwrap());
    let (owner, place) = (Owner::of(&labels), place(namespace, key));
    let at = (*number, (*namespace).to_owned(), (*key).to_owned());
    match action {
        Action::Put(size, expected) => {
            let there = model.live(&at).map_or(0, |known| known.revision);
            let expected = expected.map(|right| if right { there } else { there + 1 });
            // Whose it is can be read off the value.
            let value = vec![u8::try_from(*number).unwrap(); *size];
            let put = Put::new(place, value.clone(), limits).unwrap().if_revision(expected);
            let known = Known { value, revision: 0, end: None };
            let done = values::put(txn, &labels, &put, limits, model.now).unwrap();
            prop_assert_eq!(done, model.put(at, known, expected));
        }
        Action::Import(size, seconds) => {
            let value = vec![u8::try_from(*number).unwrap(); *size];
            let end = Some(model.now + SignedDuration::from_secs(*seconds));
            let facts = Facts { expires_at: end, ..Facts::default() };
            let import = Import::new(place, value.clone(), facts, limits, model.now).unwrap();
            let known = Known { value, revision: 0, end };
            let done = values::import(txn, &labels, &import, true, limits, model.now).unwrap();
            prop_assert_eq!(done, model.import(at, known));
        }
        Action::Get => {
            let found = values::get(txn, &owner, &place, model.now).unwrap();
            let found = found.map(|entry| (entry.value, entry.revision));
            let known = model.live(&at).map(|known| (known.value.clone(), known.revision));
            prop_assert_eq!(found, known);
        }
        Action::Delete => {
            let was_there = model.live(&at).is_some();
            model.rows.remove(&at);
            let deleted = values::delete(txn, &owner, &place, model.now).unwrap();
            prop_assert_eq!(deleted, was_there);
        }
        Action::List(after, most) => {
            let page = Page { entries: *most, bytes: usize::MAX };
            let found = values::list(txn, &owner, namespace, *after, page, model.now).unwrap();
            let found: Vec<_> = found.into_iter().map(|it| (it.key, it.value)).collect();
            let in_reach = |at: &&(usize, String, String)| {
                (at.0, &*at.1) == (*number, namespace) && after.is_none_or(|after| *at.2 > *after)
            };
            let known = model
                .rows
                .keys()
                .filter(in_reach)
                .filter_map(|at| Some((at.2.clone(), model.live(at)?.value.clone())));
            prop_assert_eq!(found, known.take(*most).collect::<Vec<_>>());
        }
        Action::Purge => {
            let had = model.usage(*number);
            model.rows.retain(|at, _| at.0 != *number);
            let last = values::last(txn, &owner).unwrap().unwrap_or_default();
            let all = (&After::default(), &last);
            let purged = values::purge(txn, &owner, all, usize::MAX).unwrap().usage;
            prop_assert_eq!((purged.keys, purged.bytes), (had.keys, had.bytes));
        }
        Action::Sweep => {
            let now = model.now;
            let before = model.rows.len();
            model.rows.retain(|_, known| known.end.is_none_or(|end| end > now));
            let swept = values::sweep(txn, now, usize::MAX).unwrap();
            prop_assert_eq!(swept, before - model.rows.len());
        }
        Action::Wait(seconds) => model.now += SignedDuration::from_secs(*seconds),
    }
    Ok(())
}

/// Each owner has what the model has of it, and that is what is counted.
fn compare(txn: &WriteTxn, model: &Model) -> TestCaseResult {
    for (number, (tenant, install)) in OWNERS.iter().enumerate() {
        let owner = Owner::of(&labels(tenant, install.parse().unwrap()));
        let entries = values::list_all(txn, &owner, &After::default(), WHOLE).unwrap();
        let usage = values::usage(txn, &owner).unwrap();
        prop_assert_eq!(usage, recount(&entries));
        prop_assert_eq!(usage, model.usage(number));
        let mine = |entry: &Entry| entry.value.iter().all(|byte| usize::from(*byte) == number);
        prop_assert!(entries.iter().all(mine), "{entries:?}");
    }
    Ok(())
}

#[test]
fn no_choice_of_names_reaches_what_another_has() {
    let (max_namespaces, max_keys, max_bytes) = LIMITS;
    let limits = StateConfig { max_namespaces, max_keys, max_bytes, ..StateConfig::default() };
    let cases = 50 * rounds();
    let config = Config { cases, failure_persistence: None, ..Config::default() };

    let run = TestRunner::new(config).run(&operations(), |operations| {
        let state = in_memory(&limits);
        let limits = limits.clone();
        // One transaction for all: what a group of writes is to each of them.
        let compared = state.write_blocking(move |txn| {
            let mut model = Model { rows: BTreeMap::new(), now: NOW };
            let applied = operations.iter().try_for_each(|it| apply(txn, &mut model, &limits, it));
            Ok(applied.and_then(|()| compare(txn, &model)))
        });
        compared.unwrap()
    });

    run.unwrap();
    note(&format!(
        "{} operations of {} owners, each as in the model",
        u64::from(cases) * EACH as u64,
        OWNERS.len()
    ));
}
