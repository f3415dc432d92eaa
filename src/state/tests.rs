//! Groups of writes: each has its own answer, and none disturbs another.

use std::sync::mpsc;

use redb::{ReadableTable, TableDefinition};

use super::*;
use crate::model::SystemClock;

/// Made by the first write that opens it.
const NOTES: TableDefinition<u64, u64> = TableDefinition::new("notes");

fn state() -> State {
    State::in_memory(&StateConfig::default(), Arc::new(SystemClock)).unwrap()
}

fn note(number: u64) -> impl Fn(&WriteTxn) -> Result<u64, StateError> {
    move |txn| {
        txn.table(NOTES)?.insert(number, number)?;
        Ok(number)
    }
}

fn notes(state: &State) -> Vec<u64> {
    let numbers = state.read_blocking(|txn| {
        let rows = txn.rows(NOTES)?;
        rows.iter()?.map(|row| Ok(row?.0.value())).collect()
    });
    numbers.unwrap()
}

/// Holds the writer up, at a write of its own, until what `queue` queues is one group.
fn in_one_group<T>(state: &State, queue: impl FnOnce() -> T) -> T {
    let (begun, begins) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let held = state.queue(move |_| {
        begun.send(()).ok();
        // Ends when `go` is dropped.
        wait.lock().unwrap().recv().ok();
        Ok(())
    });
    begins.recv().unwrap();
    let queued = queue();
    drop(go);
    held.unwrap().blocking_recv().unwrap().unwrap();
    queued
}

#[test]
fn writes_that_wait_get_their_own_answers() {
    let state = state();

    let queue = || (1..=40).map(|number| state.queue(note(number)).unwrap()).collect::<Vec<_>>();
    let answers = in_one_group(&state, queue);

    let answers: Vec<_> =
        answers.into_iter().map(|it| it.blocking_recv().unwrap().unwrap()).collect();
    assert_eq!(answers, (1..=40).collect::<Vec<_>>());
    assert_eq!(notes(&state), answers);
}

#[test]
fn a_write_that_fails_or_panics_takes_nobody_with_it() {
    let state = state();
    let write = |number: u64| {
        state.queue(move |txn| {
            note(number)(txn)?;
            assert!(number != 3, "three");
            if number == 5 { Err(StateError::Stopped) } else { Ok(()) }
        })
    };

    let answers: Vec<_> = in_one_group(&state, || (1..=6).map(write).collect());

    let answers: Vec<_> =
        answers.into_iter().map(|it| it.unwrap().blocking_recv().unwrap()).collect();
    assert!(matches!(&answers[2], Err(StateError::Panicked(message)) if message == "three"));
    assert!(matches!(answers[4], Err(StateError::Stopped)));
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 4);
    assert_eq!(notes(&state), [1, 2, 4, 6]);
}

#[test]
fn what_is_queued_is_written_before_the_last_handle_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.redb");
    let open = || State::open(&file, &StateConfig::default(), Arc::new(SystemClock)).unwrap();
    let state = open();
    let _answers: Vec<_> = (1..=20).map(|number| state.queue(note(number)).unwrap()).collect();

    drop(state);

    assert_eq!(notes(&open()).len(), 20);
}

#[test]
fn a_write_may_own_the_last_handle() {
    let state = state();
    let owned = state.clone();
    let answer = state.queue(move |_| {
        owned.now();
        Ok(())
    });

    drop(state);

    answer.unwrap().blocking_recv().unwrap().unwrap();
}
