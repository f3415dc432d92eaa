//! Revisions, ends and limits of values.

use std::sync::Arc;

use jiff::SignedDuration;

use super::*;
use crate::model::{InstallId, SystemClock, TenantId};
use crate::state::{Refused, State};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// An install and where its values are.
struct Bench {
    state: State,
    labels: Arc<InstallLabels>,
    limits: StateConfig,
}

fn labels() -> Arc<InstallLabels> {
    let (tenant, extension) = (TenantId::default_tenant(), "com.example.a".parse().unwrap());
    let version = semver::Version::new(1, 0, 0);
    Arc::new(InstallLabels::of(tenant, extension, InstallId::random(), &version))
}

impl Bench {
    fn new() -> Self {
        Self::with(StateConfig::default())
    }

    fn with(limits: StateConfig) -> Self {
        let state = State::in_memory(&limits, Arc::new(SystemClock)).unwrap();
        Self { state, labels: labels(), limits }
    }

    fn place(&self, namespace: &str, key: &str) -> Place {
        Place::new(namespace.to_owned(), key.to_owned(), &self.limits).unwrap()
    }

    /// A value to put at `n`, `key`.
    fn value(&self, key: &str, value: &[u8]) -> Put {
        Put::new(self.place("n", key), value.to_vec(), &self.limits).unwrap()
    }

    fn put_at(&self, value: Put, now: Timestamp) -> Putting {
        let (labels, limits) = (self.labels.clone(), self.limits.clone());
        self.state.write_blocking(move |txn| put(txn, &labels, &value, &limits, now)).unwrap()
    }

    fn put(&self, value: Put) -> Putting {
        self.put_at(value, NOW)
    }

    /// Puts a value that ends so many seconds after [`NOW`], over whatever is there.
    fn put_ending(&self, key: &str, value: &[u8], seconds: i64) -> Importing {
        let value = self.ending(key, value, seconds).unwrap();
        let (labels, limits) = (self.labels.clone(), self.limits.clone());
        let put = move |txn: &_| import(txn, &labels, &value, true, &limits, NOW);
        self.state.write_blocking(put).unwrap()
    }

    fn ending(&self, key: &str, value: &[u8], seconds: i64) -> Result<Import, Refused> {
        let end = NOW + SignedDuration::from_secs(seconds);
        let facts = Facts { expires_at: Some(end), ..Facts::default() };
        Import::new(self.place("n", key), value.to_vec(), facts, &self.limits, NOW)
    }

    fn get_at(&self, key: &str, now: Timestamp) -> Option<Entry> {
        let (owner, place) = (Owner::of(&self.labels), self.place("n", key));
        self.state.read_blocking(|txn| get(txn, &owner, &place, now)).unwrap()
    }

    fn delete(&self, key: &str) -> bool {
        let (owner, place) = (Owner::of(&self.labels), self.place("n", key));
        self.state.write_blocking(move |txn| delete(txn, &owner, &place, NOW)).unwrap()
    }

    fn usage(&self) -> (u64, u64, u64) {
        let owner = Owner::of(&self.labels);
        let usage = self.state.read_blocking(|txn| usage(txn, &owner)).unwrap();
        (usage.namespaces, usage.keys, usage.bytes)
    }
}

#[test]
fn revisions_count_from_one_and_begin_anew_after_a_delete() {
    let bench = Bench::new();

    let first = [1, 2, 3].map(|_| bench.put(bench.value("k", b"v")));
    assert!(bench.delete("k") && !bench.delete("k"));
    let second = bench.put(bench.value("k", b"v"));

    assert_eq!(first, [1, 2, 3].map(Putting::Done));
    assert_eq!(second, Putting::Done(1));
}

#[test]
fn a_put_with_a_revision_wins_only_where_that_revision_is() {
    let bench = Bench::new();
    let put_if = |revision| bench.put(bench.value("k", b"v").if_revision(Some(revision)));

    assert_eq!([put_if(0), put_if(1)], [Putting::Conflict; 2], "nothing is there");
    bench.put(bench.value("k", b"v"));
    assert_eq!([put_if(0), put_if(2), put_if(1)][..2], [Putting::Conflict; 2]);
    assert_eq!(bench.get_at("k", NOW).unwrap().revision, 2);
}

#[test]
fn a_value_whose_time_is_over_is_as_absent() {
    let bench = Bench::new();
    let minute = SignedDuration::from_secs(60);
    let (before, end) = (NOW + minute - SignedDuration::from_millis(1), NOW + minute);
    bench.put_ending("k", b"v", 60);

    assert!(bench.get_at("k", before).is_some());
    assert!(bench.get_at("k", end).is_none());
    let conflict = bench.put_at(bench.value("k", b"v").if_revision(Some(1)), end);
    assert_eq!(conflict, Putting::Conflict);
    assert_eq!(bench.put_at(bench.value("k", b"w"), end), Putting::Done(1));
    assert_eq!(bench.get_at("k", end + minute + minute).unwrap().expires_at, None);
}

#[test]
fn a_value_that_ends_lives_for_at_most_30_days() {
    let bench = Bench::new();
    let living = |seconds| bench.ending("k", b"v", seconds).map(|_| ());

    assert_eq!([living(1), living(2_592_000)], [Ok(()); 2]);
    assert_eq!(living(2_592_001), Err(Refused::Ttl));
}

#[test]
fn what_is_over_is_swept_and_what_replaced_it_is_not() {
    let bench = Bench::new();
    let minute = SignedDuration::from_secs(60);
    for key in ["a", "b", "c", "d"] {
        bench.put_ending(key, b"v", 60);
    }
    assert_eq!(bench.put_ending("c", b"longer", 120), Importing::Replaced);
    bench.put(bench.value("d", b"stays"));
    let sweep = |at, most| bench.state.write_blocking(move |txn| sweep(txn, at, most)).unwrap();

    assert_eq!(sweep(NOW + minute - SignedDuration::from_millis(1), 10), 0);
    assert_eq!(
        [sweep(NOW + minute, 1), sweep(NOW + minute, 10), sweep(NOW + minute, 10)],
        [1, 1, 0]
    );
    assert_eq!(bench.usage(), (1, 2, 4 + 6 + 5));
    assert_eq!(sweep(NOW + minute + minute, 10), 1);
    assert_eq!(bench.usage(), (1, 1, 2 + 5));
}

#[test]
fn an_install_has_what_it_may_and_no_more() {
    let limits =
        StateConfig { max_keys: 3, max_namespaces: 2, max_bytes: 40, ..StateConfig::default() };
    let bench = Bench::with(limits);
    let put = |namespace: &str, key: &str, bytes| {
        let place = bench.place(namespace, key);
        bench.put(Put::new(place, vec![0; bytes], &bench.limits).unwrap())
    };

    assert_eq!(put("a", "1", 8), Putting::Done(1));
    assert_eq!(put("b", "1", 8), Putting::Done(1));
    assert_eq!(put("c", "1", 1), Putting::Full, "a third namespace");
    assert_eq!(put("b", "2", 8), Putting::Done(1));
    assert_eq!(put("b", "3", 1), Putting::Full, "a fourth key");
    assert_eq!(put("b", "2", 19), Putting::Full, "a 41st byte");
    assert_eq!(put("b", "2", 18), Putting::Done(2));
    assert_eq!(bench.usage(), (2, 3, 40));
}

#[test]
fn less_than_before_fits_also_under_a_limit_that_was_lowered() {
    let mut bench = Bench::new();
    bench.put(bench.value("k", &[0; 100]));
    bench.limits.max_bytes = 10;

    assert_eq!(bench.put(bench.value("k", &[0; 101])), Putting::Full);
    assert_eq!(bench.put(bench.value("k", &[0; 99])), Putting::Done(2));
    assert!(bench.delete("k"));
    assert_eq!(bench.usage(), (0, 0, 0));
}

#[test]
fn an_install_that_is_gone_gets_nothing_more() {
    let bench = Bench::new();
    bench.put(bench.value("k", b"v"));
    let gone = kept::Kept::of(&bench.labels);
    bench.state.write_blocking(move |txn| kept::close(txn, &gone, NOW)).unwrap();

    assert_eq!(bench.put(bench.value("k", b"w")), Putting::Gone);
    assert_eq!(bench.get_at("k", NOW).unwrap().value, b"v");
}

#[test]
fn a_page_ends_with_its_entries_or_its_bytes_and_the_next_begins_after_it() {
    let bench = Bench::new();
    let keys = ["", "\0", "/", "0", "0/", "a", "aa", "b"].map(|end| format!("k{end}"));
    for key in keys.iter().rev() {
        bench.put(bench.value(key, &[0; 10]));
    }
    let owner = Owner::of(&bench.labels);
    let page = |after: Option<&str>, entries, bytes| -> Vec<String> {
        let page = Page { entries, bytes };
        let found = |txn: &_| list(txn, &owner, "n", after, page, NOW);
        bench.state.read_blocking(found).unwrap().into_iter().map(|row| row.key).collect()
    };

    assert_eq!(page(None, 100, 1000), keys);
    assert_eq!(page(None, 3, 1000), keys[..3]);
    assert_eq!(page(Some(&keys[2]), 100, 1000), keys[3..]);
    assert_eq!(page(Some("k00"), 100, 1000), keys[5..], "a key that is not there");
    assert_eq!(page(None, 100, 26), keys[..2], "12 and 13 bytes");
    assert_eq!(page(None, 100, 1), keys[..1], "one at least");
    assert!(page(Some("z"), 100, 1000).is_empty());
}

#[test]
fn a_purge_takes_all_of_one_install_in_steps() {
    let bench = Bench::new();
    let neighbor = Bench { labels: labels(), state: bench.state.clone(), ..Bench::new() };
    for number in 0..10 {
        for bench in [&bench, &neighbor] {
            bench.put(bench.value(&number.to_string(), b"v"));
        }
    }
    let owner = Owner::of(&bench.labels);
    let last = bench.state.read_blocking(|txn| last(txn, &owner)).unwrap().unwrap();
    let purge = |after: After| {
        let last = last.clone();
        let step = move |txn: &_| purge(txn, &owner, (&after, &last), 8);
        bench.state.write_blocking(step).unwrap()
    };

    let first = purge(After::default());
    let second = purge(first.next.unwrap());

    assert_eq!([first.usage.keys, second.usage.keys], [8, 2]);
    assert_eq!(second.next, None);
    assert_eq!(bench.usage(), (0, 0, 0));
    assert_eq!(neighbor.usage(), (1, 10, 30));
}

#[test]
fn a_purge_ends_while_a_guest_puts_before_and_after_its_place() {
    let bench = Bench::new();
    for number in 0..10 {
        bench.put(bench.value(&format!("k{number}"), b"v"));
    }
    let owner = Owner::of(&bench.labels);
    let last = bench.state.read_blocking(|txn| last(txn, &owner)).unwrap().unwrap();

    let (mut next, mut steps, mut keys) = (Some(After::default()), 0, 0);
    while let Some(after) = next {
        let last = last.clone();
        let step = move |txn: &_| purge(txn, &owner, (&after, &last), 2);
        let step = bench.state.write_blocking(step).unwrap();
        (steps, keys, next) = (steps + 1, keys + step.usage.keys, step.next);
        assert!(steps <= 5, "it does not end");
        bench.put(bench.value("a", b"v"));
        bench.put(bench.value(&format!("z{steps}"), b"v"));
    }

    assert_eq!((steps, keys), (5, 10));
    assert_eq!(bench.usage().1, 1 + 5);
}

#[test]
fn keys_are_listed_and_values_measured_without_what_they_hold() {
    let bench = Bench::new();
    for key in ["a", "b", "c"] {
        bench.put(bench.value(key, &[7; 100]));
    }
    bench.put_ending("b1", b"v", 60);
    let (owner, over) = (Owner::of(&bench.labels), NOW + SignedDuration::from_secs(60));
    let page = |after, entries, bytes, now| {
        let page = Page { entries, bytes };
        let list = |txn: &_| list_keys(txn, &owner, "n", after, page, now);
        let found = bench.state.read_blocking(list).unwrap();
        (found.keys.join(""), found.more, found.bytes)
    };
    let length = |key, now| {
        let place = bench.place("n", key);
        bench.state.read_blocking(|txn| length(txn, &owner, &place, now)).unwrap()
    };

    assert_eq!(page(None, 10, 1_000, NOW), ("abb1c".into(), false, 3 * 102 + 4));
    assert_eq!(page(None, 10, 1_000, over), ("abc".into(), false, 3 * 102 + 4));
    assert_eq!(page(None, 2, 1_000, NOW), ("ab".into(), true, 204));
    assert_eq!(page(Some("a"), 10, 102, NOW), ("b".into(), true, 102));
    assert_eq!(page(None, 10, 1, NOW), ("a".into(), true, 102), "one at least");
    assert_eq!(page(Some("c"), 10, 1_000, NOW), (String::new(), false, 0));
    assert_eq!([length("a", NOW), length("b1", NOW)], [Some(100), Some(1)]);
    assert_eq!([length("b1", over), length("d", NOW)], [None, None]);
}
