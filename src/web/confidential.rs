//! Bodies with a secret in them: read into memory that is cleared when it is given back,
//! and quoted by no error.
//!
//! The pieces in which a body arrives are the connection's, and are not cleared.

use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::digest::DigestCheck;
use super::error::ApiError;
use super::guard::SessionCookie;
use crate::app::App;
use crate::app::sign_in::csrf_token_fits;

/// The most bytes of a body: a value of which every byte is written as six, and the rest.
const MAX_BODY_BYTES: usize = 128 * 1024;

/// A JSON body of at most 128 KiB.
pub(super) struct ConfidentialJson<T>(pub(super) T);

impl<S, T> FromRequest<S> for ConfidentialJson<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        if !has_type(&request, "application/json") {
            let detail = "the body must be JSON, with `content-type: application/json`";
            return Err(ApiError::malformed(detail));
        }
        let body = read(request).await?;
        serde_json::from_slice(&body).map(Self).map_err(|error| {
            // Its own words may quote what it found.
            let (line, column) = (error.line(), error.column());
            let detail = format!("the body does not fit at line {line}, column {column}");
            ApiError::malformed(detail)
                .hint("send {\"value\": \"…\"}, \"expires_at\" if it expires, and \"hosts\" and \"header\" if it \
                       goes with calls")
        })
    }
}

/// A form of a page, with the session's CSRF token in `csrf_token`.
pub(super) struct ConfidentialForm(Zeroizing<Vec<u8>>);

impl FromRequest<Arc<App>> for ConfidentialForm {
    type Rejection = ApiError;

    async fn from_request(request: Request, _app: &Arc<App>) -> Result<Self, ApiError> {
        let cookie = request.extensions().get::<SessionCookie>().cloned();
        if !has_type(&request, "application/x-www-form-urlencoded") {
            return Err(ApiError::malformed("the body must be a form"));
        }
        let form = Self(read(request).await?);
        let sent = form.text("csrf_token")?;
        match cookie {
            Some(SessionCookie(cookie)) if csrf_token_fits(&cookie, &sent) => Ok(form),
            _ => Err(ApiError::cross_site()),
        }
    }
}

impl ConfidentialForm {
    /// A field that may be shown; empty when it was not sent.
    pub(super) fn text(&self, name: &str) -> Result<String, ApiError> {
        String::from_utf8(self.field(name).to_vec()).map_err(|_| not_text(name))
    }

    /// A field that may not, as it was typed: browsers send line ends as CR LF. One at its
    /// end is left out, as it is for files.
    pub(super) fn secret(&self, name: &str) -> Result<SecretString, ApiError> {
        let field = self.field(name);
        let mut typed = Zeroizing::new(Vec::with_capacity(field.len()));
        for (at, byte) in field.iter().enumerate() {
            if *byte != b'\r' || field.get(at + 1) != Some(&b'\n') {
                typed.push(*byte);
            }
        }
        let typed = typed.strip_suffix(b"\n").unwrap_or(&typed);
        let text = std::str::from_utf8(typed).map_err(|_| not_text(name))?;
        Ok(SecretString::new(text.into()))
    }

    fn field(&self, name: &str) -> Zeroizing<Vec<u8>> {
        let mut pairs = self.0.split(|byte| *byte == b'&');
        let value = |pair: &[u8]| {
            let (key, value) = match pair.iter().position(|byte| *byte == b'=') {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &[][..]),
            };
            (*decoded(key) == name.as_bytes()).then(|| decoded(value))
        };
        pairs.find_map(value).unwrap_or_default()
    }
}

fn not_text(name: &str) -> ApiError {
    ApiError::malformed(format!("the field `{name}` is not UTF-8 text"))
}

/// As `application/x-www-form-urlencoded` decodes it, without copies on the way.
fn decoded(raw: &[u8]) -> Zeroizing<Vec<u8>> {
    let digit = |at: usize| raw.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut plain, mut at) = (Zeroizing::new(Vec::with_capacity(raw.len())), 0);
    while at < raw.len() {
        let escaped = match (raw[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => u8::try_from(16 * high + low).ok(),
            _ => None,
        };
        let byte = if raw[at] == b'+' { b' ' } else { raw[at] };
        plain.push(escaped.unwrap_or(byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    plain
}

fn has_type(request: &Request, wanted: &str) -> bool {
    let sent = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = sent.and_then(|value| value.split(';').next()).unwrap_or_default();
    kind.trim().eq_ignore_ascii_case(wanted)
}

async fn read(request: Request) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    let (parts, mut body) = request.into_parts();
    let digests = DigestCheck::of(&parts.headers)?;
    let too_large = |found| ApiError::too_large("the body", MAX_BODY_BYTES as u64, found);
    let announced = http_body::Body::size_hint(&body).lower();
    if announced > MAX_BODY_BYTES as u64 {
        return Err(too_large(Some(announced)));
    }
    // All at once: what grows leaves copies behind.
    let mut read = Zeroizing::new(Vec::with_capacity(MAX_BODY_BYTES));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| ApiError::malformed("the body broke off"))?;
        let Ok(piece) = frame.into_data() else { continue };
        if read.len() + piece.len() > MAX_BODY_BYTES {
            return Err(too_large(None));
        }
        read.extend_from_slice(&piece);
    }
    digests.check_bytes(&read)?;
    Ok(read)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn form(body: &str) -> ConfidentialForm {
        ConfidentialForm(Zeroizing::new(body.as_bytes().to_vec()))
    }

    #[test]
    fn a_form_is_read_as_browsers_write_it() {
        let form = form("key=api_key&empty=&value=a%26b+%2B%0D%0Ac%C3%A9%0D%0A&value=second&bare");

        assert_eq!(form.text("key").unwrap(), "api_key");
        assert_eq!(form.secret("value").unwrap().expose_secret(), "a&b +\ncé");
        for name in ["empty", "bare", "none"] {
            assert_eq!(form.text(name).unwrap(), "", "{name}");
        }
    }

    #[test]
    fn what_is_no_text_is_refused_and_a_stray_percent_sign_is_itself() {
        let form = form("value=%ff%fe&other=100%&third=%zz%4");

        assert!(form.secret("value").is_err() && form.text("value").is_err());
        assert_eq!(form.text("other").unwrap(), "100%");
        assert_eq!(form.text("third").unwrap(), "%zz%4");
    }
}
