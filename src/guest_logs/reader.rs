//! Finding lines again: the last ones, those before a record, or those after one.

use std::io;
use std::path::Path;

use super::record::{Level, Record, Source};
use super::ring::{self, Segment};
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

    fn reaches(&self, seq: u64) -> bool {
        match self.place {
            Place::Last => true,
            Place::Before(before) => seq < before,
            Place::After(after) => seq > after,
        }
    }
}

fn contains(message: &str, text: &str) -> bool {
    message.contains(text) || message.to_lowercase().contains(&text.to_lowercase())
}

/// Reads the ring in `folder`, as far as it is the install's.
pub(super) fn read(folder: &Path, install: &InstallLabels, query: &LineQuery) -> io::Result<Lines> {
    let segments = ring::segments(folder)?;
    let own = |segment: &Segment| {
        let bytes = ring::load(folder, segment)?;
        let own = ring::records(&bytes).filter(|record| record.head.is_of(install));
        Ok(own.collect::<Vec<_>>())
    };
    let last = last(&segments, own)?;
    match query.place {
        // A record that never was: its number is of a ring that is gone, or lost in a power
        // cut. What is there is all new to who asks.
        Place::After(after) if after > last => {
            let query = LineQuery { place: Place::After(0), ..query.clone() };
            forwards(&segments, own, &query, last)
        }
        Place::After(_) => forwards(&segments, own, query, last),
        Place::Last | Place::Before(_) => backwards(&segments, own, query, last),
    }
}

fn last(
    segments: &[Segment],
    own: impl Fn(&Segment) -> io::Result<Vec<Record>>,
) -> io::Result<u64> {
    for segment in segments.iter().rev() {
        if let Some(last) = own(segment)?.last() {
            return Ok(last.seq);
        }
    }
    Ok(0)
}

fn backwards(
    segments: &[Segment],
    own: impl Fn(&Segment) -> io::Result<Vec<Record>>,
    query: &LineQuery,
    last: u64,
) -> io::Result<Lines> {
    let mut found = Vec::new();
    for segment in segments.iter().rev().filter(|segment| query.reaches(segment.first)) {
        let fitting = own(segment)?.into_iter().rev();
        let fitting = fitting.filter(|record| query.reaches(record.seq) && query.fits(record));
        // One more, to know whether there is one.
        found.extend(fitting.take(query.limit.saturating_add(1) - found.len()));
        if found.len() > query.limit {
            break;
        }
    }
    let has_more = found.len() > query.limit;
    found.truncate(query.limit);
    found.reverse();
    Ok(Lines { records: found, has_more, last, missing: 0 })
}

fn forwards(
    segments: &[Segment],
    own: impl Fn(&Segment) -> io::Result<Vec<Record>>,
    query: &LineQuery,
    last: u64,
) -> io::Result<Lines> {
    let Place::After(after) = query.place else { return Ok(Lines::default()) };
    // Those that end before it have nothing for us.
    let skipped = segments.partition_point(|segment| segment.first <= after).saturating_sub(1);
    let mut found = Vec::new();
    for segment in &segments[skipped..] {
        let fitting = own(segment)?.into_iter();
        let fitting = fitting.filter(|record| query.reaches(record.seq) && query.fits(record));
        found.extend(fitting.take(query.limit.saturating_add(1) - found.len()));
        if found.len() > query.limit {
            break;
        }
    }
    let has_more = found.len() > query.limit;
    found.truncate(query.limit);
    let oldest = segments.first().map_or(0, |segment| segment.first);
    let missing = if after == 0 { 0 } else { oldest.saturating_sub(after + 1) };
    Ok(Lines { records: found, has_more, last, missing })
}
