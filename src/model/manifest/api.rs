//! The `api` member: the calls an extension answers.

use std::collections::HashSet;

use super::findings::{Findings, Object, shown};
use super::text::TextRule;
use crate::model::{Endpoint, EndpointAuth, EndpointMethod, EndpointPath};

/// More endpoints than a gateway should look through.
const MAX_ENDPOINTS: usize = 1000;
/// A day: nobody means more.
const MAX_TIMEOUT_MS: u64 = 24 * 60 * 60 * 1000;
/// 1 GiB: nobody means more.
const MAX_BODY_BYTES: u64 = 1 << 30;

const KNOWN: [&str; 8] =
    ["auth", "handler", "max_body_bytes", "method", "path", "schedulable", "summary", "timeout_ms"];

pub(super) fn read(api: &Object<'_>, findings: &mut Findings) -> Vec<Endpoint> {
    let mut endpoints = Vec::new();
    let mut seen = HashSet::new();
    if api.get("endpoints").is_none() {
        findings.problem(&api.at("endpoints"), "missing", "`api.endpoints` is required");
    }
    for (path, value) in api.list("endpoints", MAX_ENDPOINTS, findings) {
        let endpoint = Object::of(value, &path, findings).and_then(|e| read_one(&e, findings));
        let Some(endpoint) = endpoint else { continue };
        // Which of two is meant, with its own `auth`, would depend on who looks.
        if !seen.insert((endpoint.method, shape(&endpoint.path))) {
            let message = format!("`{path}` is a second `{} {}`", endpoint.method, endpoint.path);
            findings.problem(&path, "duplicate_endpoint", message);
        }
        endpoints.push(endpoint);
    }
    api.warn_of_others(&["endpoints"], findings);
    endpoints
}

fn read_one(endpoint: &Object<'_>, findings: &mut Findings) -> Option<Endpoint> {
    let method = method(endpoint, findings);
    let path = path(endpoint, findings);
    let handler = handler(endpoint, findings);
    let auth = auth(endpoint, findings);
    let summary = endpoint.text("summary", TextRule::line(200), findings);
    let timeout_ms = endpoint.number("timeout_ms", 1..=MAX_TIMEOUT_MS, findings);
    let max_body_bytes = endpoint.number("max_body_bytes", 0..=MAX_BODY_BYTES, findings);
    let schedulable = endpoint.flag("schedulable", findings);
    endpoint.warn_of_others(&KNOWN, findings);
    Some(Endpoint {
        method: method?,
        path: path?,
        handler: handler?,
        auth,
        summary: summary.map(|text| text.trim().to_owned()),
        timeout_ms,
        max_body_bytes,
        schedulable: schedulable.unwrap_or_default(),
    })
}

fn method(endpoint: &Object<'_>, findings: &mut Findings) -> Option<EndpointMethod> {
    let text = endpoint.required_text("method", TextRule::line(16), findings)?;
    let method = EndpointMethod::parse(text.trim());
    if method.is_none() {
        let path = endpoint.at("method");
        let message = format!(
            "`{path}` is `{}`; it must be one of GET, POST, PUT, PATCH, DELETE, OPTIONS, HEAD",
            shown(text)
        );
        findings.problem(&path, "method_invalid", message);
    }
    method
}

fn path(endpoint: &Object<'_>, findings: &mut Findings) -> Option<EndpointPath> {
    let text = endpoint.required_text("path", TextRule::line(512), findings)?;
    match text.parse() {
        Ok(path) => Some(path),
        Err(error) => {
            let path = endpoint.at("path");
            findings.problem(&path, "path_invalid", format!("`{path}` is no path: {error}"));
            None
        }
    }
}

/// Cleaned as paths are: a leading `./` goes, repeated slashes become one.
fn handler(endpoint: &Object<'_>, findings: &mut Findings) -> Option<String> {
    let text = endpoint.required_text("handler", TextRule::line(256), findings)?.trim();
    if text.contains("..") {
        let path = endpoint.at("handler");
        findings.problem(&path, "handler_invalid", format!("`{path}` must not have `..`"));
        return None;
    }
    let mut handler = text.strip_prefix("./").unwrap_or(text).to_owned();
    while handler.contains("//") {
        handler = handler.replace("//", "/");
    }
    Some(handler)
}

fn auth(endpoint: &Object<'_>, findings: &mut Findings) -> EndpointAuth {
    let Some(text) = endpoint.text("auth", TextRule::line(16), findings) else {
        return EndpointAuth::default();
    };
    match text {
        "session" => EndpointAuth::Session,
        "token" => EndpointAuth::Token,
        "public" => EndpointAuth::Public,
        _ => {
            let path = endpoint.at("auth");
            let message =
                format!("`{path}` is `{}`; it must be session, token or public", shown(text));
            findings.problem(&path, "auth_invalid", message);
            EndpointAuth::default()
        }
    }
}

/// The path without what does not decide which requests it matches.
fn shape(path: &EndpointPath) -> String {
    let segments = path.as_str().trim_end_matches('/').split('/');
    let shapes: Vec<_> = segments.map(|s| if s.starts_with(':') { ":" } else { s }).collect();
    shapes.join("/")
}
