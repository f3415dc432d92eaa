//! A plain form made from a manifest's settings schema, and its way back to JSON.
//!
//! A schema is written by a publisher: what the form cannot show becomes a text
//! area with JSON in it. The values are judged against the schema elsewhere.

use serde_json::{Map, Number, Value};

use super::FormErrors;
use super::failure::sentence;

/// Longer texts get a text area.
const LINE: u64 = 200;
/// The field for all settings at once, where the schema names none.
const WHOLE: &str = "settings";

/// The fields for one schema.
#[derive(Clone, Debug)]
pub struct SettingsForm {
    pub fields: Vec<SettingField>,
}

/// One setting.
#[derive(Clone, Debug)]
pub struct SettingField {
    /// The id on the page, which errors refer to: `setting-0`, `setting-1`, …
    pub id: String,
    /// The form field's name: `setting.` and the key; `settings` for all at once.
    pub name: String,
    /// The schema's title, or the key.
    pub label: String,
    /// The schema's description, and the numbers that it allows.
    pub description: Option<String>,
    pub required: bool,
    /// The default, as text.
    pub default: Option<String>,
    pub input: SettingInput,
    /// What the field shows; `true` for a marked check box.
    pub value: String,
    key: String,
    schema: Value,
}

/// How a setting is edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingInput {
    Line,
    /// A line that nobody reads over a shoulder: `format` is `password`.
    Password,
    Text,
    Number,
    Integer,
    Check,
    /// One of these, each as text.
    Choice(Vec<String>),
    Json,
}

impl SettingsForm {
    /// The form for `schema`, filled with `current`, and with defaults where nothing is set.
    pub fn new(schema: &Value, current: &Map<String, Value>) -> Self {
        let properties = schema.get("properties").and_then(Value::as_object);
        let Some(properties) = properties.filter(|properties| !properties.is_empty()) else {
            return Self { fields: vec![SettingField::whole(schema, current)] };
        };
        let required = |key: &str| {
            let names = schema.get("required").and_then(Value::as_array);
            names.is_some_and(|names| names.iter().any(|name| name == key))
        };
        let fields = properties.iter().enumerate().map(|(index, (key, schema))| SettingField {
            id: format!("setting-{index}"),
            name: format!("setting.{key}"),
            required: required(key),
            ..SettingField::of(key, schema, current.get(key))
        });
        Self { fields: fields.collect() }
    }

    /// Shows again what was sent.
    #[must_use]
    pub fn refill(mut self, sent: &[(String, String)]) -> Self {
        for field in &mut self.fields {
            field.value = sent_value(sent, &field.name).unwrap_or_default().to_owned();
        }
        self
    }

    /// The settings that were sent. An empty field that may be absent is absent.
    pub fn read(&self, sent: &[(String, String)]) -> Result<Map<String, Value>, FormErrors> {
        let mut settings = Map::new();
        let mut errors = FormErrors::none();
        for field in &self.fields {
            let text = sent_value(sent, &field.name).unwrap_or_default();
            match field.parse(text) {
                Ok(Some(Value::Object(whole))) if field.name == WHOLE => settings = whole,
                Ok(Some(value)) => {
                    settings.insert(field.key.clone(), value);
                }
                Ok(None) => {}
                Err(message) => errors.add(&field.id, message),
            }
        }
        if errors.is_empty() { Ok(settings) } else { Err(errors) }
    }

    /// The id of the field for a place in the settings, as `/greeting/0`; the first for none.
    pub fn field_at(&self, pointer: &str) -> &str {
        let key = pointer.trim_start_matches('/').split('/').next().unwrap_or_default();
        let key = key.replace("~1", "/").replace("~0", "~");
        let field = self.fields.iter().find(|field| field.key == key).or(self.fields.first());
        field.map_or("", |field| &field.id)
    }
}

fn sent_value<'a>(sent: &'a [(String, String)], name: &str) -> Option<&'a str> {
    sent.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
}

impl SettingField {
    fn of(key: &str, schema: &Value, current: Option<&Value>) -> Self {
        let input = SettingInput::of(schema);
        let text = |name: &str| schema.get(name).and_then(Value::as_str).map(str::to_owned);
        let default = schema.get("default");
        Self {
            id: String::new(),
            name: String::new(),
            label: text("title").unwrap_or_else(|| key.to_owned()),
            description: described(text("description"), limits(schema, &input)),
            required: false,
            default: default.map(|value| shown(value, &input)),
            value: current.or(default).map(|value| shown(value, &input)).unwrap_or_default(),
            input,
            key: key.to_owned(),
            schema: schema.clone(),
        }
    }

    fn whole(schema: &Value, current: &Map<String, Value>) -> Self {
        Self {
            id: "setting-0".to_owned(),
            name: WHOLE.to_owned(),
            label: "Settings".to_owned(),
            required: true,
            default: None,
            input: SettingInput::Json,
            value: shown(&Value::Object(current.clone()), &SettingInput::Json),
            ..Self::of("", schema, None)
        }
    }

    /// `Ok(None)`: not set.
    fn parse(&self, text: &str) -> Result<Option<Value>, String> {
        if self.input == SettingInput::Check {
            return Ok(Some(Value::Bool(text == "true")));
        }
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return if self.required { Err(self.missing()) } else { Ok(None) };
        }
        let label = &self.label;
        match &self.input {
            SettingInput::Line | SettingInput::Password => Ok(Some(Value::from(text))),
            // Browsers send line ends as CR LF, whatever was typed.
            SettingInput::Text => Ok(Some(Value::from(text.replace("\r\n", "\n")))),
            SettingInput::Integer => {
                let number = trimmed.parse::<i64>().map(Value::from);
                number.map(Some).map_err(|_| format!("{label} is a whole number, as 42."))
            }
            SettingInput::Number => {
                let whole = trimmed.parse::<i64>().ok().map(Number::from);
                let number = whole.or_else(|| Number::from_f64(trimmed.parse().ok()?));
                number
                    .map(|number| Some(Value::Number(number)))
                    .ok_or_else(|| format!("{label} is a number, as 0.5."))
            }
            SettingInput::Choice(_) => match self.choice(text) {
                Some(value) => Ok(Some(value)),
                None => Err(format!("Choose one of the values of {label}.")),
            },
            SettingInput::Json => {
                let value: Value = serde_json::from_str(trimmed)
                    .map_err(|error| format!("{label} is not JSON: {error}."))?;
                if self.name == WHOLE && !value.is_object() {
                    return Err(
                        "The settings are one JSON object: {\"key\": \"value\"}.".to_owned()
                    );
                }
                Ok(Some(value))
            }
            SettingInput::Check => unreachable!("check boxes are read above"),
        }
    }

    fn missing(&self) -> String {
        let verb = if matches!(self.input, SettingInput::Choice(_)) { "Choose" } else { "Enter" };
        format!("{verb} a value for {}.", self.label)
    }

    fn choice(&self, text: &str) -> Option<Value> {
        let values = self.schema.get("enum")?.as_array()?;
        values.iter().find(|value| plain(value) == text).cloned()
    }
}

impl SettingInput {
    fn of(schema: &Value) -> Self {
        let values = schema.get("enum").and_then(Value::as_array);
        if let Some(values) = values.filter(|values| values.iter().all(is_scalar)) {
            return Self::Choice(values.iter().map(plain).collect());
        }
        let longest = schema.get("maxLength").and_then(Value::as_u64).unwrap_or(LINE);
        match schema.get("type").and_then(Value::as_str) {
            Some("string") if schema.get("format").is_some_and(|format| format == "password") => {
                Self::Password
            }
            Some("string") if longest > LINE => Self::Text,
            Some("string") => Self::Line,
            Some("number") => Self::Number,
            Some("integer") => Self::Integer,
            Some("boolean") => Self::Check,
            _ => Self::Json,
        }
    }
}

/// `From 1 to 100.`, of a number that has limits.
fn limits(schema: &Value, input: &SettingInput) -> Option<String> {
    if !matches!(input, SettingInput::Number | SettingInput::Integer) {
        return None;
    }
    let number = |name: &str| schema.get(name).filter(|limit| limit.is_number());
    let from = number("minimum").map(|limit| ("at least", limit));
    let from = from.or(number("exclusiveMinimum").map(|limit| ("more than", limit)));
    let to = number("maximum").map(|limit| ("at most", limit));
    let to = to.or(number("exclusiveMaximum").map(|limit| ("less than", limit)));
    match (from, to) {
        (Some(("at least", from)), Some(("at most", to))) => Some(format!("From {from} to {to}.")),
        (Some((than, from)), Some((below, to))) => {
            Some(sentence(&format!("{than} {from} and {below} {to}")))
        }
        (Some((word, limit)), None) | (None, Some((word, limit))) => {
            Some(sentence(&format!("{word} {limit}")))
        }
        (None, None) => None,
    }
}

fn described(description: Option<String>, limits: Option<String>) -> Option<String> {
    match (description, limits) {
        (Some(text), Some(limits)) if text.trim_end().ends_with(['.', '!', '?']) => {
            Some(format!("{} {limits}", text.trim_end()))
        }
        (Some(text), Some(limits)) => Some(format!("{}. {limits}", text.trim_end())),
        (text, limits) => text.or(limits),
    }
}

fn is_scalar(value: &Value) -> bool {
    !value.is_array() && !value.is_object()
}

/// A value as an option of a list.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn shown(value: &Value, input: &SettingInput) -> String {
    if *input == SettingInput::Json {
        return serde_json::to_string_pretty(value).expect("a JSON value has string keys only");
    }
    plain(value)
}

#[cfg(test)]
mod tests;
