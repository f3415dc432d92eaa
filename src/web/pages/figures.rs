//! Figures as people read them, each with its exact value beside it.

use jiff::Timestamp;

use crate::model::{ContentHash, FileDigest, Install, KeyId, byte_size};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const MONTH: i64 = 30 * DAY;
const YEAR: i64 = 365 * DAY;

/// A point in time, seen from another.
#[derive(Clone, Debug)]
pub struct Moment {
    /// For machines: RFC 3339.
    pub iso: String,
    /// For the title: to the second, in UTC.
    pub exact: String,
    /// For the reader: `3 hours ago`. `app.js` keeps it current, with the same words.
    pub relative: String,
}

/// A number of bytes.
#[derive(Clone, Debug)]
pub struct ByteSize {
    /// `12.4 MiB`
    pub text: String,
    /// `13,002,342 bytes`
    pub exact: String,
}

/// A hash shown by its ends.
#[derive(Clone, Debug)]
pub struct ShortHash {
    pub full: String,
    /// `sha256:9f2c…a1b0`
    pub short: String,
}

/// How an extension stands, drawn as a socket of the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Published, and no install uses it.
    NotInstalled,
    Disabled,
    Enabled,
    Quarantined,
    /// Enabled, and left alone for a while because its executions fail.
    Failing,
}

impl Moment {
    /// `at`, as it is read at `now`.
    pub fn new(at: Timestamp, now: Timestamp) -> Self {
        Self {
            iso: at.to_string(),
            exact: at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            relative: relative(at.as_second() - now.as_second()),
        }
    }
}

fn relative(seconds: i64) -> String {
    let (count, unit) = match seconds.abs() {
        distance if distance < MINUTE => return "just now".to_owned(),
        distance if distance < HOUR => (distance / MINUTE, "minute"),
        distance if distance < DAY => (distance / HOUR, "hour"),
        distance if distance < MONTH => (distance / DAY, "day"),
        distance if distance < YEAR => (distance / MONTH, "month"),
        distance => (distance / YEAR, "year"),
    };
    let span = counted(count.unsigned_abs(), unit);
    if seconds < 0 { format!("{span} ago") } else { format!("in {span}") }
}

/// `1 file`, `1,214 files`.
pub fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(count))
}

/// A number in groups of three digits.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A stretch of time as it is read: `840 µs`, `3.1 ms`, `24 ms`, `1.2 s`.
pub(super) fn elapsed(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..9_950 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        9_950..1_000_000 => format!("{} ms", us.div_ceil(1_000)),
        1_000_000..10_000_000 => format!("{}.{} s", us / 1_000_000, us % 1_000_000 / 100_000),
        _ => format!("{} s", us / 1_000_000),
    }
}

impl ByteSize {
    /// A number of bytes, in binary units with one decimal.
    pub fn new(bytes: u64) -> Self {
        Self { text: byte_size(bytes), exact: counted(bytes, "byte") }
    }
}

impl ShortHash {
    fn new(full: String) -> Self {
        let digits = full.split_once(':').map_or(0, |(prefix, _)| prefix.len() + 1);
        let short = format!("{}…{}", &full[..digits + 4], &full[full.len() - 4..]);
        Self { full, short }
    }
}

impl From<ContentHash> for ShortHash {
    fn from(hash: ContentHash) -> Self {
        Self::new(hash.to_string())
    }
}

impl From<FileDigest> for ShortHash {
    fn from(digest: FileDigest) -> Self {
        Self::new(digest.to_string())
    }
}

impl From<&KeyId> for ShortHash {
    fn from(id: &KeyId) -> Self {
        Self::new(id.to_string())
    }
}

impl Status {
    /// How an extension stands for a tenant.
    pub fn of(install: Option<&Install>) -> Self {
        match install {
            None => Self::NotInstalled,
            Some(install) if install.enabled => Self::Enabled,
            Some(_) => Self::Disabled,
        }
    }

    /// The same, where the executions of an enabled extension fail.
    #[must_use]
    pub fn or_failing(self, fails: bool) -> Self {
        if fails && self == Self::Enabled { Self::Failing } else { self }
    }

    /// Whether it can be enabled.
    pub fn is_disabled(self) -> bool {
        self == Self::Disabled
    }

    /// Whether it can be installed.
    pub fn is_free(self) -> bool {
        self == Self::NotInstalled
    }

    /// The word beside the socket.
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotInstalled => "not installed",
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::Quarantined => "quarantined",
            Self::Failing => "failing",
        }
    }

    /// The class in `app.css`.
    pub const fn class(self) -> &'static str {
        match self {
            Self::NotInstalled => "unused",
            Self::Disabled => "unlit",
            Self::Enabled => "lit",
            Self::Quarantined => "barred",
            Self::Failing => "broken",
        }
    }
}

#[cfg(test)]
mod tests;
