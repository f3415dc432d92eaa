//! A setting that must not be seen.

use std::{borrow::Cow, fmt, fs, path::Path};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

/// Text that neither `Debug` nor `Serialize` shows. Empty means not set.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Secret(SecretString);

impl Secret {
    /// The text, for the one place that sends it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }
}

/// Reads the file that is set in place of `secret`, whose key is `beside`, or says what is
/// wrong with it.
pub(super) fn read_secret_file(
    secret: &mut Secret,
    file: &Path,
    beside: &str,
) -> Result<(), String> {
    if file.as_os_str().is_empty() {
        return Ok(());
    }
    if !secret.is_empty() {
        return Err(format!("{beside} is set too: keep one of them"));
    }
    match fs::read_to_string(file) {
        Ok(text) if text.trim().is_empty() => Err(format!("{} is empty", file.display())),
        Ok(text) => {
            *secret = Secret::from(text.trim_end_matches(['\r', '\n']).to_owned());
            Ok(())
        }
        Err(error) => Err(format!("{} cannot be read: {error}", file.display())),
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "(not set)" } else { "(set, not shown)" })
    }
}

impl Serialize for Secret {
    /// Always the empty text, so that no dump of a configuration holds a secret.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("")
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_shown_by_nothing() {
        let secret = Secret::from("hunter2".to_owned());

        assert_eq!(format!("{secret:?}"), "(set, not shown)");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"\"");
        assert_eq!(secret.expose(), "hunter2");
    }
}
