//! Header fields of a call to a server that only the host writes.

/// They are about the connection, which is the host's, about the length, which the host
/// counts, or about who is asking and in which trace, which a server may believe.
pub const HOST_FIELDS: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-real-ip",
];
/// And so are those whose names begin so.
pub const HOST_FIELD_PREFIXES: &[&str] = &["proxy-", "x-forwarded-"];

/// Whether a field of this name, in lower case, is the host's alone.
pub fn is_host_field(name: &str) -> bool {
    HOST_FIELDS.contains(&name) || HOST_FIELD_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}
