//! The `settings` member: a JSON Schema for what an operator can set per install.
//!
//! It comes from a publisher and is run by the appliance, so it may only be a
//! plain one: no references but to its own definitions, one level of them, and
//! patterns that match in linear time.

use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};

use super::ManifestProblem;
use super::findings::{Findings, shown};

/// The longest schema, in bytes of compact JSON.
const MAX_BYTES: usize = 32 * 1024;
/// Bytes of one compiled pattern.
const MAX_PATTERN_BYTES: usize = 256 * 1024;
/// The most faults of a value that are reported.
const MAX_FAULTS: usize = 50;

const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];

/// The schema, when it is one.
pub(super) fn read(schema: &Value, findings: &mut Findings) -> Option<Value> {
    if !schema.is_object() {
        findings.wrong_type("settings", "an object: a JSON Schema");
        return None;
    }
    let size = schema.to_string().len();
    if size > MAX_BYTES {
        let message = format!("`settings` is {size} bytes; {MAX_BYTES} are allowed");
        findings.problem("settings", "too_large", message);
        return None;
    }
    let mut references = Vec::new();
    collect_references(schema, false, &mut references);
    if let Some(reference) = references.first() {
        let message = format!("`settings` refers to `{}`: {REFERENCE_RULE}", shown(reference));
        findings.problem("settings", "settings_reference", message);
        return None;
    }
    if let Err(error) = validator(schema) {
        let message = format!("`settings` is not a valid JSON Schema: {}", shown(&error));
        findings.problem("settings", "settings_schema", message);
        return None;
    }
    Some(schema.clone())
}

/// Checks a value against a schema that [`read`] accepted.
pub(super) fn check(
    schema: Option<&Value>,
    settings: &Map<String, Value>,
) -> Result<(), Vec<ManifestProblem>> {
    let fault = |path: String, code: &str, message: String| ManifestProblem {
        path: if path.is_empty() { "$".to_owned() } else { path },
        code: code.to_owned(),
        message,
    };
    let Some(schema) = schema else {
        if settings.is_empty() {
            return Ok(());
        }
        let message = "the extension has no settings".to_owned();
        return Err(vec![fault(String::new(), "settings_unknown", message)]);
    };
    let invalid = |error| vec![fault(String::new(), "settings_schema", error)];
    let validator = validator(schema).map_err(invalid)?;
    let settings = Value::Object(settings.clone());
    let faults: Vec<_> = validator
        .iter_errors(&settings)
        .take(MAX_FAULTS)
        .map(|e| fault(e.instance_path().to_string(), "settings_invalid", e.to_string()))
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// The defaults of a schema's own properties, as the form of the settings shows them.
pub(super) fn defaults(schema: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    let properties = schema.and_then(|schema| schema.get("properties")?.as_object());
    let all = properties.into_iter().flatten();
    all.filter_map(|(key, property)| Some((key, property.get("default")?)))
}

const REFERENCE_RULE: &str =
    "only `#/$defs/…` and `#/definitions/…` are allowed, and not inside a definition";

fn validator(schema: &Value) -> Result<Validator, String> {
    // The default engine backtracks: a pattern of 30 characters could run for hours.
    let patterns =
        PatternOptions::regex().size_limit(MAX_PATTERN_BYTES).dfa_size_limit(MAX_PATTERN_BYTES);
    jsonschema::options()
        .offline()
        .with_pattern_options(patterns)
        .build(schema)
        .map_err(|error| error.to_string())
}

/// References that would fetch something, never end, or grow without bound.
///
/// With definitions that refer to each other, thirty lines can describe 2^30 steps.
fn collect_references<'v>(value: &'v Value, in_definition: bool, found: &mut Vec<&'v str>) {
    match value {
        Value::Array(items) => {
            for item in items {
                collect_references(item, in_definition, found);
            }
        }
        Value::Object(members) => {
            for (key, value) in members {
                if let Value::String(target) = value
                    && is_bad_reference(key, target, in_definition)
                {
                    found.push(target);
                }
                let in_definition = in_definition || DEFINITIONS.contains(&key.as_str());
                collect_references(value, in_definition, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_bad_reference(key: &str, target: &str, in_definition: bool) -> bool {
    match key {
        "$ref" => {
            let is_plain = |name: &str| !name.is_empty() && !name.contains(['/', '%', '~']);
            let names_one = DEFINITIONS.iter().any(|folder| {
                let rest = target.strip_prefix("#/").and_then(|t| t.strip_prefix(folder));
                rest.and_then(|t| t.strip_prefix('/')).is_some_and(is_plain)
            });
            in_definition || !names_one
        }
        "$dynamicRef" | "$recursiveRef" | "$id" | "id" | "$anchor" | "$dynamicAnchor" => {
            key != "id" || target.contains(['#', ':', '/'])
        }
        _ => false,
    }
}
