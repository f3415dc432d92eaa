//! What a settings form shows and reads.

use serde_json::json;

use super::*;

fn schema() -> Value {
    json!({
        "type": "object",
        "required": ["greeting"],
        "properties": {
            "greeting": {"type": "string", "title": "Greeting", "default": "Hello"},
            "letter": {"type": "string", "maxLength": 4000},
            "limit": {"type": "integer"},
            "mode": {"enum": ["fast", "safe", 3]},
            "ratio": {"type": "number"},
            "tags": {"type": "array"},
            "verbose": {"type": "boolean"},
        },
    })
}

fn sent(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn form() -> SettingsForm {
    SettingsForm::new(&schema(), &Map::new())
}

#[test]
fn every_kind_of_value_comes_back_as_its_type() {
    let filled = sent(&[
        ("setting.greeting", "Hi"),
        ("setting.letter", "a\r\nb"),
        ("setting.limit", " 42 "),
        ("setting.mode", "3"),
        ("setting.ratio", "0.5"),
        ("setting.tags", "[\"a\"]"),
        ("setting.verbose", "true"),
    ]);

    let read = form().read(&filled).unwrap();

    let expected = json!({
        "greeting": "Hi", "letter": "a\nb", "limit": 42, "mode": 3, "ratio": 0.5,
        "tags": ["a"], "verbose": true,
    });
    assert_eq!(Value::Object(read), expected);
}

#[test]
fn an_empty_field_is_absent_unless_it_is_required() {
    let read = form().read(&sent(&[("setting.greeting", "Hi")])).unwrap();
    assert_eq!(Value::Object(read), json!({"greeting": "Hi", "verbose": false}));

    let errors = form().read(&[]).unwrap_err();
    assert_eq!(errors, FormErrors::one("setting-0", "Enter a value for Greeting."));
}

#[test]
fn every_field_that_cannot_be_read_is_named() {
    let wrong = sent(&[
        ("setting.greeting", "Hi"),
        ("setting.limit", "many"),
        ("setting.mode", "slow"),
        ("setting.ratio", "NaN"),
        ("setting.tags", "[1"),
    ]);

    let errors = form().read(&wrong).unwrap_err();

    let fields: Vec<_> = errors.errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["setting-2", "setting-3", "setting-4", "setting-5"]);
}

#[test]
fn a_schema_without_properties_is_edited_as_json() {
    let current = Map::from_iter([("any".to_owned(), json!(1))]);
    let form = SettingsForm::new(&json!({"type": "object"}), &current);

    assert_eq!(form.fields[0].value, "{\n  \"any\": 1\n}");
    let read = form.read(&sent(&[("settings", "{\"other\": 2}")])).unwrap();
    assert_eq!(Value::Object(read), json!({"other": 2}));
    assert!(form.read(&sent(&[("settings", "[]")])).is_err());
}

#[test]
fn current_values_win_over_defaults_and_sent_ones_over_both() {
    let current = Map::from_iter([("greeting".to_owned(), json!("Good day"))]);

    assert_eq!(form().fields[0].value, "Hello");
    let form = SettingsForm::new(&schema(), &current);
    assert_eq!(form.fields[0].value, "Good day");
    assert_eq!(form.refill(&sent(&[("setting.greeting", "Hi")])).fields[0].value, "Hi");
}

#[test]
fn a_place_in_the_settings_names_its_field() {
    assert_eq!(form().field_at("/limit"), "setting-2");
    assert_eq!(form().field_at("/tags/0"), "setting-5");
    assert_eq!(form().field_at(""), "setting-0");
}

#[test]
fn the_limits_of_a_number_are_in_its_hint_and_a_password_is_not_shown() {
    let schema = json!({"type": "object", "properties": {
        "a": {"type": "integer", "minimum": 1, "maximum": 100, "description": "Calls a minute"},
        "b": {"type": "number", "exclusiveMinimum": 0},
        "c": {"type": "number", "exclusiveMinimum": 0, "maximum": 0.5, "description": "Share."},
        "d": {"type": "string", "minimum": 1, "format": "password", "maxLength": 4000},
    }});

    let form = SettingsForm::new(&schema, &Map::new());

    let hints: Vec<_> = form.fields.iter().map(|field| field.description.as_deref()).collect();
    let all = "Share. More than 0 and at most 0.5.";
    let expected = [Some("Calls a minute. From 1 to 100."), Some("More than 0."), Some(all), None];
    assert_eq!(hints, expected);
    assert_eq!(form.fields[3].input, SettingInput::Password);
    let read = form.read(&sent(&[("setting.d", "s3cret")])).unwrap();
    assert_eq!(Value::Object(read), json!({"d": "s3cret"}));
}
