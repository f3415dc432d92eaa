//! The settings of an install as its extension reads them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Each setting as text, by its key: what is set, and the default of the schema for what
/// is not.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SettingTexts(BTreeMap<Box<str>, Box<str>>);

impl SettingTexts {
    /// What is in `settings` wins over `defaults`.
    pub fn new<'a>(
        settings: &'a Map<String, Value>,
        defaults: impl Iterator<Item = (&'a String, &'a Value)>,
    ) -> Self {
        let all = defaults.chain(settings);
        Self(all.map(|(key, value)| (key.as_str().into(), text(value).into())).collect())
    }

    /// The text of one setting.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|text| &**text)
    }

    /// All of them, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, text)| (&**key, &**text))
    }
}

/// As hosts of the extension world have always written settings for their guests.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_texts_and_what_is_set_wins() {
        let object = |value: Value| value.as_object().unwrap().clone();
        let defaults = object(json!({"a": "default", "b": 1.50, "c": "kept"}));
        let set = object(json!({
            "a": "say \"hi\"", "b": null, "d": true, "e": ["x", 1], "f": {"g": null}
        }));

        let texts = SettingTexts::new(&set, defaults.iter());

        let all = [
            ("a", "say \"hi\""),
            ("b", ""),
            ("c", "kept"),
            ("d", "true"),
            ("e", r#"["x",1]"#),
            ("f", r#"{"g":null}"#),
        ];
        assert_eq!(texts.iter().collect::<Vec<_>>(), all);
        assert_eq!([texts.get("c"), texts.get("C")], [Some("kept"), None]);
    }
}
