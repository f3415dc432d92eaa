//! The `__method` of `/api/ext-proxy`.

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{Method, header};
use memchr::memmem;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::request_body;
use crate::app::App;
use crate::web::error::ApiError;

const METHOD_OVERRIDE: &str = "__method";

/// What differs from the request as it was sent: the override of `ext-proxy`.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) query: Option<String>,
    /// Already read, to look for the override in it.
    pub(super) body: Option<Bytes>,
}

/// A POST may name another method in the query or at the top of a JSON body
/// (docs/API.md, "Calls"). The marker is removed; GET drops the body.
///
/// `limit` is asked before a body is read, and says how many bytes of it.
pub(super) async fn apply_override(
    request: Request,
    limit: impl FnOnce() -> Result<u64, ApiError>,
    app: &App,
) -> Result<(Request, Call), ApiError> {
    let (sent_query, method) = (request.uri().query().map(str::to_owned), request.method().clone());
    if method != Method::POST {
        return Ok((request, Call { method, query: sent_query, body: None }));
    }
    if let Some((method, rest)) = sent_query.as_deref().and_then(override_in_query) {
        let body = (method == Method::GET).then(Bytes::new);
        return Ok((request, Call { method, query: rest, body }));
    }
    let is_json = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/json"));
    if !is_json {
        return Ok((request, Call { method, query: sent_query, body: None }));
    }
    let limit = limit()?;
    let (parts, body) = request.into_parts();
    let body = request_body::read_whole(body, limit, app).await?;
    let (method, body) = match override_in_body(body.bytes()) {
        Some((method, rest)) => (method, body.rewritten(rest)),
        None => (method, body),
    };
    let request = Request::from_parts(parts, Body::empty());
    Ok((request, Call { method, query: sent_query, body: Some(body.into_bytes()) }))
}

fn override_in_query(query: &str) -> Option<(Method, Option<String>)> {
    let marker = |pair: &&str| pair.split('=').next() == Some(METHOD_OVERRIDE);
    let value = query.split('&').find(marker)?.split_once('=')?.1;
    let rest: Vec<_> = query.split('&').filter(|pair| !marker(pair)).collect();
    Some((overriding(value)?, (!rest.is_empty()).then(|| rest.join("&"))))
}

fn override_in_body(body: &Bytes) -> Option<(Method, Bytes)> {
    // Most bodies name none, and need not be taken apart. JSON can spell it with `\u005f`.
    memmem::find(body, METHOD_OVERRIDE.as_bytes()).or_else(|| memmem::find(body, br"\u"))?;
    let (marker, rest) = without_marker(body)?;
    let method = overriding(&serde_json::from_slice::<String>(marker).ok()?)?;
    let body = if method == Method::GET { Vec::new() } else { rest };
    Some((method, body.into()))
}

/// What the last marker at the top of a JSON object says, and the object without any.
///
/// All else stays as it was sent. Only the name of one member is held at a time, because what
/// a body becomes when it is parsed is many times as large.
fn without_marker(body: &[u8]) -> Option<(&[u8], Vec<u8>)> {
    serde_json::from_str::<IgnoredAny>(str::from_utf8(body).ok()?).ok()?;
    // It is JSON: where something is sought, it is there.
    let mut at = after_space(body, 0);
    (body.get(at) == Some(&b'{')).then_some(())?;
    let (mut marker, mut rest) = (None, Vec::with_capacity(body.len()));
    rest.push(b'{');
    while body.get(at) != Some(&b'}') {
        let start = after_space(body, at + 1);
        if body.get(start) == Some(&b'}') {
            break;
        }
        let (name, name_end) = first::<String>(body, start)?;
        let value = after_space(body, after_space(body, name_end) + 1);
        let (IgnoredAny, end) = first(body, value)?;
        if name == METHOD_OVERRIDE {
            marker = body.get(value..end);
        } else {
            if rest.len() > 1 {
                rest.push(b',');
            }
            rest.extend_from_slice(body.get(start..end)?);
        }
        at = after_space(body, end);
    }
    rest.push(b'}');
    Some((marker?, rest))
}

/// The JSON value at `start`, and where it ends.
fn first<T: DeserializeOwned>(body: &[u8], start: usize) -> Option<(T, usize)> {
    let mut values = serde_json::Deserializer::from_slice(body.get(start..)?).into_iter();
    let value = values.next()?.ok()?;
    Some((value, start + values.byte_offset()))
}

fn after_space(body: &[u8], start: usize) -> usize {
    let space = body.iter().skip(start).take_while(|byte| b" \t\r\n".contains(byte));
    start + space.count()
}

fn overriding(text: &str) -> Option<Method> {
    let allowed = ["GET", "POST", "PUT", "PATCH", "DELETE"];
    let text = text.to_ascii_uppercase();
    allowed.contains(&text.as_str()).then(|| Method::from_bytes(text.as_bytes()).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_method_marker_is_taken_out() {
        let (method, rest) = override_in_query("a=1&__method=put&b=2").unwrap();
        assert_eq!((method, rest.as_deref()), (Method::PUT, Some("a=1&b=2")));
        assert!(override_in_query("__method=TRACE").is_none());

        let (method, body) = override_in_body(&r#"{"__method":"DELETE","x":1}"#.into()).unwrap();
        assert_eq!((&method, &body[..]), (&Method::DELETE, &br#"{"x":1}"#[..]));
        assert!(override_in_body(&r#"{"x":"\u005f"}"#.into()).is_none());
        let escaped = r#"{"\u005f_m\u0065thod":"DELETE","x":1}"#;
        assert_eq!(override_in_body(&escaped.into()), Some((method, body)));
    }

    #[test]
    fn what_is_no_marker_stays_as_it_was_sent() {
        for (sent, rest) in [
            (r#"{"__method":"PUT"}"#, "{}"),
            (r#" { "a" : 1e400 , "__method" : "PUT" } "#, r#"{"a" : 1e400}"#),
            (
                r#"{"n":123456789012345678901,"__method":"PUT","n":{"__method":"GET"}}"#,
                r#"{"n":123456789012345678901,"n":{"__method":"GET"}}"#,
            ),
            (r#"{"__method":"GET","a":[],"__method":"PUT"}"#, r#"{"a":[]}"#),
        ] {
            let overridden = override_in_body(&sent.into());
            assert_eq!(overridden, Some((Method::PUT, rest.into())), "{sent}");
        }
    }

    #[test]
    fn what_is_no_object_with_a_method_has_no_marker() {
        for sent in [
            r#"["__method"]"#,
            r#"{"a":"__method"}"#,
            r#"{"a":{"__method":"PUT"}}"#,
            r#"{"__method":1}"#,
            r#"{"__method":"PUT""#,
            r#"{"__method":"PUT"} {}"#,
            r#"{"__method":"PUT",}"#,
            "{\"__method\":\"PUT\",\"\\u12\":1}",
        ] {
            assert_eq!(override_in_body(&sent.into()), None, "{sent}");
        }
        let not_text = b"{\"__method\":\"PUT\",\"a\":\"\xff\"}";
        assert_eq!(override_in_body(&Bytes::from_static(not_text)), None);
    }
}
