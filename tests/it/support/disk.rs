//! A disk in memory that forgets what was not synced when its power is cut.

use std::io;
use std::sync::{Arc, Mutex};

use redb::StorageBackend;

use crate::support::random::Random;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// A disk; databases reach it through [`Disk::connect`].
#[derive(Debug)]
pub(crate) struct Disk(Mutex<State>);

#[derive(Debug)]
struct State {
    /// What a cut cannot take away.
    durable: Vec<u8>,
    /// What reads see.
    current: Vec<u8>,
    /// What was asked for since the last sync, in order.
    unsynced: Vec<Change>,
    random: Random,
    /// What goes wrong, after this many more writes, syncs and changes of length.
    fault: Option<(Fault, u64)>,
    off: bool,
    /// Takes no more than what is there is long.
    full: bool,
}

#[derive(Debug)]
enum Change {
    Length(usize),
    Bytes(usize, Vec<u8>),
}

/// What goes wrong at a change to come.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Cut,
    FailOnce,
}

/// One opening of the disk.
#[derive(Debug)]
pub(crate) struct Connection(Arc<Disk>);

impl Disk {
    pub(crate) fn empty(seed: u64) -> Arc<Self> {
        Self::new(Vec::new(), Random::new(seed))
    }

    pub(crate) fn with(bytes: Vec<u8>) -> Arc<Self> {
        Self::new(bytes, Random::new(0))
    }

    fn new(bytes: Vec<u8>, random: Random) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            durable: bytes.clone(),
            current: bytes,
            unsynced: Vec::new(),
            random,
            fault: None,
            off: false,
            full: false,
        })))
    }

    pub(crate) fn connect(self: &Arc<Self>) -> Connection {
        Connection(Arc::clone(self))
    }

    /// Cuts the power at the change after the next `changes`.
    pub(crate) fn cut_after(&self, changes: u64) {
        self.0.lock().unwrap().fault = Some((Fault::Cut, changes));
    }

    /// Refuses one change after the next `changes`, and works again.
    pub(crate) fn fail_once_after(&self, changes: u64) {
        self.0.lock().unwrap().fault = Some((Fault::FailOnce, changes));
    }

    /// From now on it does not grow, as a disk without room.
    pub(crate) fn fill(&self) {
        self.0.lock().unwrap().full = true;
    }

    pub(crate) fn is_off(&self) -> bool {
        self.0.lock().unwrap().off
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().current.clone()
    }

    /// The disk as the next start finds it.
    pub(crate) fn after_the_cut(&self) -> Arc<Self> {
        let mut state = self.0.lock().unwrap();
        let bytes = state.survivors();
        let seed = state.random.next();
        Self::new(bytes, Random::new(seed))
    }
}

impl State {
    /// Counts one change, which fails when the disk is off or turns off.
    fn change(&mut self) -> io::Result<()> {
        if self.off {
            return Err(io::Error::other("the power is off"));
        }
        match &mut self.fault {
            None => Ok(()),
            Some((_, changes)) if *changes > 0 => {
                *changes -= 1;
                Ok(())
            }
            Some((Fault::Cut, _)) => {
                self.off = true;
                Err(io::Error::other("the power was cut"))
            }
            Some((Fault::FailOnce, _)) => {
                self.fault = None;
                Err(io::ErrorKind::StorageFull.into())
            }
        }
    }

    /// Refuses to have what is longer than what is there, if it is full.
    fn grow_to(&self, length: usize) -> io::Result<()> {
        let grows = length > self.current.len();
        if grows && self.full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn apply(bytes: &mut Vec<u8>, change: &Change) {
        match change {
            Change::Length(length) => bytes.resize(*length, 0),
            Change::Bytes(offset, data) => {
                let end = offset + data.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*offset..end].copy_from_slice(data);
            }
        }
    }

    /// A random subset of the sectors written since the last sync, and of the changes of length.
    ///
    /// Dropping sectors in place covers reordering too: a later write that survives
    /// an earlier one that does not is what a disk that reorders leaves.
    fn survivors(&mut self) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        // Nothing, everything, or something between: extremes are the likely cases.
        let chance = [0, 1, 4, 7, 8][usize::try_from(self.random.below(5)).unwrap()];
        for change in std::mem::take(&mut self.unsynced) {
            for part in sectors(change) {
                if self.random.below(8) < chance {
                    Self::apply(&mut bytes, &part);
                }
            }
        }
        bytes
    }
}

/// A change in the pieces that survive or do not survive on their own.
fn sectors(change: Change) -> Vec<Change> {
    let (mut offset, mut data) = match change {
        Change::Bytes(offset, data) => (offset, data),
        length @ Change::Length(_) => return vec![length],
    };
    let mut parts = Vec::new();
    while !data.is_empty() {
        let until_boundary = SECTOR - offset % SECTOR;
        let rest = data.split_off(until_boundary.min(data.len()));
        let next = offset + data.len();
        parts.push(Change::Bytes(offset, std::mem::replace(&mut data, rest)));
        offset = next;
    }
    parts
}

impl StorageBackend for Connection {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.0.lock().unwrap().current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.0.lock().unwrap();
        if state.off {
            return Err(io::Error::other("the power is off"));
        }
        let start = usize::try_from(offset).unwrap();
        let bytes = start.checked_add(out.len()).and_then(|end| state.current.get(start..end));
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.0.0.lock().unwrap();
        state.change()?;
        state.grow_to(usize::try_from(length).unwrap())?;
        let change = Change::Length(usize::try_from(length).unwrap());
        State::apply(&mut state.current, &change);
        state.unsynced.push(change);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.0.0.lock().unwrap();
        state.change()?;
        state.unsynced.clear();
        let State { durable, current, .. } = &mut *state;
        durable.clone_from(current);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.0.0.lock().unwrap();
        let was_off = state.off;
        let end = usize::try_from(offset).unwrap() + data.len();
        let result = state.change().and_then(|()| state.grow_to(end));
        let change = Change::Bytes(usize::try_from(offset).unwrap(), data.to_vec());
        match result {
            Ok(()) => {
                State::apply(&mut state.current, &change);
                state.unsynced.push(change);
            }
            // The write under way when the power goes may be on the disk in part.
            Err(_) if state.off && !was_off => state.unsynced.push(change),
            Err(_) => {}
        }
        result
    }
}
