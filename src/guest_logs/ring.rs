//! The ring of one install: a folder of segments, the oldest of which goes when it is full.
//!
//! A segment is named by the number of its first record. It begins with a head, and has
//! another where what the head says changes.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, DirEntry, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::record::{self, Head, MAX_RECORD_BYTES, NewLine, Record, Written};

/// Segments of a full ring: what is there is at least all but one of them.
const SEGMENTS: u64 = 8;
/// More than any setting lets a segment have: a file that is longer is not read further.
const MAX_SEGMENT_BYTES: u64 = 33 * 1024 * 1024;
const SUFFIX: &str = "jsonl";

/// A file of a ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// The number of its first record.
    pub(super) first: u64,
    bytes: u64,
}

/// What became of lines that were to be written.
#[derive(Default)]
pub(super) struct Appended {
    /// On disk.
    pub(super) records: Vec<Record>,
    /// Why the others are not, and never will be.
    pub(super) error: Option<io::Error>,
}

/// The ring of one install, as its only writer has it.
pub(super) struct Ring {
    folder: PathBuf,
    max_bytes: u64,
    segments: VecDeque<Segment>,
    /// The number of the next record.
    next: u64,
    /// What the next record stands below, if nothing is written in between.
    head: Option<Arc<Head>>,
}

impl Segment {
    pub(super) fn path(&self, folder: &Path) -> PathBuf {
        // As long as the longest number: by name is by age.
        folder.join(format!("{:020}.{SUFFIX}", self.first))
    }

    fn of(path: &Path, bytes: u64) -> Option<Self> {
        let first = path.file_stem()?.to_str()?.parse().ok()?;
        let segment = Self { first, bytes };
        // One spelling for each number: what is called otherwise is not ours.
        (segment.path(path.parent()?) == path).then_some(segment)
    }
}

/// What is in a folder; nothing if there is no such folder.
pub(super) fn entries_of(folder: &Path) -> io::Result<Vec<DirEntry>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The segments of a ring, the oldest first; none if there is no ring.
pub(super) fn segments(folder: &Path) -> io::Result<Vec<Segment>> {
    let mut found = Vec::new();
    for entry in entries_of(folder)? {
        // It may be gone since it was listed.
        let Ok(facts) = entry.metadata() else { continue };
        found.extend(Segment::of(&entry.path(), facts.len()).filter(|_| facts.is_file()));
    }
    found.sort_by_key(|segment| segment.first);
    Ok(found)
}

/// What a segment holds; nothing if it is gone.
pub(super) fn load(folder: &Path, segment: &Segment) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match File::open(segment.path(folder)) {
        Ok(file) => file.take(MAX_SEGMENT_BYTES).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    Ok(bytes)
}

/// The records of a segment, as far as they can be read. What comes after the last line feed
/// is torn, or not written yet.
///
/// Numbers only grow, and there are no more of them than bytes: a damaged one must not make
/// those after it come out wrong.
pub(super) fn records(segment: &Segment, bytes: &[u8]) -> impl Iterator<Item = Record> {
    let whole = &bytes[..whole_lines(bytes)];
    let mut head: Option<Arc<Head>> = None;
    let mut next = segment.first;
    let end = segment.first.saturating_add(bytes.len() as u64);
    whole.split(|&byte| byte == b'\n').filter_map(move |line| {
        match record::read(line, head.as_ref())? {
            Written::Head(found) => {
                head = Some(Arc::new(found));
                None
            }
            Written::Record(record) => {
                let is_next = (next..end).contains(&record.seq);
                next = if is_next { record.seq + 1 } else { next };
                is_next.then_some(record)
            }
        }
    })
}

/// Bytes up to the end of the last whole line.
fn whole_lines(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1)
}

/// Removes a ring.
pub(super) fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

impl Ring {
    /// Opens a ring, making it if there is none. What a killed process left half written is
    /// cut off, and numbers go on after the last record that is whole.
    pub(super) fn open(folder: PathBuf, max_bytes: u64) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let mut segments: VecDeque<_> = segments(&folder)?.into();
        let mut next = 1;
        if let Some(newest) = segments.back_mut() {
            let bytes = load(&folder, newest)?;
            let whole = whole_lines(&bytes) as u64;
            if whole < newest.bytes {
                OpenOptions::new().write(true).open(newest.path(&folder))?.set_len(whole)?;
                newest.bytes = whole;
            }
            let last = records(newest, &bytes).last();
            next = last.map_or(newest.first, |last| last.seq.saturating_add(1));
        }
        let mut ring = Self { folder, max_bytes, segments, next, head: None };
        // The setting may have been another.
        ring.trim(max_bytes)?;
        Ok(ring)
    }

    /// Writes lines. After an error what it holds in memory may not be what is on disk: it is
    /// to be opened again.
    pub(super) fn append(&mut self, lines: Vec<NewLine>) -> Appended {
        let mut appended = Appended::default();
        appended.error = self.write_all(lines, &mut appended.records).err();
        appended
    }

    fn write_all(&mut self, lines: Vec<NewLine>, written: &mut Vec<Record>) -> io::Result<()> {
        let (mut out, mut records) = (Vec::new(), Vec::new());
        for line in lines {
            if self.has_no_room(out.len()) {
                self.write_out(&mut out)?;
                written.append(&mut records);
                self.begin_segment()?;
            }
            let begun = self.head.take().filter(|head| head.fits(&line));
            let head = begun.unwrap_or_else(|| {
                let head = Head::of(&line);
                head.write(&mut out);
                Arc::new(head)
            });
            let record = line.into_record(self.next, &head);
            record.write(&mut out);
            self.head = Some(head);
            self.next = self.next.saturating_add(1);
            records.push(record);
        }
        self.write_out(&mut out)?;
        written.append(&mut records);
        Ok(())
    }

    /// Whether the newest segment may not take one more record after `waiting` bytes.
    fn has_no_room(&self, waiting: usize) -> bool {
        let room = self.segment_bytes().saturating_sub(MAX_RECORD_BYTES);
        self.segments.back().is_none_or(|newest| newest.bytes + waiting as u64 > room)
    }

    fn segment_bytes(&self) -> u64 {
        self.max_bytes / SEGMENTS
    }

    fn begin_segment(&mut self) -> io::Result<()> {
        self.trim(self.max_bytes.saturating_sub(self.segment_bytes()))?;
        // With nothing in the newest, it is the one that would begin here.
        if self.segments.back().is_none_or(|newest| newest.first < self.next) {
            self.segments.push_back(Segment { first: self.next, bytes: 0 });
        }
        self.head = None;
        Ok(())
    }

    /// Removes the oldest segments until the rest has no more bytes than these.
    fn trim(&mut self, bytes: u64) -> io::Result<()> {
        while self.segments.iter().map(|segment| segment.bytes).sum::<u64>() > bytes {
            let Some(oldest) = self.segments.pop_front() else { break };
            if let Err(error) = fs::remove_file(oldest.path(&self.folder))
                && error.kind() != io::ErrorKind::NotFound
            {
                return Err(error);
            }
        }
        Ok(())
    }

    fn write_out(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        if out.is_empty() {
            return Ok(());
        }
        let newest = self.segments.back_mut().ok_or(io::ErrorKind::NotFound)?;
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        let mut file = options.open(newest.path(&self.folder))?;
        if let Err(error) = file.write_all(out) {
            // What is counted as lost is not to be there in part. Where this fails, too, it
            // is cut when the ring is opened again.
            file.set_len(newest.bytes).ok();
            return Err(error);
        }
        newest.bytes += out.len() as u64;
        out.clear();
        Ok(())
    }
}
