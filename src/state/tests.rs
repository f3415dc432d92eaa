//! Groups of writes: each has its own answer, and none disturbs another.

use std::io;
use std::sync::{Condvar, Mutex, mpsc};

use redb::{ReadableTable, TableDefinition};

use super::*;
use crate::model::SystemClock;
use crate::redb_file::FileError;

/// Made by the first write that opens it.
const NOTES: TableDefinition<u64, u64> = TableDefinition::new("notes");

/// A disk in memory whose syncs can be held up.
#[derive(Debug, Default)]
struct Stalling {
    stalls: Mutex<Stalls>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Stalls {
    is_stalled: bool,
    /// Syncs that are held up.
    waiting: usize,
    /// Syncs that were asked for.
    asked: usize,
}

#[derive(Debug)]
struct StallingFile(InMemoryBackend, Arc<Stalling>);

impl Stalling {
    fn connect(self: Arc<Self>) -> StallingFile {
        StallingFile(InMemoryBackend::new(), self)
    }

    fn stall(&self) {
        self.stalls.lock().unwrap().is_stalled = true;
    }

    fn go_on(&self) {
        self.stalls.lock().unwrap().is_stalled = false;
        self.changed.notify_all();
    }

    fn until_it_waits(&self) {
        let stalls = self.stalls.lock().unwrap();
        drop(self.changed.wait_while(stalls, |stalls| stalls.waiting == 0).unwrap());
    }

    fn pass(&self) {
        let mut stalls = self.stalls.lock().unwrap();
        stalls.waiting += 1;
        stalls.asked += 1;
        self.changed.notify_all();
        let mut stalls = self.changed.wait_while(stalls, |stalls| stalls.is_stalled).unwrap();
        stalls.waiting -= 1;
    }
}

impl StorageBackend for StallingFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.1.pass();
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}

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
    let wait = Mutex::new(wait);
    let held = state.queue(None, 0, move |_| {
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

    let queue = || {
        let queue = |number| state.queue(None, 0, note(number)).unwrap();
        (1..=40).map(queue).collect::<Vec<_>>()
    };
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
        state.queue(None, 0, move |txn| {
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
fn what_nobody_waits_for_any_more_is_not_written() {
    let state = state();

    let awaited = in_one_group(&state, || {
        let queue = |number| state.queue(None, 0, note(number)).unwrap();
        let (first, dropped, last) = (queue(1), queue(2), queue(3));
        drop(dropped);
        [first, last]
    });

    assert!(awaited.into_iter().all(|answer| answer.blocking_recv().unwrap().is_ok()));
    assert_eq!(notes(&state), [1, 3]);
}

#[test]
fn what_waits_while_the_disk_stalls_has_a_bound_and_is_given_up_with_its_waiter() {
    const MIB: usize = 1024 * 1024;
    let disk = Arc::new(Stalling::default());
    let connected = Arc::clone(&disk);
    let connect = move || Arc::clone(&connected).connect();
    let state = State::open_on(connect, &StateConfig::default(), Arc::new(SystemClock)).unwrap();
    let labels = |tenant: &str| {
        let (tenant, name) = (tenant.parse().unwrap(), "com.example.a".parse().unwrap());
        let version = semver::Version::new(1, 0, 0);
        Arc::new(InstallLabels::of(tenant, name, InstallId::random(), &version))
    };
    // A value of 1 MiB, as a guest's put has it.
    let put = |whose: &Arc<InstallLabels>, number| {
        let (value, put) = (vec![7_u8; MIB], note(number));
        state.queue(Some(Arc::clone(whose)), MIB, move |txn| put(txn).map(|_| value.len()))
    };
    let (ours, theirs) = (labels("a"), labels("b"));

    disk.stall();
    let first = put(&ours, 0).unwrap();
    disk.until_it_waits();
    let queued = (1..=1_000).filter(|number| put(&ours, *number).map(drop).is_ok()).count();
    let of_others = put(&theirs, 2_000).unwrap();
    let waiting = state.0.queue.bytes();
    let refused = put(&ours, 3_000).map(drop);
    disk.go_on();

    assert!(queued <= 15, "{queued} MiB wait");
    assert!(waiting <= 17 * (MIB + 1024), "{waiting} bytes wait");
    assert!(matches!(refused, Err(StateError::Busy)), "{refused:?}");
    first.blocking_recv().unwrap().unwrap();
    of_others.blocking_recv().unwrap().unwrap();
    assert_eq!(notes(&state), [0, 2_000]);
    assert_eq!(state.0.queue.bytes(), 0);
    let again = put(&ours, 4_000).unwrap();
    again.blocking_recv().unwrap().unwrap();
}

#[tokio::test]
async fn a_sweep_that_finds_nothing_writes_nothing() {
    let disk = Arc::new(Stalling::default());
    let connected = Arc::clone(&disk);
    let connect = move || Arc::clone(&connected).connect();
    let state = State::open_on(connect, &StateConfig::default(), Arc::new(SystemClock)).unwrap();
    let before = disk.stalls.lock().unwrap().asked;

    let swept = values::sweep_all(&state, state.now(), 10).await.unwrap();

    assert_eq!(swept, 0);
    assert_eq!(disk.stalls.lock().unwrap().asked, before);
}

#[test]
fn what_is_queued_is_written_before_the_last_handle_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.redb");
    let open = || State::open(&file, &StateConfig::default(), Arc::new(SystemClock)).unwrap();
    let state = open();
    let _answers: Vec<_> =
        (1..=20).map(|number| state.queue(None, 0, note(number)).unwrap()).collect();

    drop(state);

    assert_eq!(notes(&open()).len(), 20);
}

#[test]
fn a_file_that_is_gone_when_it_is_opened_again_is_not_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.redb");
    let state = State::open(&file, &StateConfig::default(), Arc::new(SystemClock)).unwrap();
    std::fs::remove_file(&file).unwrap();
    let failed = FileError::storage("state", redb::Error::PreviousIo);
    state.0.storage.note_failure(&Err::<(), _>(StateError::from(failed)));

    let error = state.read_blocking(|_| Ok(())).unwrap_err();

    assert!(matches!(error, StateError::File(FileError::File { .. })), "{error}");
    assert!(!file.exists());
}

#[test]
fn a_write_may_own_the_last_handle() {
    let state = state();
    let owned = state.clone();
    let answer = state.queue(None, 0, move |_| {
        owned.now();
        Ok(())
    });

    drop(state);

    answer.unwrap().blocking_recv().unwrap().unwrap();
}
