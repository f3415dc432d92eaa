//! One line: as a guest hands it over, and as it is kept.
//!
//! A ring is JSON, an object on each line. JSON writes a line feed as `\n`, so that no text
//! of a guest can begin a line of the file. What all records of a stretch share stands
//! in a head before them, and not in each.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::words::{Level, Source};
use crate::model::{ContentHash, ExtensionName, InstallId, InstallLabels, TenantId};

/// Bytes of the longest record with a head: a message of 4 KiB, each letter escaped, and names.
pub(super) const MAX_RECORD_BYTES: u64 = 12 * 1024;

/// A line on its way to the ring of its install.
#[derive(Clone, Debug)]
pub struct NewLine {
    pub install: Arc<InstallLabels>,
    pub content_hash: ContentHash,
    /// Empty for what is about several executions.
    pub request_id: Arc<str>,
    pub time_ms: i64,
    pub level: Level,
    pub source: Source,
    /// Harmless already: escaped, cut, and without what the guest read in confidence.
    pub message: String,
    pub truncated: bool,
    /// Lines that are not kept, which this one is about; 0 for a line of a guest.
    pub dropped: u64,
}

/// A line as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Grows by one with each record of an install, over restarts, too.
    pub seq: u64,
    /// Milliseconds since 1970.
    pub time_ms: i64,
    pub level: Level,
    pub source: Source,
    pub request_id: Box<str>,
    pub message: Box<str>,
    pub truncated: bool,
    /// Lines that are not kept, which this record counts; 0 for a line of a guest.
    pub dropped: u64,
    /// What it is about, shared with the records around it.
    pub head: Arc<Head>,
}

/// What the records after it are about, until the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub install: InstallId,
    pub tenant: TenantId,
    pub extension: ExtensionName,
    pub version: String,
    pub content_hash: ContentHash,
}

/// A record without what its head says.
#[derive(Serialize, Deserialize)]
struct Row<'a> {
    seq: u64,
    ms: i64,
    level: Level,
    stream: Source,
    #[serde(borrow)]
    request: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    message: std::borrow::Cow<'a, str>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
    #[serde(default, skip_serializing_if = "is_zero")]
    dropped: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What one line of a file says.
pub(super) enum Written {
    Head(Head),
    Record(Record),
}

impl NewLine {
    /// How many lines of guests are gone when this one is.
    pub(super) fn weight(&self) -> u64 {
        self.dropped.max(1)
    }

    /// Says that lines of several executions are not kept.
    pub(super) fn about_dropped(
        install: Arc<InstallLabels>,
        content_hash: ContentHash,
        time_ms: i64,
        dropped: u64,
    ) -> Self {
        let lines = if dropped == 1 { "line was" } else { "lines were" };
        Self {
            install,
            content_hash,
            request_id: "".into(),
            time_ms,
            level: Level::Warn,
            source: Source::Log,
            message: format!("{dropped} {lines} not kept"),
            truncated: false,
            dropped,
        }
    }

    pub(super) fn into_record(self, seq: u64, head: &Arc<Head>) -> Record {
        Record {
            seq,
            time_ms: self.time_ms,
            level: self.level,
            source: self.source,
            request_id: self.request_id.as_ref().into(),
            message: self.message.into(),
            truncated: self.truncated,
            dropped: self.dropped,
            head: Arc::clone(head),
        }
    }
}

impl Head {
    pub(super) fn of(line: &NewLine) -> Self {
        let InstallLabels { tenant, extension, install, .. } = &*line.install;
        Self {
            install: *install,
            tenant: tenant.clone(),
            extension: extension.clone(),
            version: line.install.version_text().into(),
            content_hash: line.content_hash,
        }
    }

    /// Whether `line` can stand below it.
    pub(super) fn fits(&self, line: &NewLine) -> bool {
        self.content_hash == line.content_hash && self.version == line.install.version_text()
    }

    /// Whether what stands below it is the install's: a file in the wrong place is nobody's.
    pub(super) fn is_of(&self, install: &InstallLabels) -> bool {
        self.install == install.install && self.tenant == install.tenant
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write_line(out, self);
    }
}

impl Record {
    /// See [`NewLine::weight`].
    pub(super) fn weight(&self) -> u64 {
        self.dropped.max(1)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let row = Row {
            seq: self.seq,
            ms: self.time_ms,
            level: self.level,
            stream: self.source,
            request: (&*self.request_id).into(),
            message: (&*self.message).into(),
            truncated: self.truncated,
            dropped: self.dropped,
        };
        write_line(out, &row);
    }
}

fn write_line(out: &mut Vec<u8>, line: &impl Serialize) {
    serde_json::to_writer(&mut *out, line).expect("it has string keys, and memory takes it all");
    out.push(b'\n');
}

/// Reads one line of a file, without its end; `None` if it is damaged, or has no head.
pub(super) fn read(line: &[u8], head: Option<&Arc<Head>>) -> Option<Written> {
    if !line.starts_with(b"{\"seq\":") {
        return serde_json::from_slice(line).ok().map(Written::Head);
    }
    let (head, row) = (head?, serde_json::from_slice::<Row<'_>>(line).ok()?);
    Some(Written::Record(Record {
        seq: row.seq,
        time_ms: row.ms,
        level: row.level,
        source: row.stream,
        request_id: row.request.into(),
        message: row.message.into(),
        truncated: row.truncated,
        dropped: row.dropped,
        head: Arc::clone(head),
    }))
}
