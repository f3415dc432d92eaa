//! What a real server refuses of requests with signed addresses, and `s3s` 0.14 does not:
//! it checks method, path, query, signed headers and expiry, and nothing beside them.

use hyper::header::HeaderName;
use hyper::{HeaderMap, Uri, header};

/// The status and the code that such a request deserves.
pub(super) fn refusal(uri: &Uri, headers: &HeaderMap) -> Option<(u16, &'static str)> {
    let pairs: Vec<_> = url::form_urlencoded::parse(uri.query()?.as_bytes()).collect();
    let find = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    find("X-Amz-Signature")?;
    // Two ways to say who one is are two readings of one request.
    if headers.contains_key(header::AUTHORIZATION) {
        return Some((400, "InvalidArgument"));
    }
    // What changes the meaning of a request must be signed.
    let signed: Vec<_> = find("X-Amz-SignedHeaders")?.split(';').map(str::to_owned).collect();
    let mut meaningful =
        headers.keys().map(HeaderName::as_str).filter(|name| name.starts_with("x-amz-"));
    let unsigned = meaningful.any(|name| !signed.iter().any(|each| each == name));
    unsigned.then_some((403, "AccessDenied"))
}
