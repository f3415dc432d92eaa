//! Where in a trace a request stands: W3C Trace Context, level 1.

use std::fmt::{self, Write as _};
use std::str::FromStr;
use std::sync::Arc;

/// Bytes of a `tracestate` that is handed on: what every participant should be able to carry
/// (section 3.3.1.5).
const MAX_STATE_BYTES: usize = 512;
/// Entries of a `tracestate`.
const MAX_STATE_ENTRIES: usize = 32;

/// What all spans of one trace have in common. Not all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// One span of a trace. Not all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

/// A span that others can have for a parent: a well-formed `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    pub trace: TraceId,
    pub span: SpanId,
    /// Whoever has that span records it.
    pub is_sampled: bool,
}

/// What other participants have to say to each other: a well-formed `tracestate`. It is
/// handed on and never read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceState(Arc<str>);

/// What a request says of its trace. It is the word of whoever sent it: anybody can write
/// the ids of another's trace, and ask for everything to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomingTrace {
    pub context: TraceContext,
    pub state: Option<TraceState>,
}

/// The text is no `traceparent`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a traceparent is `00-<32 hex digits>-<16 hex digits>-<2 hex digits>`, in lower case")]
pub struct InvalidTraceContext;

/// The text is no `tracestate`, or longer than is handed on.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a tracestate is up to {MAX_STATE_ENTRIES} `key=value` in {MAX_STATE_BYTES} bytes")]
pub struct InvalidTraceState;

impl TraceId {
    /// `None`: all zero is no id.
    pub fn new(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }

    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl SpanId {
    /// `None`: all zero is no id.
    pub fn new(bytes: [u8; 8]) -> Option<Self> {
        (bytes != [0; 8]).then_some(Self(bytes))
    }

    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl FromStr for TraceContext {
    type Err = InvalidTraceContext;

    /// Section 3.2.2: a later version may say more behind the flags, and is read as far as
    /// this one goes.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Lengths and dashes first: nothing below can be out of bounds or inside a letter.
        let bytes = text.as_bytes();
        let has_dashes = bytes.len() >= 55 && [2, 35, 52].iter().all(|at| bytes[*at] == b'-');
        let has_end = match bytes {
            [b'0', b'0', ..] => bytes.len() == 55,
            [..] => bytes.get(55).is_none_or(|next| *next == b'-'),
        };
        if !has_dashes || !has_end {
            return Err(InvalidTraceContext);
        }
        let [version] = digits(&bytes[..2])?;
        let [flags] = digits(&bytes[53..55])?;
        let trace = TraceId::new(digits(&bytes[3..35])?).ok_or(InvalidTraceContext)?;
        let span = SpanId::new(digits(&bytes[36..52])?).ok_or(InvalidTraceContext)?;
        if version == 0xff {
            return Err(InvalidTraceContext);
        }
        Ok(Self { trace, span, is_sampled: flags & 1 == 1 })
    }
}

/// Hex digits in lower case only: in upper case the same id would have two spellings.
fn digits<const N: usize>(text: &[u8]) -> Result<[u8; N], InvalidTraceContext> {
    let mut bytes = [0; N];
    if text.iter().any(u8::is_ascii_uppercase) {
        return Err(InvalidTraceContext);
    }
    hex::decode_to_slice(text, &mut bytes).map_err(|_| InvalidTraceContext)?;
    Ok(bytes)
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = u8::from(self.is_sampled);
        write!(f, "00-{}-{}-{flags:02x}", self.trace, self.span)
    }
}

impl TraceState {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The fields of one request, in their order, as one list (section 3.3.1.1). `None`: they
    /// say nothing.
    fn of<'a>(fields: impl Iterator<Item = &'a str>) -> Result<Option<Self>, InvalidTraceState> {
        let mut joined = String::new();
        for field in fields {
            if joined.len() + field.len() > MAX_STATE_BYTES {
                return Err(InvalidTraceState);
            }
            for entry in field.split(',').map(|entry| entry.trim_matches([' ', '\t'])) {
                // Empty ones are allowed and say nothing.
                if !entry.is_empty() {
                    let comma = if joined.is_empty() { "" } else { "," };
                    write!(joined, "{comma}{entry}").map_err(|_| InvalidTraceState)?;
                }
            }
        }
        if joined.is_empty() {
            return Ok(None);
        }
        let keys: Vec<_> = joined.split(',').map(key_of).collect::<Option<_>>().unwrap_or_default();
        let is_once = |key: &&str| keys.iter().filter(|other| *other == key).count() == 1;
        let good = (1..=MAX_STATE_ENTRIES).contains(&keys.len()) && keys.iter().all(is_once);
        if good { Ok(Some(Self(joined.into()))) } else { Err(InvalidTraceState) }
    }
}

/// The key of an entry, if the entry is well formed (section 3.3.1.3).
fn key_of(entry: &str) -> Option<&str> {
    let (key, value) = entry.split_once('=')?;
    let begins = |text: &str, digit: bool| {
        let first = text.bytes().next();
        first.is_some_and(|b| b.is_ascii_lowercase() || digit && b.is_ascii_digit())
    };
    let has_key_signs = |text: &str| {
        let sign = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-*/".contains(&b);
        text.bytes().all(sign)
    };
    let is_key = match key.split_once('@') {
        None => begins(key, true) && key.len() <= 256 && has_key_signs(key),
        Some((tenant, system)) => {
            begins(tenant, true)
                && tenant.len() <= 241
                && has_key_signs(tenant)
                && begins(system, false)
                && system.len() <= 14
                && has_key_signs(system)
        }
    };
    let sign = |b: u8| (0x20..0x7f).contains(&b) && b != b',' && b != b'=';
    let is_value = (1..=256).contains(&value.len()) && value.bytes().all(sign);
    (is_key && is_value).then_some(key)
}

impl IncomingTrace {
    /// What the fields of a request say. `None`: nothing that counts, and a new trace begins.
    ///
    /// Two `traceparent` are none: nobody could say which of them is meant. Without one,
    /// `tracestate` is not read.
    pub fn of<'a>(
        mut traceparent: impl Iterator<Item = &'a str>,
        tracestate: impl Iterator<Item = &'a str>,
    ) -> Option<Self> {
        let context = traceparent.next()?.parse().ok()?;
        if traceparent.next().is_some() {
            return None;
        }
        Some(Self { context, state: TraceState::of(tracestate).ok().flatten() })
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
