//! What a guest answers, held against what HTTP allows.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::error::CallError;
use super::guest_stream::GuestStream;
use super::slots::Slot;

/// Headers of a response at most.
const MAX_HEADERS: usize = 64;
/// Bytes of all header names and values at most.
const MAX_HEADER_BYTES: usize = 32 * 1024;
/// Bytes of a whole body above which its slot is kept. Of less, the number of connections bounds
/// what there can be.
const LONG_BODY_BYTES: u64 = 256 * 1024;

/// A well-formed response. Which headers may leave is for the caller to say.
#[derive(Debug)]
pub struct GuestResponse {
    /// 200 to 599.
    pub status: u16,
    pub headers: HeaderMap,
    pub body: GuestBody,
    /// Where a long body that is whole has its place.
    pub slot: KeptSlot,
    /// Nothing yet, while the body still grows.
    pub usage: Usage,
}

/// The body of a response.
#[derive(Debug)]
pub enum GuestBody {
    /// All of it; the execution is over.
    Whole(Bytes),
    /// The execution goes on until the body ends or is dropped.
    Stream(GuestStream),
}

/// The slot of an execution that is over, kept for as long as its body is there; or none.
///
/// Otherwise clients that take their time would have as many bodies in memory as there are
/// connections: this way there are as many as slots.
#[derive(Default)]
pub struct KeptSlot(Option<Slot>);

/// A body and what is given back with it.
struct Keeping {
    body: Bytes,
    _slot: Slot,
}

/// What an execution took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Wall time, without the wait for a slot.
    pub duration: Duration,
    /// Time on a processor.
    pub cpu: Duration,
    /// Bytes of all memories of the guest at their largest.
    pub peak_memory_bytes: u64,
    /// Calls to the host's own interfaces, to `wasi:keyvalue` and `wasi:config`; those to other
    /// parts of WASI are not counted. A batch and long values are more than one.
    pub host_calls: u32,
    /// Bytes of the request body that came.
    pub request_bytes: u64,
    /// Bytes of the response body that the guest gave.
    pub response_bytes: u64,
    /// Lines that reached the log.
    pub log_lines: u32,
    /// Lines beyond the limits.
    pub dropped_log_lines: u32,
}

impl GuestResponse {
    /// Checks the parts that a guest made.
    pub(super) fn checked(
        status: u16,
        headers: HeaderMap,
        body: Bytes,
        max_body_bytes: u64,
    ) -> Result<Self, CallError> {
        check_status(status)?;
        check_size(&headers)?;
        if body.len() as u64 > max_body_bytes {
            return Err(CallError::TooLarge { limit: max_body_bytes });
        }
        let (body, usage) = (GuestBody::Whole(body), Usage::default());
        Ok(Self { status, headers, body, slot: KeptSlot::default(), usage })
    }

    /// How long the guest says that its body is.
    pub fn announced(&self) -> Option<u64> {
        announced(&self.headers)
    }

    /// Bytes of a body that is all there.
    pub(super) fn whole_bytes(&self) -> u64 {
        match &self.body {
            GuestBody::Whole(body) => body.len() as u64,
            GuestBody::Stream(_) => 0,
        }
    }

    pub(super) fn using(self, usage: Usage) -> Self {
        Self { usage, ..self }
    }

    /// Whether its body is whole and long.
    pub(super) fn is_long(&self) -> bool {
        self.whole_bytes() > LONG_BODY_BYTES
    }

    /// Keeps the slot if the body is long, and else gives it back.
    pub(super) fn holding(self, slot: Slot) -> Self {
        let slot = KeptSlot(self.is_long().then_some(slot));
        Self { slot, ..self }
    }
}

impl KeptSlot {
    /// The body, with which the slot is given back once nothing of it is in memory any more;
    /// nothing if there is no slot to keep.
    pub fn hold(self, body: &Bytes) -> Option<Bytes> {
        let slot = self.0?;
        Some(Bytes::from_owner(Keeping { body: body.clone(), _slot: slot }))
    }
}

impl fmt::Debug for KeptSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeptSlot").field(&self.0.is_some()).finish()
    }
}

impl AsRef<[u8]> for Keeping {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

pub(super) fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Interim responses and numbers that are no status would break the connection.
fn check_status(status: u16) -> Result<(), CallError> {
    if (200..=599).contains(&status) {
        Ok(())
    } else {
        Err(CallError::BadResponse(format!("{status} is no final HTTP status (200 to 599)")))
    }
}

/// A header from text. A line break or NUL in it would smuggle a second header.
pub(super) fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), CallError> {
    let bad =
        |part: &str| CallError::BadResponse(format!("a header {part} has illegal characters"));
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad("name"))?;
    let value = HeaderValue::from_str(value).map_err(|_| bad("value"))?;
    Ok((name, value))
}

/// Checked before the headers are parsed: a header map panics at 32,769.
pub(super) fn check_count(count: usize) -> Result<(), CallError> {
    if count <= MAX_HEADERS {
        Ok(())
    } else {
        Err(CallError::BadResponse(format!("{count} headers; at most {MAX_HEADERS}")))
    }
}

/// More than any peer of ours would accept is an attack on it.
fn check_size(headers: &HeaderMap) -> Result<(), CallError> {
    check_count(headers.len())?;
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes <= MAX_HEADER_BYTES {
        Ok(())
    } else {
        Err(CallError::BadResponse(format!("{bytes} bytes of headers; at most {MAX_HEADER_BYTES}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(status: u16, headers: HeaderMap) -> Result<GuestResponse, CallError> {
        GuestResponse::checked(status, headers, Bytes::new(), 10)
    }

    #[test]
    fn only_final_statuses_are_responses() {
        for status in [200, 204, 404, 599] {
            assert!(checked(status, HeaderMap::new()).is_ok(), "{status}");
        }
        for status in [0, 99, 100, 101, 199, 600, 999, u16::MAX] {
            let error = checked(status, HeaderMap::new());
            assert!(matches!(error, Err(CallError::BadResponse(_))), "{status}");
        }
    }

    #[test]
    fn a_header_cannot_carry_a_second_one() {
        for (name, value) in [
            ("a", "b\r\nc: d"),
            ("a", "b\nc"),
            ("a", "b\0"),
            ("a\r\nb", "c"),
            ("a b", "c"),
            ("", "c"),
        ] {
            assert!(matches!(header(name, value), Err(CallError::BadResponse(_))), "{name:?}");
        }
        assert!(header("X-Ext-Name", "caf\u{e9}\t").is_ok());
    }

    #[test]
    fn headers_are_counted_and_weighed() {
        let value = HeaderValue::from_static("v");
        let many = |count: usize| {
            let name = |n: usize| HeaderName::try_from(format!("x-{n}")).unwrap();
            (0..count).map(|n| (name(n), value.clone())).collect::<HeaderMap>()
        };
        let long = HeaderValue::try_from("v".repeat(MAX_HEADER_BYTES)).unwrap();
        let heavy = HeaderMap::from_iter([(HeaderName::from_static("x"), long)]);

        assert!(checked(200, many(MAX_HEADERS)).is_ok());
        assert!(matches!(checked(200, many(MAX_HEADERS + 1)), Err(CallError::BadResponse(_))));
        assert!(matches!(checked(200, heavy), Err(CallError::BadResponse(_))));
    }

    #[test]
    fn a_body_at_the_limit_passes_and_one_byte_more_does_not() {
        let body = |len| Bytes::from(vec![0; len]);

        assert!(GuestResponse::checked(200, HeaderMap::new(), body(10), 10).is_ok());
        let error = GuestResponse::checked(200, HeaderMap::new(), body(11), 10);
        assert!(matches!(error, Err(CallError::TooLarge { limit: 10 })));
    }
}
