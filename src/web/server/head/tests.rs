//! Heads with two readings, and those with one.

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
