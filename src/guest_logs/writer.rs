//! The thread that writes lines to their rings, and gives them to who follows.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::Shared;
use super::queue::{Ask, Batch, Lost};
use super::record::{NewLine, Record};
use super::ring::{self, Appended, Ring};
use crate::model::{Clock, InstallId};

/// How often an install is told of lines that no execution has counted itself: a flood is not
/// to push out what is worth keeping with its counts.
const COUNT_EVERY: Duration = Duration::from_secs(1);
/// How often it is said that the disk takes no lines.
const COMPLAIN_EVERY: Duration = Duration::from_mins(1);

/// Keeps the thread. Dropping it writes what is left.
pub(super) struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(shared: Arc<Shared>, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let mut writing = Writing {
            shared: Arc::clone(&shared),
            clock,
            rings: HashMap::new(),
            uncounted: HashMap::new(),
            complained: None,
        };
        let run = move || {
            let _end = End(Arc::clone(&writing.shared));
            writing.run();
        };
        let thread = thread::Builder::new().name("guest-logs".to_owned()).spawn(run)?;
        Ok(Self { shared, thread: Some(thread) })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.queue.end();
        if let Some(thread) = self.thread.take() {
            // It says itself what it could not write; a panic of it has said more.
            thread.join().ok();
        }
    }
}

/// The end of the thread, also by a panic: nobody is to wait for it any more.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.queue.close();
    }
}

struct Writing {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    rings: HashMap<InstallId, Kept>,
    /// Lines that are not kept, and no record says so yet.
    uncounted: HashMap<InstallId, Lost>,
    complained: Option<Instant>,
}

struct Kept {
    ring: Ring,
    counted: Option<Instant>,
}

impl Writing {
    fn run(&mut self) {
        loop {
            let patience = (!self.uncounted.is_empty()).then_some(COUNT_EVERY);
            let batch = self.shared.queue.take(patience);
            let is_last = batch.is_last;
            self.work(batch);
            if is_last {
                return;
            }
        }
    }

    fn work(&mut self, batch: Batch) {
        let Batch { lines, lost, asks, is_last } = batch;
        let mut by_install: HashMap<InstallId, Vec<NewLine>> = HashMap::new();
        for line in lines {
            by_install.entry(line.install.install).or_default().push(line);
        }
        for (install, lines) in by_install {
            self.write(install, lines);
        }
        for lost in lost.into_values() {
            self.lose(lost);
        }
        self.count_lost(is_last || !asks.is_empty());
        for ask in asks {
            // Whoever asked may have gone.
            match ask {
                Ask::Settle(done) => done.send(()).ok(),
                Ask::Remove(install, done) => done.send(self.remove(install)).ok(),
            };
        }
    }

    /// Writes lines of one install; those that cannot be written are lost and counted.
    fn write(&mut self, install: InstallId, lines: Vec<NewLine>) {
        let Some(first) = lines.first() else { return };
        let (labels, content_hash) = (Arc::clone(&first.install), first.content_hash);
        let weight: u64 = lines.iter().map(NewLine::weight).sum();
        let guests = lines.iter().filter(|line| line.dropped == 0).count() as u64;
        let Appended { records, error } = match self.open(install) {
            Ok(ring) => ring.append(lines),
            Err(error) => Appended { records: Vec::new(), error: Some(error) },
        };
        let kept = records.iter().filter(|record| record.dropped == 0).count() as u64;
        self.shared.counts.kept(kept);
        if let Some(error) = error {
            // What is on disk is not known: the next line looks.
            self.rings.remove(&install);
            self.shared.counts.not_written(guests - kept);
            let lines = weight - records.iter().map(Record::weight).sum::<u64>();
            self.lose(Lost { install: labels, content_hash, lines });
            self.complain(&error);
        }
        self.shared.followers.publish(&install, records);
    }

    fn open(&mut self, install: InstallId) -> io::Result<&mut Ring> {
        let kept = match self.rings.entry(install) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let folder = self.shared.ring_folder(&install);
                let ring = Ring::open(folder, self.shared.ring_bytes)?;
                entry.insert(Kept { ring, counted: None })
            }
        };
        Ok(&mut kept.ring)
    }

    fn lose(&mut self, lost: Lost) {
        let lines = lost.lines;
        let known = self.uncounted.entry(lost.install.install);
        known.and_modify(|known| known.lines += lines).or_insert(lost);
    }

    /// Writes a record for the lines that are not kept, of each install that has had none for
    /// a while; of all of them if somebody waits for it.
    fn count_lost(&mut self, at_once: bool) {
        let now = Instant::now();
        let is_due = |install: &InstallId| {
            let counted = self.rings.get(install).and_then(|kept| kept.counted);
            at_once || counted.is_none_or(|at| now.duration_since(at) >= COUNT_EVERY)
        };
        let due: Vec<_> = self.uncounted.keys().filter(|id| is_due(id)).copied().collect();
        for install in due {
            let Some(lost) = self.uncounted.remove(&install) else { continue };
            let time_ms = self.clock.now().as_millisecond();
            let line = NewLine::about_dropped(lost.install, lost.content_hash, time_ms, lost.lines);
            self.write(install, vec![line]);
            if let Some(kept) = self.rings.get_mut(&install) {
                kept.counted = Some(now);
            }
        }
    }

    fn remove(&mut self, install: InstallId) -> io::Result<()> {
        self.rings.remove(&install);
        self.uncounted.remove(&install);
        self.shared.followers.forget(&install);
        ring::remove(&self.shared.ring_folder(&install))
    }

    fn complain(&mut self, error: &io::Error) {
        let now = Instant::now();
        let is_due = self.complained.is_none_or(|at| now.duration_since(at) >= COMPLAIN_EVERY);
        if is_due {
            self.complained = Some(now);
            tracing::warn!("Lines of extensions cannot be kept, and are counted only: {error}");
        }
    }
}
