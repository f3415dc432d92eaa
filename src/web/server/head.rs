//! The strict reading of a request head, before the HTTP library sees it.
//!
//! Two programs that disagree about where a request ends can be made to hand
//! one user's request to another (request smuggling). The library accepts some
//! spellings that others read differently; here everything with two readings is
//! refused. What passes, it reads as we do.

use memchr::{memchr, memchr_iter};

/// What follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// This many bytes of body, then the next head.
    Length(u64),
    /// A chunked body.
    Chunked,
}

/// A head with more than one reading, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadHead {
    #[error("a line does not end with CR LF")]
    LineEnd,
    #[error("the request line is not method, target and HTTP/1.0 or HTTP/1.1")]
    RequestLine,
    #[error("a header line is not a name, a colon and a value")]
    HeaderLine,
    #[error("there is not exactly one host header")]
    Host,
    #[error("the length of the body is said wrongly or more than once")]
    BodyLength,
}

/// Where the head ends in `bytes`, if it does. `scanned` bytes have been looked
/// at by an earlier call.
pub(super) fn end(bytes: &[u8], scanned: usize) -> Result<Option<usize>, BadHead> {
    for at in memchr_iter(b'\n', &bytes[scanned..]).map(|at| at + scanned) {
        // A bare line feed ends a line for some and is a part of it for others.
        if !bytes[..at].ends_with(b"\r") {
            return Err(BadHead::LineEnd);
        }
        if bytes[..at].ends_with(b"\r\n\r") {
            return Ok(Some(at + 1));
        }
    }
    Ok(None)
}

/// Checks a whole head, with the empty line at its end.
pub(super) fn check(head: &[u8]) -> Result<Framing, BadHead> {
    let lines = head.strip_suffix(b"\r\n\r\n").ok_or(BadHead::LineEnd)?;
    let (first, mut rest) = cut_line(lines);
    let is_1_1 = check_request_line(first)?;
    let mut found = Found::default();
    while let Some(lines) = rest {
        let (line, after) = cut_line(lines);
        found.add(line)?;
        rest = after;
    }
    // One host for everybody on the way: with two, each picks its own.
    if found.hosts > 1 || (is_1_1 && found.hosts == 0) {
        return Err(BadHead::Host);
    }
    match (found.length, found.chunked) {
        (length, false) => Ok(Framing::Length(length.unwrap_or(0))),
        (None, true) if is_1_1 => Ok(Framing::Chunked),
        // A length beside chunks is the classic disagreement.
        (_, true) => Err(BadHead::BodyLength),
    }
}

/// The first line without its end, and the lines after it if there are any.
fn cut_line(lines: &[u8]) -> (&[u8], Option<&[u8]>) {
    let (line, rest) = match memchr(b'\n', lines) {
        Some(at) => (&lines[..at], Some(&lines[at + 1..])),
        None => (lines, None),
    };
    (line.strip_suffix(b"\r").unwrap_or(line), rest)
}

/// Whether the version is 1.1; method and target are the library's to judge.
fn check_request_line(line: &[u8]) -> Result<bool, BadHead> {
    let mut words = line.split(|byte| *byte == b' ');
    let words = [words.next(), words.next(), words.next(), words.next()];
    match words {
        [Some(method), Some(target), Some(version), None]
            if !method.is_empty() && !target.is_empty() && !line.contains(&b'\r') =>
        {
            match version {
                b"HTTP/1.1" => Ok(true),
                b"HTTP/1.0" => Ok(false),
                _ => Err(BadHead::RequestLine),
            }
        }
        _ => Err(BadHead::RequestLine),
    }
}

#[derive(Default)]
struct Found {
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
}

impl Found {
    fn add(&mut self, line: &[u8]) -> Result<(), BadHead> {
        let colon = memchr(b':', line).ok_or(BadHead::HeaderLine)?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        // Also refuses a space before the colon, and a continued line, which begins with one.
        if name.is_empty() || !name.iter().copied().all(is_name_byte) {
            return Err(BadHead::HeaderLine);
        }
        // A tab is the only control character a value may have.
        if value.iter().any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f) {
            return Err(BadHead::HeaderLine);
        }
        if name.eq_ignore_ascii_case(b"host") {
            self.hosts += 1;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            self.add_length(value.trim_ascii())?;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            // Other codings, or `chunked` twice, are read differently or not at all.
            let chunked = value.trim_ascii().eq_ignore_ascii_case(b"chunked");
            if self.chunked || !chunked {
                return Err(BadHead::BodyLength);
            }
            self.chunked = true;
        }
        Ok(())
    }

    fn add_length(&mut self, value: &[u8]) -> Result<(), BadHead> {
        // `parse` alone would take a plus sign. Twice the same length is refused too.
        let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let length = std::str::from_utf8(value).ok().filter(|_| digits);
        let length = length.and_then(|text| text.parse().ok()).ok_or(BadHead::BodyLength)?;
        match self.length.replace(length) {
            None => Ok(()),
            Some(_) => Err(BadHead::BodyLength),
        }
    }
}

/// The characters of a token (RFC 9110, 5.6.2).
const fn is_name_byte(byte: u8) -> bool {
    NAME_BYTES[byte as usize]
}

/// By byte: every header of every request is looked at.
const NAME_BYTES: [bool; 256] = {
    let (mut bytes, others) = ([false; 256], b"!#$%&'*+-.^_`|~");
    let mut byte = 0_u8;
    while byte < 128 {
        bytes[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < others.len() {
        bytes[others[at] as usize] = true;
        at += 1;
    }
    bytes
};

#[cfg(test)]
mod tests;
