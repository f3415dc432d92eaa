//! Signature Version 4 in the query: what makes an address one.
//!
//! `object_store` signs addresses, too, but refuses to sign `content-length`, and
//! without it an address is good for any number of bytes.

use std::fmt::Write;
use std::time::Duration;

use http::{HeaderMap, Method};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::hmac;

use crate::model::StreamHasher;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// What may stand in a query as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Whose signature it is.
pub(super) struct Signer<'a> {
    pub(super) access_key: &'a str,
    pub(super) secret_key: &'a str,
    pub(super) region: &'a str,
}

/// All that is signed. Whoever sends the request says the same, or is refused.
pub(super) struct Signed<'a> {
    pub(super) method: Method,
    /// `server:port`, as clients send it.
    pub(super) host: &'a str,
    /// With its slash in front, and nothing in it that would have to be encoded.
    pub(super) path: &'a str,
    pub(super) query: &'a [(&'a str, String)],
    /// Without `host`.
    pub(super) headers: &'a HeaderMap,
    pub(super) at: Timestamp,
    pub(super) life: Duration,
}

impl Signer<'_> {
    /// The query of the address, signature included.
    pub(super) fn query(&self, signed: &Signed<'_>) -> String {
        let time = signed.at.strftime("%Y%m%dT%H%M%SZ").to_string();
        let day = &time[..8];
        let scope = format!("{day}/{}/s3/aws4_request", self.region);
        let headers = canonical_headers(signed);
        let names = headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
        let fixed = [
            ("X-Amz-Algorithm", ALGORITHM.to_owned()),
            ("X-Amz-Credential", format!("{}/{scope}", self.access_key)),
            ("X-Amz-Date", time.clone()),
            ("X-Amz-Expires", signed.life.as_secs().to_string()),
            ("X-Amz-SignedHeaders", names.clone()),
        ];
        let query = canonical_query(signed.query.iter().chain(&fixed));
        let lines = headers.iter().fold(String::new(), |mut lines, (name, value)| {
            writeln!(lines, "{name}:{value}").expect("a text takes whatever is written");
            lines
        });
        let Signed { method, path, .. } = signed;
        let request = format!("{method}\n{path}\n{query}\n{lines}\n{names}\nUNSIGNED-PAYLOAD");
        let request = hex::encode(StreamHasher::digest(request.as_bytes()));
        let text = format!("{ALGORITHM}\n{time}\n{scope}\n{request}");
        let signature = hex::encode(mac(self.key(day).as_ref(), &text));
        format!("{query}&X-Amz-Signature={signature}")
    }

    fn key(&self, day: &str) -> hmac::Tag {
        let of_day = mac(format!("AWS4{}", self.secret_key).as_bytes(), day);
        let of_region = mac(of_day.as_ref(), self.region);
        mac(mac(of_region.as_ref(), "s3").as_ref(), "aws4_request")
    }
}

fn mac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

/// By name, each once: none of ours has two values.
fn canonical_headers(signed: &Signed<'_>) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let mut headers: Vec<_> = signed
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), one_spaced(&text(value))))
        .chain([("host".to_owned(), signed.host.to_owned())])
        .collect();
    headers.sort();
    headers
}

/// Without spaces at the ends, and with one where there are several.
fn one_spaced(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn canonical_query<'q>(pairs: impl Iterator<Item = &'q (&'q str, String)>) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
    let mut pairs: Vec<_> = pairs.map(|(name, value)| (encoded(name), encoded(value))).collect();
    pairs.sort();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::CONTENT_LENGTH;

    use super::*;

    const SIGNER: Signer<'_> = Signer {
        access_key: "AKIAIOSFODNN7EXAMPLE",
        secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        region: "us-east-1",
    };

    fn query(headers: &HeaderMap, query: &[(&str, String)]) -> String {
        SIGNER.query(&Signed {
            method: Method::GET,
            host: "examplebucket.s3.amazonaws.com",
            path: "/test.txt",
            query,
            headers,
            at: "2013-05-24T00:00:00Z".parse().unwrap(),
            life: Duration::from_hours(24),
        })
    }

    /// The example of the S3 API reference, "Authenticating Requests: Using Query Parameters".
    #[test]
    fn the_example_of_the_reference_has_the_signature_of_the_reference() {
        assert_eq!(
            query(&HeaderMap::new(), &[]),
            "X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
             &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
             &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        );
    }

    #[test]
    fn headers_and_parameters_are_named_in_order_and_change_the_signature() {
        let headers = |length: u64| HeaderMap::from_iter([(CONTENT_LENGTH, length.into())]);
        let part = [("partNumber", "1".to_owned()), ("uploadId", "a/b c".to_owned())];

        let three = query(&headers(3), &part);

        assert!(three.contains("&X-Amz-SignedHeaders=content-length%3Bhost&"), "{three}");
        assert!(three.contains("&partNumber=1&uploadId=a%2Fb%20c&X-Amz-Signature="), "{three}");
        let signature = |query: &str| query.rsplit('=').next().map(str::to_owned);
        assert_ne!(signature(&three), signature(&query(&headers(4), &part)));
        assert_ne!(signature(&three), signature(&query(&headers(3), &part[1..])));
        assert_ne!(signature(&three), signature(&query(&HeaderMap::new(), &part)));
    }

    #[test]
    fn spaces_count_as_a_server_counts_them() {
        let with = |text| {
            HeaderMap::from_iter([(http::header::CACHE_CONTROL, HeaderValue::from_static(text))])
        };

        assert_eq!(query(&with("a,  b"), &[]), query(&with("a, b"), &[]));
    }
}
