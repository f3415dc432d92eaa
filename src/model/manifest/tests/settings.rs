//! The schema of settings, and settings held against it.

use super::*;

#[test]
fn settings_are_a_plain_json_schema() {
    let found = |schema: Value| problems(&json!({ "settings": schema }));
    let defined = json!({
        "$defs": { "name": { "type": "string" } },
        "properties": { "$ref": { "$ref": "#/$defs/name" }, "id": { "type": "string" } },
    });
    assert_eq!(found(defined), [""; 0]);
    assert_eq!(found(json!(true)), ["settings wrong_type"]);
    assert_eq!(found(json!({ "type": "thing" })), ["settings settings_schema"]);
    assert_eq!(found(json!({ "pattern": "(" })), ["settings settings_schema"]);
    assert_eq!(found(json!({ "pattern": "(?=a)" })), ["settings settings_schema"]);
    assert_eq!(found(json!({ "pattern": "(a{1000}){1000}" })), ["settings settings_schema"]);
    assert_eq!(found(json!({ "default": "x".repeat(40_000) })), ["settings too_large"]);
    for reference in [
        json!({ "$ref": "https://example.com/schema" }),
        json!({ "$ref": "file:///etc/passwd" }),
        json!({ "$ref": "#" }),
        json!({ "$ref": "#/$defs/a/properties/b" }),
        json!({ "$id": "https://example.com/" }),
        json!({ "$dynamicRef": "#a" }),
        json!({ "$defs": { "a": { "$ref": "#/$defs/a" } }, "$ref": "#/$defs/a" }),
    ] {
        assert_eq!(found(reference.clone()), ["settings settings_reference"], "{reference}");
    }
}

#[test]
fn settings_of_an_install_are_held_against_the_schema() {
    let manifest = parsed(&json!({ "settings": {
        "type": "object",
        "properties": { "limit": { "type": "integer", "minimum": 1 } },
        "required": ["limit"],
        "additionalProperties": false,
    } }));
    let check = |settings: Value| manifest.check_settings(settings.as_object().unwrap());

    assert_eq!(check(json!({ "limit": 3 })), Ok(()));
    let faults = check(json!({ "limit": 0, "more": 1 })).unwrap_err();
    let found: Vec<_> = faults.iter().map(|f| format!("{} {}", f.path, f.code)).collect();
    assert_eq!(found, ["/limit settings_invalid", "$ settings_invalid"]);
    let none = parsed(&json!({}));
    assert_eq!(none.check_settings(&Map::new()), Ok(()));
    assert!(none.check_settings(json!({ "a": 1 }).as_object().unwrap()).is_err());
}

#[test]
fn a_default_is_what_a_property_says_itself() {
    let manifest = parsed(&json!({ "settings": {
        "default": { "whole": 1 },
        "properties": {
            "limit": { "default": 5 },
            "nested": { "properties": { "inner": { "default": 1 } } },
            "open": true,
        },
    } }));

    let defaults: Vec<_> = manifest.setting_defaults().collect();

    assert_eq!(defaults, [(&"limit".to_owned(), &json!(5))]);
    assert_eq!(parsed(&json!({})).setting_defaults().count(), 0);
}
