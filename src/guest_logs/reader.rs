//! Finding lines again: the last ones, those before a record, or those after one.

use std::io;
use std::path::Path;

use super::record::Record;
use super::ring::{self, Segment};
use super::words::{Level, Source};
use crate::model::InstallLabels;

/// Which lines are asked for.
#[derive(Clone, Debug)]
pub struct LineQuery {
    /// At least this grave.
    pub level: Level,
    pub source: Option<Source>,
    /// How the id of their request begins.
    pub request: String,
    /// What is in their message, in whichever case.
    pub text: String,
    pub place: Place,
    /// How many at most.
    pub limit: usize,
}

/// From where on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Last,
    /// The last before this record.
    Before(u64),
    /// The first after this record.
    After(u64),
}

/// What was found, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    pub records: Vec<Record>,
    /// Whether more lines fit: after these if it was asked for those after one, else before.
    pub has_more: bool,
    /// The number of the last record there is, whether it fits or not; 0: there is none.
    pub last: u64,
    /// Records between the one that was asked from and the oldest that is left.
    pub missing: u64,
}

impl Default for LineQuery {
    /// All lines.
    fn default() -> Self {
        Self {
            level: Level::Info,
            source: None,
            request: String::new(),
            text: String::new(),
            place: Place::Last,
            limit: usize::MAX,
        }
    }
}

impl LineQuery {
    /// Whether a record is asked for, wherever it is.
    pub fn fits(&self, record: &Record) -> bool {
        record.level >= self.level
            && self.source.is_none_or(|source| source == record.source)
            && record.request_id.starts_with(&self.request)
            && (self.text.is_empty() || contains(&record.message, &self.text))
    }
}

fn contains(message: &str, text: &str) -> bool {
    message.contains(text) || message.to_lowercase().contains(&text.to_lowercase())
}

/// Reads the ring in `folder`, as far as it is the install's.
pub(super) fn read(folder: &Path, install: &InstallLabels, query: &LineQuery) -> io::Result<Lines> {
    let own = Own::open(folder, install)?;
    match query.place {
        // A record that never was: its number is of a ring that is gone, or lost in a power
        // cut. What is there is all new to who asks.
        Place::After(after) if after > own.last => own.after(0, query),
        Place::After(after) => own.after(after, query),
        Place::Before(before) => own.before(before, query),
        Place::Last => own.before(u64::MAX, query),
    }
}

/// The records of an install, segment by segment.
struct Own<'a> {
    folder: &'a Path,
    install: &'a InstallLabels,
    segments: Vec<Segment>,
    /// The number of the last record; 0: there is none.
    last: u64,
    /// The segment that the last record is in, which was read to know it.
    newest: Option<(usize, Vec<Record>)>,
}

impl<'a> Own<'a> {
    fn open(folder: &'a Path, install: &'a InstallLabels) -> io::Result<Self> {
        let segments = ring::segments(folder)?;
        let mut own = Self { folder, install, segments, last: 0, newest: None };
        for index in (0..own.segments.len()).rev() {
            let records = own.segment(index)?;
            if let Some(last) = records.last() {
                own.last = last.seq;
                own.newest = Some((index, records));
                break;
            }
        }
        Ok(own)
    }

    fn segment(&mut self, index: usize) -> io::Result<Vec<Record>> {
        if let Some((_, records)) = self.newest.take_if(|(newest, _)| *newest == index) {
            return Ok(records);
        }
        let segment = &self.segments[index];
        let bytes = ring::load(self.folder, segment)?;
        // A file in the wrong place is not shown.
        Ok(ring::records(segment, &bytes)
            .filter(|record| record.head.is_of(self.install))
            .collect())
    }

    /// The last before a record that fit.
    fn before(mut self, before: u64, query: &LineQuery) -> io::Result<Lines> {
        let mut found = Vec::new();
        let begun = self.segments.partition_point(|segment| segment.first < before);
        for index in (0..begun).rev() {
            let fitting = self.segment(index)?.into_iter().rev();
            let fitting = fitting.filter(|record| record.seq < before && query.fits(record));
            if take(fitting, &mut found, query.limit) {
                break;
            }
        }
        let has_more = found.len() > query.limit;
        found.truncate(query.limit);
        found.reverse();
        Ok(Lines { records: found, has_more, last: self.last, missing: 0 })
    }

    /// The first after a record that fit.
    fn after(mut self, after: u64, query: &LineQuery) -> io::Result<Lines> {
        let mut found = Vec::new();
        // Those that end before it have nothing for us.
        let begun = self.segments.partition_point(|segment| segment.first <= after);
        for index in begun.saturating_sub(1)..self.segments.len() {
            let fitting = self.segment(index)?.into_iter();
            let fitting = fitting.filter(|record| record.seq > after && query.fits(record));
            if take(fitting, &mut found, query.limit) {
                break;
            }
        }
        let has_more = found.len() > query.limit;
        found.truncate(query.limit);
        let oldest = self.segments.first().map_or(0, |segment| segment.first);
        let missing = if after == 0 { 0 } else { oldest.saturating_sub(after + 1) };
        Ok(Lines { records: found, has_more, last: self.last, missing })
    }
}

/// Takes as many as are wanted, and one more to know whether there is one; says whether these
/// are enough.
fn take(records: impl Iterator<Item = Record>, found: &mut Vec<Record>, limit: usize) -> bool {
    let wanted = limit.saturating_add(1) - found.len();
    found.extend(records.take(wanted));
    found.len() > limit
}
