//! What is told of one part of a call.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::model::{Clock, SpanId, TraceContext};

/// Attributes of one span; what comes after them is left out.
const ATTRIBUTES: usize = 24;
/// Bytes of one text; the rest is cut off.
const TEXT_BYTES: usize = 256;

/// What a span is of, in the words of OpenTelemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A part of the work of this program.
    Internal,
    /// The answer to a call from outside.
    Server,
    /// A call to somebody outside.
    Client,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text(Cow<'static, str>),
    Number(i64),
    Truth(bool),
}

/// A name, and what is known beside it. Both are bounded.
#[derive(Clone, Debug)]
pub struct Span {
    pub(super) name: Cow<'static, str>,
    pub(super) kind: Kind,
    pub(super) attributes: Vec<(&'static str, Value)>,
    pub(super) failed: bool,
}

impl Span {
    pub fn new(kind: Kind, name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: cut(name.into()), kind, attributes: Vec::new(), failed: false }
    }

    /// Adds an attribute, in the place of one of the same name.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        let value = match value.into() {
            Value::Text(text) => Value::Text(cut(text)),
            value @ (Value::Number(_) | Value::Truth(_)) => value,
        };
        if let Some((_, old)) = self.attributes.iter_mut().find(|(known, _)| *known == key) {
            *old = value;
        } else if self.attributes.len() < ATTRIBUTES {
            self.attributes.push((key, value));
        }
    }

    /// [`Span::set`] in the making of it.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.set(key, value);
        self
    }

    /// Notes the status of what a server answered: of 400 and above, whoever called has not
    /// got what it wanted.
    pub fn answered(&mut self, status: u16) {
        self.set("http.response.status_code", status);
        if status >= 400 {
            self.failed = true;
            self.set("error.type", status.to_string());
        }
    }

    /// Notes the status that was answered to whoever called: of 500 and above it is our
    /// failure, and how is known already if an execution failed.
    pub fn served(&mut self, status: u16) {
        self.set("http.response.status_code", status);
        if status >= 500 && !self.failed {
            self.failed = true;
            self.set("error.type", status.to_string());
        }
    }

    /// Says that it failed, and in one of a few words how.
    pub fn fail(&mut self, error_type: &'static str) {
        self.failed = true;
        self.set("error.type", error_type);
    }
}

fn cut(text: Cow<'static, str>) -> Cow<'static, str> {
    if text.len() <= TEXT_BYTES {
        return text;
    }
    text[..text.floor_char_boundary(TEXT_BYTES)].to_owned().into()
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Truth(truth)
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// A span that goes on.
pub(super) struct Draft {
    pub(super) context: TraceContext,
    parent: Option<SpanId>,
    at: Timestamp,
    began: Instant,
    span: Mutex<Span>,
}

/// A span that is over.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) context: TraceContext,
    pub(super) parent: Option<SpanId>,
    pub(super) span: Span,
    pub(super) began: Timestamp,
    pub(super) took: Duration,
}

impl Draft {
    pub(super) fn new(
        span: Span,
        context: TraceContext,
        parent: Option<SpanId>,
        clock: &dyn Clock,
    ) -> Self {
        let (at, began) = (clock.now(), Instant::now());
        Self { context, parent, at, began, span: Mutex::new(span) }
    }

    pub(super) fn note(&self, note: impl FnOnce(&mut Span)) {
        // A list of attributes: whole after every step, even if a thread panicked.
        note(&mut self.span.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What is left behind is a span without a name.
    pub(super) fn end(&mut self) -> Ended {
        let span = self.span.get_mut().unwrap_or_else(PoisonError::into_inner);
        let span = std::mem::replace(span, Span::new(Kind::Internal, ""));
        let Self { context, parent, at: began, .. } = *self;
        Ended { context, parent, span, began, took: self.began.elapsed() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_texts_and_the_number_of_attributes_are_bounded() {
        const KEYS: [&str; 26] = [
            "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q",
            "r", "s", "t", "u", "v", "w", "x", "y", "z",
        ];
        let mut span = Span::new(Kind::Server, "ä".repeat(200));
        for key in KEYS {
            span.set(key, "€".repeat(100));
            span.set(key, "€".repeat(101));
        }

        assert_eq!(span.name.len(), TEXT_BYTES);
        assert_eq!(span.attributes.len(), ATTRIBUTES);
        for (_, value) in &span.attributes {
            let Value::Text(text) = value else { panic!("{value:?}") };
            assert_eq!(**text, "€".repeat(85));
        }
    }
}
