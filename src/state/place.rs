//! What guests send, checked: where a value stands, and a value to put there.

use jiff::SignedDuration;

use crate::config::StateConfig;

/// Characters of a namespace.
const MAX_NAMESPACE: usize = 128;
/// The longest life of a value that ends by itself.
pub(super) const MAX_TTL: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A namespace and a key in it, within the limits.
///
/// Both are any text that is not empty: `/`, `..` or NUL mean nothing here, because
/// the parts of a row's key are never joined to one text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    namespace: String,
    key: String,
}

/// A value to put, within the limits.
#[derive(Clone, Debug)]
pub struct Put {
    pub place: Place,
    pub(super) value: Vec<u8>,
    /// Put it only where this revision is; never where there is nothing.
    pub(super) if_revision: Option<u64>,
}

/// Why something is not kept, wherever it is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("a namespace has 1 to {MAX_NAMESPACE} characters")]
    Namespace,
    #[error("a key has 1 to {0} bytes")]
    Key(u64),
    #[error("a value has at most {0} bytes")]
    Value(u64),
    #[error("a revision is 1 to {0}")]
    Revision(u64),
    #[error("a value that ends by itself lives for at most 30 days")]
    Ttl,
}

impl Place {
    /// Checks a namespace and a key against the limits.
    pub fn new(namespace: String, key: String, limits: &StateConfig) -> Result<Self, Refused> {
        Self::check_namespace(&namespace)?;
        if key.is_empty() || key.len() as u64 > limits.max_key_bytes {
            return Err(Refused::Key(limits.max_key_bytes));
        }
        Ok(Self { namespace, key })
    }

    /// Refuses a text that is no namespace.
    pub fn check_namespace(namespace: &str) -> Result<(), Refused> {
        // Not all of a long text is counted.
        match namespace.chars().take(MAX_NAMESPACE + 1).count() {
            1..=MAX_NAMESPACE => Ok(()),
            _ => Err(Refused::Namespace),
        }
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The key in it.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Both.
    pub(super) fn parts(&self) -> (&str, &str) {
        (&self.namespace, &self.key)
    }

    /// Bytes of both.
    pub const fn bytes(&self) -> usize {
        self.namespace.len() + self.key.len()
    }
}

impl Put {
    /// Checks a value against the limits.
    pub fn new(place: Place, value: Vec<u8>, limits: &StateConfig) -> Result<Self, Refused> {
        if value.len() as u64 > limits.max_value_bytes {
            return Err(Refused::Value(limits.max_value_bytes));
        }
        Ok(Self { place, value, if_revision: None })
    }

    /// The same, put only where `revision` is.
    #[must_use]
    pub fn if_revision(self, revision: Option<u64>) -> Self {
        Self { if_revision: revision, ..self }
    }

    /// Bytes of the value and of where it is put.
    pub const fn bytes(&self) -> usize {
        self.place.bytes() + self.value.len()
    }

    /// The value.
    pub fn value(&self) -> &[u8] {
        &self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(namespace: &str, key: &str) -> Result<Place, Refused> {
        Place::new(namespace.to_owned(), key.to_owned(), &StateConfig::default())
    }

    #[test]
    fn any_text_within_the_limits_is_a_place() {
        for text in ["a", "/", "..", "a:b", "\0", "é", "a/../b"] {
            place(text, text).unwrap();
        }
        place(&"é".repeat(128), &"k".repeat(512)).unwrap();
    }

    #[test]
    fn what_is_empty_or_too_long_is_no_place() {
        for namespace in [String::new(), "n".repeat(129), "é".repeat(129)] {
            assert_eq!(place(&namespace, "k"), Err(Refused::Namespace));
        }
        for key in [String::new(), "k".repeat(513), "é".repeat(257)] {
            assert_eq!(place("n", &key), Err(Refused::Key(512)));
        }
    }

    #[test]
    fn a_value_has_a_size_within_the_limits() {
        let limits = StateConfig::default();
        let put = |bytes| Put::new(place("n", "k").unwrap(), vec![0; bytes], &limits);

        assert!(put(1024 * 1024).is_ok());
        assert_eq!(put(1024 * 1024 + 1).unwrap_err(), Refused::Value(1024 * 1024));
    }
}
