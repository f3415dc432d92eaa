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
mod tests {
    use super::*;

    fn framing(head: &str) -> Result<Framing, BadHead> {
        assert_eq!(end(head.as_bytes(), 0), Ok(Some(head.len())), "{head:?}");
        check(head.as_bytes())
    }

    fn with_headers(lines: &str) -> Result<Framing, BadHead> {
        framing(&format!("POST /a HTTP/1.1\r\nHost: a\r\n{lines}\r\n"))
    }

    #[test]
    fn a_plain_head_says_how_long_its_body_is() {
        assert_eq!(with_headers(""), Ok(Framing::Length(0)));
        assert_eq!(with_headers("Content-Length: 12\r\n"), Ok(Framing::Length(12)));
        assert_eq!(with_headers("transfer-encoding:CHUNKED\r\n"), Ok(Framing::Chunked));
        assert_eq!(framing("GET / HTTP/1.0\r\n\r\n"), Ok(Framing::Length(0)));
        assert_eq!(with_headers("X-Empty:\r\nX-Tab: a\tb\r\n"), Ok(Framing::Length(0)));
    }

    #[test]
    fn a_body_length_with_two_readings_is_refused() {
        for lines in [
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
            "Content-Length: 1\r\nContent-Length: 1\r\n",
            "Content-Length: 1\r\nContent-Length: 2\r\n",
            "Content-Length: 1, 1\r\n",
            "Content-Length: +1\r\n",
            "Content-Length: 0x1\r\n",
            "Content-Length:\r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked, identity\r\n",
            "Transfer-Encoding: xchunked\r\n",
        ] {
            assert_eq!(with_headers(lines), Err(BadHead::BodyLength), "{lines:?}");
        }
        let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(framing(old), Err(BadHead::BodyLength));
    }

    #[test]
    fn a_header_line_with_two_readings_is_refused() {
        for lines in [
            "Content-Length : 1\r\n",
            "Content-Length\t: 1\r\n",
            " folded: 1\r\n",
            "X-A: 1\r\n folded\r\n",
            "X-A: 1\r\n\tfolded: yes\r\n",
            "no colon\r\n",
            ": no name\r\n",
            "X-A: a\0b\r\n",
            "X-A: a\rX-B: b\r\n",
            "X(A): a\r\n",
        ] {
            assert_eq!(with_headers(lines), Err(BadHead::HeaderLine), "{lines:?}");
        }
    }

    #[test]
    fn a_request_line_is_three_words_of_http_1() {
        for line in [
            "GET / HTTP/2.0",
            "PRI * HTTP/2.0",
            "GET /",
            "GET / HTTP/1.1 x",
            "GET  / HTTP/1.1",
            "GET / HTTP/1.2",
            "GET / http/1.1",
            " GET / HTTP/1.1",
            "GET /\rHost: a HTTP/1.1",
        ] {
            let head = format!("{line}\r\nHost: a\r\n\r\n");
            assert_eq!(framing(&head), Err(BadHead::RequestLine), "{line:?}");
        }
    }

    #[test]
    fn a_request_has_one_host() {
        assert_eq!(framing("GET / HTTP/1.1\r\n\r\n"), Err(BadHead::Host));
        assert_eq!(with_headers("Host: b\r\n"), Err(BadHead::Host));
    }

    #[test]
    fn a_bare_line_feed_is_refused_as_soon_as_it_is_seen() {
        assert_eq!(end(b"GET / HTTP/1.1\n", 0), Err(BadHead::LineEnd));
        assert_eq!(end(b"GET / HTTP/1.1\r\nHost: a\n", 16), Err(BadHead::LineEnd));
        assert_eq!(end(b"GET / HTTP/1.1\r\n\n", 0), Err(BadHead::LineEnd));
    }

    #[test]
    fn the_end_is_found_wherever_the_bytes_are_cut() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest";
        for cut in 0..head.len() {
            let first = end(&head[..cut], 0).unwrap();
            let found = first.or(end(head, cut).unwrap());
            assert_eq!(found, Some(head.len() - 4), "cut at {cut}");
        }
    }
}
