//! Walks the members of a JSON object and collects what is wrong with them.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::text::TextRule;
use super::{ManifestProblem, ManifestWarning};

/// Everything found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) problems: Vec<ManifestProblem>,
    pub(super) warnings: Vec<ManifestWarning>,
}

impl Findings {
    pub(super) fn problem(&mut self, path: &str, code: &str, message: impl Into<String>) {
        let (path, code, message) = (path.to_owned(), code.to_owned(), message.into());
        self.problems.push(ManifestProblem { path, code, message });
    }

    pub(super) fn warn(&mut self, path: &str, code: &str, message: impl Into<String>) {
        let (path, code, message) = (path.to_owned(), code.to_owned(), message.into());
        self.warnings.push(ManifestWarning { path, code, message });
    }

    /// `path` must be `wanted` and is something else.
    pub(super) fn wrong_type(&mut self, path: &str, wanted: &str) {
        self.problem(path, "wrong_type", format!("`{path}` must be {wanted}"));
    }
}

/// An object of the manifest and where it is.
#[derive(Debug)]
pub(super) struct Object<'v> {
    members: &'v Map<String, Value>,
    path: String,
}

impl<'v> Object<'v> {
    /// The document.
    pub(super) fn root(members: &'v Map<String, Value>) -> Self {
        Self { members, path: String::new() }
    }

    /// `value` at `path`, when it is an object.
    pub(super) fn of(value: &'v Value, path: &str, findings: &mut Findings) -> Option<Self> {
        let members = value.as_object();
        if members.is_none() {
            findings.wrong_type(path, "an object");
        }
        Some(Self { members: members?, path: path.to_owned() })
    }

    pub(super) fn get(&self, key: &str) -> Option<&'v Value> {
        self.members.get(key)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'v str> {
        self.members.keys().map(String::as_str)
    }

    /// Where the member `key` is: `api.endpoints[0].path`.
    pub(super) fn at(&self, key: &str) -> String {
        let key = shown(key);
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }

    pub(super) fn text(
        &self,
        key: &str,
        rule: TextRule,
        findings: &mut Findings,
    ) -> Option<&'v str> {
        let value = self.get(key)?;
        check_text(value, &self.at(key), rule, findings)
    }

    pub(super) fn required_text(
        &self,
        key: &str,
        rule: TextRule,
        findings: &mut Findings,
    ) -> Option<&'v str> {
        if self.get(key).is_none() {
            let path = self.at(key);
            findings.problem(&path, "missing", format!("`{path}` is required"));
        }
        self.text(key, rule, findings)
    }

    pub(super) fn object(&self, key: &str, findings: &mut Findings) -> Option<Self> {
        Self::of(self.get(key)?, &self.at(key), findings)
    }

    /// The items of a list with at most `max` of them, each with its path.
    pub(super) fn list(
        &self,
        key: &str,
        max: usize,
        findings: &mut Findings,
    ) -> Vec<(String, &'v Value)> {
        let path = self.at(key);
        match self.get(key) {
            None => Vec::new(),
            Some(Value::Array(items)) if items.len() > max => {
                let count = items.len();
                let message = format!("`{path}` has {count} items; {max} are allowed");
                findings.problem(&path, "too_many", message);
                Vec::new()
            }
            Some(Value::Array(items)) => {
                items.iter().enumerate().map(|(i, v)| (format!("{path}[{i}]"), v)).collect()
            }
            Some(_) => {
                findings.wrong_type(&path, "an array");
                Vec::new()
            }
        }
    }

    pub(super) fn number(
        &self,
        key: &str,
        range: RangeInclusive<u64>,
        findings: &mut Findings,
    ) -> Option<u64> {
        let number = self.get(key)?.as_u64().filter(|number| range.contains(number));
        if number.is_none() {
            let (path, from, to) = (self.at(key), range.start(), range.end());
            let message = format!("`{path}` must be a whole number from {from} to {to}");
            findings.problem(&path, "number_invalid", message);
        }
        number
    }

    pub(super) fn flag(&self, key: &str, findings: &mut Findings) -> Option<bool> {
        let flag = self.get(key)?.as_bool();
        if flag.is_none() {
            findings.wrong_type(&self.at(key), "`true` or `false`");
        }
        flag
    }

    /// Warns of members that nothing reads.
    pub(super) fn warn_of_others(&self, known: &[&str], findings: &mut Findings) {
        for key in self.keys().filter(|key| !known.contains(key)) {
            let path = self.at(key);
            findings.warn(&path, "ignored_key", format!("`{path}` has no meaning and is ignored"));
        }
    }
}

/// `value` at `path`, when it is a text that fits the rule.
pub(super) fn check_text<'v>(
    value: &'v Value,
    path: &str,
    rule: TextRule,
    findings: &mut Findings,
) -> Option<&'v str> {
    let Value::String(text) = value else {
        findings.wrong_type(path, "a string");
        return None;
    };
    match rule.check(text) {
        Ok(()) => Some(text),
        Err((code, what)) => {
            findings.problem(path, code, format!("`{path}` {what}"));
            None
        }
    }
}

/// A text of the publisher's as a message can show it.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(80).collect::<String>().escape_debug().to_string()
}
