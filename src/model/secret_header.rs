//! The header that the host puts a secret into, and how it is written there.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{EgressRule, is_host_field};

/// Where the value stands in what is written.
const PLACE: &str = "{secret}";
/// Bytes of a name, and of what is written beside the value.
const MAX_BYTES: usize = 64;

/// What must not carry a secret beside the fields of the host: what is about the content or the
/// answer is for the guest, who would lose it; and a name of this appliance's own means
/// something else to it.
const NEVER: &[&str] = &[
    "age",
    "date",
    "from",
    "location",
    "origin",
    "range",
    "referer",
    "server",
    "set-cookie",
    "user-agent",
];
const NEVER_PREFIXES: &[&str] = &["accept", "content-", "if-", "sec-", "x-plugboard-"];

/// `authorization: Bearer {secret}`: a name in lower case, and what it is to say.
///
/// The name alone stands for the value alone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretHeader {
    name: String,
    before: String,
    after: String,
}

/// The text is no header for a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecretHeader {
    #[error(
        "a header for a secret is its name, or its name and what it says with `{{secret}}` in \
         it once, as `authorization: Bearer {{secret}}`"
    )]
    Malformed,
    #[error("this header is not for secrets: take `authorization` or one of the server's own")]
    NotForSecrets,
}

/// To which hosts a secret goes, and in which header. The extension itself never reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretBinding {
    /// At least one.
    pub hosts: Vec<EgressRule>,
    pub header: SecretHeader,
}

/// What a new value does to the hosts of the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindingChange {
    /// Nothing: who changes a value does not mean to let the extension read it.
    Keep,
    /// From now on the extension reads it.
    Unbind,
    Bind(SecretBinding),
}

impl SecretHeader {
    /// In lower case.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What stands before the value, and what behind it.
    pub fn around(&self) -> (&str, &str) {
        (&self.before, &self.after)
    }
}

impl Default for SecretHeader {
    /// What most services ask for.
    fn default() -> Self {
        let (name, before) = ("authorization".to_owned(), "Bearer ".to_owned());
        Self { name, before, after: String::new() }
    }
}

impl FromStr for SecretHeader {
    type Err = InvalidSecretHeader;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, says) = text.split_once(':').unwrap_or((text, PLACE));
        let name = name.trim().to_ascii_lowercase();
        // RFC 9110, section 5.6.2, without the signs that nobody has in a name.
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if name.is_empty() || name.len() > MAX_BYTES || !name.bytes().all(plain) {
            return Err(InvalidSecretHeader::Malformed);
        }
        let is_taken = NEVER_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        if is_taken || is_host_field(&name) || NEVER.contains(&name.as_str()) {
            return Err(InvalidSecretHeader::NotForSecrets);
        }
        let (before, after) =
            says.trim().split_once(PLACE).ok_or(InvalidSecretHeader::Malformed)?;
        let visible = |b: u8| b == b' ' || b.is_ascii_graphic();
        let is_good = |part: &str| part.bytes().all(visible) && !part.contains(PLACE);
        if before.len() + after.len() > MAX_BYTES || !is_good(before) || !is_good(after) {
            return Err(InvalidSecretHeader::Malformed);
        }
        Ok(Self { name, before: before.to_owned(), after: after.to_owned() })
    }
}

impl TryFrom<String> for SecretHeader {
    type Error = InvalidSecretHeader;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SecretHeader> for String {
    fn from(header: SecretHeader) -> Self {
        header.to_string()
    }
}

impl fmt::Display for SecretHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}{PLACE}{}", self.name, self.before, self.after)
    }
}

impl fmt::Debug for SecretHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SecretBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<_> = self.hosts.iter().map(ToString::to_string).collect();
        write!(f, "goes to {} as `{}`", hosts.join(", "), self.header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_a_name_and_what_is_around_the_value() {
        for (text, shown) in [
            ("Authorization: Bearer {secret}", "authorization: Bearer {secret}"),
            ("authorization:Token token=\"{secret}\"", "authorization: Token token=\"{secret}\""),
            ("X-API-Key", "x-api-key: {secret}"),
            (" private-token : {secret} ", "private-token: {secret}"),
            ("cookie: session={secret}; a=b", "cookie: session={secret}; a=b"),
        ] {
            let header: SecretHeader = text.parse().unwrap();
            assert_eq!(header.to_string(), shown);
            assert_eq!(shown.parse(), Ok(header));
        }
        assert_eq!(SecretHeader::default().to_string(), "authorization: Bearer {secret}");
    }

    #[test]
    fn what_is_no_header_or_would_be_another_line_is_refused() {
        let long = format!("a: {}{{secret}}", "x".repeat(MAX_BYTES + 1));
        for text in [
            "",
            ":",
            ": {secret}",
            "a b: {secret}",
            "a",
            "authorization: Bearer",
            "authorization: {secret}{secret}",
            "authorization: Bearer\r\nhost: evil.test {secret}",
            "authorization: Bearer\0{secret}",
            "authorization: B\u{e4}r {secret}",
            &long,
        ] {
            let expected = if text == "a" { Ok(()) } else { Err(InvalidSecretHeader::Malformed) };
            assert_eq!(text.parse::<SecretHeader>().map(|_| ()), expected, "{text:?}");
        }
    }

    #[test]
    fn headers_of_the_connection_the_content_and_the_host_carry_no_secret() {
        for name in NEVER.iter().copied().chain([
            "Content-Length",
            "content-type",
            "accept",
            "accept-encoding",
            "if-match",
            "proxy-authorization",
            "X-Forwarded-For",
            "x-plugboard-secret",
            "sec-fetch-site",
        ]) {
            let parsed = format!("{name}: {PLACE}").parse::<SecretHeader>();
            assert_eq!(parsed, Err(InvalidSecretHeader::NotForSecrets), "{name}");
        }
    }
}
