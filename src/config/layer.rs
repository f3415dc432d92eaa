//! One source of settings, laid over the ones before it.

use figment::{
    Error, Metadata, Profile, Provider,
    value::{Dict, Map, Num, Value},
};

use super::Config;

/// What one source says: a file, a variable, a credential or a flag.
pub(super) struct Layer {
    pub(super) source: String,
    pub(super) values: Dict,
}

impl Layer {
    /// Every key at its default.
    pub(super) fn defaults() -> Self {
        let values = Value::serialize(Config::default()).ok().and_then(Value::into_dict);
        Self { source: "default".to_owned(), values: values.expect("settings are a table") }
    }

    /// One key.
    pub(super) fn of_key(source: impl Into<String>, key: &str, value: Value) -> Self {
        let nested = figment::util::nest(key, value).into_dict();
        Self { source: source.into(), values: nested.expect("a key is not empty") }
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.source.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Profile::default().collect(self.values.clone()))
    }
}

/// Reads a text from a variable or a flag as the kind of value the key has.
///
/// The kind comes from the key and not from the text: an access key of digits
/// stays a text.
pub(super) fn value_of_text(default: &Value, text: &str) -> Result<Value, String> {
    match default {
        Value::Bool(..) => match text {
            "true" | "1" => Ok(Value::from(true)),
            "false" | "0" => Ok(Value::from(false)),
            _ => Err(format!("must be true or false, not `{text}`")),
        },
        Value::Num(_, Num::F64(_)) => text
            .parse::<f64>()
            .map(Value::from)
            .map_err(|_| format!("must be a number, not `{text}`")),
        Value::Num(..) => text
            .replace('_', "")
            .parse::<u64>()
            .map(|number| Value::from(Num::U64(number)))
            .map_err(|_| format!("must be a whole number, not `{text}`")),
        Value::Array(..) => Ok(list_of_text(text)),
        Value::Dict(..) => Err("is a table: set the keys in it".to_owned()),
        Value::String(..) | Value::Char(..) | Value::Empty(..) => Ok(Value::from(text)),
    }
}

/// A list is written as TOML writes it, or with commas.
fn list_of_text(text: &str) -> Value {
    let as_toml = text.trim_start().starts_with('[').then(|| {
        let table: Option<toml::Table> = format!("list = {text}").parse().ok();
        table.and_then(|table| Value::serialize(table.get("list")?).ok())
    });
    as_toml.flatten().unwrap_or_else(|| {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        Value::from(entries.map(Value::from).collect::<Vec<_>>())
    })
}
