//! JSON that means one thing: parsed once, by rules without room.

use std::{cell::RefCell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::ManifestProblem;

/// The longest manifest, in bytes.
const MAX_BYTES: usize = 256 * 1024;
/// The deepest nesting of objects and arrays.
const MAX_DEPTH: usize = 32;

/// Parses one JSON document.
///
/// Refuses what JSON parsers disagree about: a key twice, a byte order mark,
/// lone surrogates, numbers out of range, data behind the document.
pub(super) fn parse(json: &[u8]) -> Result<Value, ManifestProblem> {
    if json.len() > MAX_BYTES {
        let message = format!("the manifest is {} bytes; {MAX_BYTES} are allowed", json.len());
        return Err(problem("too_large", message));
    }
    if json.starts_with("\u{feff}".as_bytes()) {
        return Err(problem(
            "byte_order_mark",
            "the manifest begins with a byte order mark".into(),
        ));
    }
    let cause = RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let outcome = Strict { depth: 0, cause: &cause }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    outcome.map_err(|error| {
        let syntax = || problem("json_syntax", format!("the manifest is not JSON: {error}"));
        cause.take().unwrap_or_else(syntax)
    })
}

fn problem(code: &str, message: String) -> ManifestProblem {
    ManifestProblem { path: "$".to_owned(), code: code.to_owned(), message }
}

/// Builds a value `depth` levels down; leaves the cause where it is not the syntax.
#[derive(Clone, Copy)]
struct Strict<'c> {
    depth: usize,
    cause: &'c RefCell<Option<ManifestProblem>>,
}

impl Strict<'_> {
    fn refuse<E: Error>(self, code: &str, message: String) -> E {
        let error = E::custom(&message);
        self.cause.replace(Some(problem(code, message)));
        error
    }

    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            let message = format!("the manifest is nested more than {MAX_DEPTH} levels deep");
            return Err(self.refuse("too_deep", message));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let deeper = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element_seed(deeper)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let deeper = self.deeper()?;
        let mut members = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            // One reader would see the first value, and another the last.
            if members.contains_key(&key) {
                let shown: String = key.chars().take(80).collect();
                let message = format!("the key `{}` is there twice", shown.escape_debug());
                return Err(self.refuse("duplicate_key", message));
            }
            members.insert(key, access.next_value_seed(deeper)?);
        }
        Ok(Value::Object(members))
    }
}
