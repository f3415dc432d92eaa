//! Every key there is, with its meaning, default and value: what
//! `config.example.toml` and `plugboard config show` print.

use std::path::Path;

use figment::{
    Figment,
    value::{Num, Value},
};
use schemars::generate::SchemaSettings;
use serde_json::Value as Json;

use super::{Config, Secret};

/// One key as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The dotted key.
    pub key: String,
    /// What it means, in one line.
    pub comment: String,
    /// Its default, as TOML writes it.
    pub default: String,
    /// Its value, as TOML writes it; a secret is not shown.
    pub value: String,
    /// Where the value came from.
    pub source: String,
}

/// A key and what its doc comment says.
struct Described {
    key: String,
    comment: String,
    /// A table: it has keys and no value.
    is_table: bool,
}

/// Every key and table, in the order of `config.example.toml`.
///
/// The doc comments are in the program through the schema of [`Config`], which
/// sorts its keys; the order of the fields is the one TOML is written in.
fn described() -> Vec<Described> {
    let settings = SchemaSettings::draft2020_12().with(|made| made.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<Config>();
    let document = toml::to_string(&Config::default()).expect("settings can be written as TOML");
    let mut table = String::new();
    let mut described = Vec::new();
    for line in document.lines().filter(|line| !line.is_empty()) {
        let name = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let is_table = name.is_some();
        let key = if let Some(name) = name {
            name.clone_into(&mut table);
            table.clone()
        } else {
            let (name, _) = line.split_once(" = ").expect("a line is a table or a value");
            format!("{table}.{name}")
        };
        let comment = comment(schema.as_value(), &key);
        described.push(Described { key, comment, is_table });
    }
    described
}

fn comment(schema: &Json, key: &str) -> String {
    let property = key.split('.').fold(schema, |inner, name| &inner["properties"][name]);
    property["description"].as_str().unwrap_or_default().to_owned()
}

/// Every key that has a value.
pub(super) fn keys() -> Vec<String> {
    described().into_iter().filter(|each| !each.is_table).map(|each| each.key).collect()
}

/// What to say about a key that does not exist.
pub(super) fn unknown_key(key: &str) -> String {
    let all = described();
    let likeness = |known: &Described| strsim::damerau_levenshtein(&known.key, key);
    let last = key.rsplit('.').next().unwrap_or(key);
    let same_name = |known: &&Described| known.key.rsplit('.').next() == Some(last);
    let near = all.iter().min_by_key(|known| likeness(known));
    // With more changes a short word is as near to any other.
    let most = (key.chars().count() / 3).min(3);
    // A key in the wrong table is as likely as a slip of the finger.
    let meant = near.filter(|known| likeness(known) <= most).or_else(|| all.iter().find(same_name));
    match meant {
        Some(known) => format!("is not a setting: did you mean {}?", known.key),
        None => "is not a setting".to_owned(),
    }
}

/// Every key of a loaded configuration.
pub(super) fn list(config: &Config, merged: &Figment) -> Vec<Setting> {
    let defaults = Value::serialize(Config::default()).expect("settings are plain values");
    let values = Value::serialize(config).expect("settings are plain values");
    let found = |values: &Value, key: &str| values.find_ref(key).map(written).unwrap_or_default();
    let source = |key: &str| {
        let found = merged.find_metadata(key);
        found.map_or_else(String::new, |found| found.name.clone().into_owned())
    };
    let named = described().into_iter().filter(|each| !each.is_table);
    let list = named.map(|Described { key, comment, .. }| {
        let (default, value) = (found(&defaults, &key), found(&values, &key));
        let mut setting = Setting { source: source(&key), key, comment, default, value };
        if let Some((secret, file)) =
            secret(config, &setting.key).filter(|(secret, _)| !secret.is_empty())
        {
            setting.value = format!("{secret:?}");
            if !file.as_os_str().is_empty() {
                setting.source = file.display().to_string();
            }
        }
        setting
    });
    list.collect()
}

/// The value that is not to be seen behind a key, and the file it can come from.
fn secret<'a>(config: &'a Config, key: &str) -> Option<(&'a Secret, &'a Path)> {
    let (s3, callbacks) = (&config.store.s3, &config.host_callbacks);
    let otlp = &config.telemetry.otlp;
    match key {
        "store.s3.access_key" => Some((&s3.access_key, &s3.access_key_file)),
        "store.s3.secret_key" => Some((&s3.secret_key, &s3.secret_key_file)),
        "host_callbacks.token" => Some((&callbacks.token, &callbacks.token_file)),
        "telemetry.otlp.headers" => Some((&otlp.headers, &otlp.headers_file)),
        _ => None,
    }
}

/// A value as TOML writes it, long numbers with separators.
fn written(value: &Value) -> String {
    match value {
        Value::String(_, text) => toml::Value::from(text.as_str()).to_string(),
        Value::Char(_, letter) => toml::Value::from(letter.to_string()).to_string(),
        Value::Bool(_, truth) => truth.to_string(),
        Value::Num(_, Num::F64(number)) => format!("{number:?}"),
        Value::Num(_, number) => {
            number.to_u128().map_or_else(|| format!("{number:?}"), with_separators)
        }
        Value::Array(_, entries) => {
            format!("[{}]", entries.iter().map(written).collect::<Vec<_>>().join(", "))
        }
        Value::Empty(..) | Value::Dict(..) => String::new(),
    }
}

fn with_separators(number: u128) -> String {
    let digits = number.to_string();
    if digits.len() < 6 {
        return digits;
    }
    let head = digits.len() % 3;
    let (first, rest) = digits.split_at(head);
    let groups = rest.as_bytes().chunks(3).map(|three| String::from_utf8_lossy(three));
    let first = (head > 0).then(|| first.into());
    first.into_iter().chain(groups).collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use std::{fmt::Write as _, fs};

    use super::*;

    /// The example file as the code would write it.
    fn example() -> String {
        let mut text = "# Every setting of Plugboard at its default: copy what you change. A variable\n\
            # PLUGBOARD_SECTION__KEY overrides its key, as PLUGBOARD_SERVER__LISTEN does `listen`.\n"
            .to_owned();
        let defaults = Value::serialize(Config::default()).unwrap();
        for Described { key, comment, is_table } in described() {
            let value = defaults.find_ref(&key).map(written).unwrap();
            let name = key.rsplit('.').next().unwrap();
            let line = if is_table { format!("[{key}]") } else { format!("{name} = {value}") };
            let before = if is_table { "\n" } else { "" };
            writeln!(text, "{before}# {comment}\n{line}").unwrap();
        }
        text
    }

    #[test]
    fn the_example_lists_every_key_with_its_default_and_its_meaning() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.toml");
        let written = fs::read_to_string(file).unwrap();

        let expected = example();
        assert!(written == expected, "config.example.toml must read:\n{expected}");
        let parsed: Config = toml::from_str(&written).unwrap();
        assert_eq!(parsed, Config::default());
    }

    #[test]
    fn every_key_and_table_has_one_line_of_meaning() {
        for Described { key, comment, .. } in described() {
            assert!(!comment.is_empty() && !comment.contains('\n'), "{key}: {comment:?}");
        }
    }

    #[test]
    fn what_is_guessed_is_near_to_what_was_written() {
        for (key, meant) in [
            ("nope", None),
            ("logz", Some("logs")),
            ("sever", Some("server")),
            ("server.tls.certfile", Some("server.tls.cert_file")),
            ("gateway.slots", Some("runner.slots")),
        ] {
            let guess = meant.map(|meant| format!(": did you mean {meant}?")).unwrap_or_default();
            assert_eq!(unknown_key(key), format!("is not a setting{guess}"));
        }
    }

    #[test]
    fn long_numbers_have_separators() {
        let long: Vec<_> = [0, 99_999, 100_000, 1_073_741_824].map(with_separators).into();
        assert_eq!(long, ["0", "99999", "100_000", "1_073_741_824"]);
    }
}
