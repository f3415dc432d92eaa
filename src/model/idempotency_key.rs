//! A client's name for one call that it may send twice.

use std::{fmt, str::FromStr};

/// Characters of a key at most.
const MAX_LENGTH: usize = 255;

/// 1 to 255 visible ASCII characters and spaces.
///
/// It names nothing by itself: whose call of what it is, is part of what is
/// looked up by it.
#[derive(Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// The text is not a key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key is 1 to {MAX_LENGTH} visible ASCII characters and spaces")]
pub struct InvalidIdempotencyKey;

impl IdempotencyKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = InvalidIdempotencyKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_visible = text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
        if (1..=MAX_LENGTH).contains(&text.len()) && is_visible {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidIdempotencyKey)
        }
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_short_and_visible() {
        for text in ["1", "a b", "~!", &"k".repeat(255)] {
            assert_eq!(text.parse::<IdempotencyKey>().unwrap().as_str(), text);
        }
        for text in ["", "a\tb", "a\nb", "\u{7f}", "ä", &"k".repeat(256)] {
            assert_eq!(text.parse::<IdempotencyKey>(), Err(InvalidIdempotencyKey), "{text:?}");
        }
    }
}
