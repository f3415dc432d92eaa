//! Settings that are written as text: the empty text means not set.
//!
//! Used as `#[serde(with = "text")]` on the field and `text::optional` where
//! it may be empty.

use std::{fmt::Display, net::SocketAddr, str::FromStr};

use serde::{Deserialize, Deserializer, Serializer, de};

use super::Origin;

/// What a person must write, for the error message.
pub(super) trait Written: FromStr + Display {
    const EXPECTED: &str;
}

impl Written for SocketAddr {
    const EXPECTED: &str = "an IP address and a port, as `127.0.0.1:7420`";
}

impl Written for Origin {
    const EXPECTED: &str = "an origin, as `https://plugboard.example.net`";
}

pub(super) fn serialize<T: Written, S: Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

pub(super) fn deserialize<'de, T: Written, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    parse(&String::deserialize(deserializer)?)
}

fn parse<T: Written, E: de::Error>(text: &str) -> Result<T, E> {
    text.parse().map_err(|_| E::custom(format!("must be {}, not `{text}`", T::EXPECTED)))
}

/// The same for a setting that may be empty.
pub(super) mod optional {
    use super::{Deserialize, Deserializer, Serializer, Written, parse};

    #[expect(clippy::ref_option, reason = "serde hands over a reference to the field")]
    pub(in crate::config) fn serialize<T: Written, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.collect_str(value),
            None => serializer.serialize_str(""),
        }
    }

    pub(in crate::config) fn deserialize<'de, T: Written, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() { Ok(None) } else { parse(&text).map(Some) }
    }
}
