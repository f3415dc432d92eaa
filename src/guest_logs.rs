//! The lines of extensions, kept: a bounded ring on disk for each install, and whoever
//! follows it.
//!
//! Guests hand lines to a bounded [`queue`] and go on. One thread ([`writer`]) writes them to
//! the [`ring`] of their install and gives them to its [`followers`]; [`reader`] finds them
//! again. A line that finds the queue full, or the disk, is counted, and the count is a
//! [`record`] of its own: what a guest wrote is either there or in a number.
//!
//! Nothing is synced to the disk: a line is worth less than the time of a guest. What a
//! killed process leaves behind ends anywhere, and is cut to its last whole line.

mod counts;
mod followers;
mod queue;
mod reader;
mod record;
mod ring;
mod words;
mod writer;

pub use counts::LineCounts;
pub use followers::{EndOfLines, Follower, TooManyFollowers};
pub use reader::{LineQuery, Lines, Place};
pub use record::{Head, NewLine, Record};
pub use words::{Level, Source, UnknownWord};

use std::fs::DirEntry;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};
use tokio::task::spawn_blocking;

use self::counts::Counts;
use self::followers::Followers;
use self::queue::{Ask, Queue};
use self::writer::Writer;
use crate::config::LogsConfig;
use crate::model::{Clock, ContentHash, InstallId, InstallLabels};

/// Bytes of lines that may wait to be written: some seconds of an install that writes all it
/// may.
const QUEUE_BYTES: usize = 4 * 1024 * 1024;

/// Rings that are read at the same time: each takes the memory of a segment.
const READERS: usize = 4;

/// A cheap handle to the logs of all installs.
#[derive(Clone)]
pub struct GuestLogs(Arc<Inner>);

struct Inner {
    /// Dropped first: it writes what waits.
    writer: Option<Writer>,
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    readers: Semaphore,
}

/// What the writer and everybody else have in common.
struct Shared {
    folder: PathBuf,
    /// Bytes of one ring.
    ring_bytes: u64,
    queue: Queue,
    followers: Followers,
    counts: Counts,
}

impl GuestLogs {
    /// Keeps lines below `folder`; none if the settings say so. What is wrong with the folder
    /// is found out by the first line, and ends nothing.
    pub fn open(folder: &Path, config: &LogsConfig, clock: Arc<dyn Clock>) -> io::Result<Self> {
        Self::with_queue(folder, config, clock, QUEUE_BYTES)
    }

    fn with_queue(
        folder: &Path,
        config: &LogsConfig,
        clock: Arc<dyn Clock>,
        queue_bytes: usize,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            folder: folder.to_owned(),
            ring_bytes: config.bytes_per_install,
            queue: Queue::new(queue_bytes),
            followers: Followers::new(config.followers, config.followers_per_tenant),
            counts: Counts::default(),
        });
        let writer = if config.bytes_per_install > 0 {
            Some(Writer::start(Arc::clone(&shared), Arc::clone(&clock))?)
        } else {
            None
        };
        let readers = Semaphore::new(READERS);
        Ok(Self(Arc::new(Inner { writer, shared, clock, readers })))
    }

    /// Whether lines are kept at all.
    pub fn is_on(&self) -> bool {
        self.0.writer.is_some()
    }

    /// Keeps a line, or counts it. Waits for nobody.
    pub fn keep(&self, line: NewLine) {
        let shared = &self.0.shared;
        shared.counts.over_limit(line.dropped);
        if !self.is_on() {
            return;
        }
        if let Some(lost) = shared.queue.push(line) {
            shared.counts.queue_full(lost);
        }
    }

    /// Counts lines that an execution wrote beyond what it may, where none of its own has
    /// room to say so.
    pub fn drop_lines(&self, install: &Arc<InstallLabels>, content_hash: ContentHash, lines: u64) {
        self.0.shared.counts.over_limit(lines);
        if self.is_on() && lines > 0 {
            self.0.shared.queue.lose(install, content_hash, lines);
        }
    }

    /// The time that a line is given, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.0.clock.now().as_millisecond()
    }

    /// Waits until all that was handed over before is on disk, and so are the counts.
    pub async fn settle(&self) {
        if self.is_on() {
            let (done, settled) = oneshot::channel();
            self.0.shared.queue.ask(Ask::Settle(done));
            // An error: the writer is gone, and with it what waited.
            settled.await.ok();
        }
    }

    /// Lines of an install that were written before this was called.
    pub async fn read(&self, install: Arc<InstallLabels>, query: LineQuery) -> io::Result<Lines> {
        self.settle().await;
        let _turn = self.0.readers.acquire().await.map_err(io::Error::other)?;
        let folder = self.ring_folder(&install.install);
        let read = spawn_blocking(move || reader::read(&folder, &install, &query));
        read.await.map_err(io::Error::other)?
    }

    /// Follows the lines of an install from now on.
    pub fn follow(&self, install: &InstallLabels) -> Result<Follower, TooManyFollowers> {
        self.0.shared.followers.follow(&install.tenant, install.install)
    }

    /// Ends all that follow, and everyone who will: the appliance stops.
    pub fn end_followers(&self) {
        self.0.shared.followers.end();
    }

    /// How many follow.
    pub fn follower_count(&self) -> usize {
        self.0.shared.followers.count()
    }

    /// What became of the lines since the start.
    pub fn counts(&self) -> LineCounts {
        self.0.shared.counts.read()
    }

    /// Removes the lines of an install for good, and ends who follows them.
    ///
    /// What an execution that is still under way writes after this makes a new ring, which
    /// belongs to nobody: [`GuestLogs::rings`] names it.
    pub async fn remove(&self, install: InstallId) -> io::Result<()> {
        if self.is_on() {
            let (done, removed) = oneshot::channel();
            self.0.shared.queue.ask(Ask::Remove(install, done));
            return removed.await.unwrap_or_else(|gone| Err(io::Error::other(gone)));
        }
        let folder = self.ring_folder(&install);
        let removed = spawn_blocking(move || ring::remove(&folder));
        removed.await.map_err(io::Error::other)?
    }

    /// The installs that have a ring.
    pub async fn rings(&self) -> io::Result<Vec<InstallId>> {
        let folder = self.0.shared.folder.clone();
        spawn_blocking(move || rings(&folder)).await.map_err(io::Error::other)?
    }

    fn ring_folder(&self, install: &InstallId) -> PathBuf {
        self.0.shared.ring_folder(install)
    }
}

impl Shared {
    /// Its name is the id of the install, which the appliance has made up, and nothing else.
    fn ring_folder(&self, install: &InstallId) -> PathBuf {
        self.folder.join(install.to_string())
    }
}

fn rings(folder: &Path) -> io::Result<Vec<InstallId>> {
    let entries = ring::entries_of(folder)?;
    // What is called otherwise is not ours.
    let id = |entry: &DirEntry| entry.file_name().to_str()?.parse().ok();
    Ok(entries.iter().filter_map(id).collect())
}

#[cfg(test)]
mod tests;
