//! `plugboard configure`: the settings of an install.

use std::path::PathBuf;

use http::Method;
use serde_json::{Map, Value, json};

use super::Context;
use super::failure::{Exit, Failure};
use super::files::{input_name, read_small};
use super::installs;
use super::output::table;
use super::remote::{Offline, RemoteArgs};
use crate::model::Install;

/// Shows or changes the settings of an install
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Shows the settings of an install, or changes some of them. The manifest says what \
can be set, and of which type.

Examples:
  plugboard configure com.example.hello
  plugboard configure com.example.hello --set greeting=Servus
  plugboard configure com.example.hello --from settings.json --unset greeting"
)]
pub(super) struct ConfigureArgs {
    /// The extension's name, or the id of its install
    name: String,
    /// A setting to change; repeatable
    #[arg(short, long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// A setting to return to its default; repeatable
    #[arg(long = "unset", value_name = "KEY")]
    unset: Vec<String>,
    /// A JSON file that replaces all settings first; - is standard input
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Runs `plugboard configure`.
pub(super) async fn run(args: ConfigureArgs, context: &Context) -> Result<Exit, Failure> {
    let client = args.remote.client(context, Offline::Refuse)?;
    let install = installs::require(&client, &args.name).await?;
    let schema = installs::version_of(&client, &install).await?.manifest.settings;
    let schema = schema.unwrap_or_default();
    if args.set.is_empty() && args.unset.is_empty() && args.from.is_none() {
        let object = json!({ "settings": install.settings, "schema": schema });
        context.output.result(&object, &show(&install, &schema))?;
        return Ok(Exit::Done);
    }
    let settings = changed(&args, install.settings.clone(), &schema)?;
    let path = format!("/api/v1/installs/{}/settings", install.id);
    let install: Install = client.call(Method::PUT, &path, Some(Value::Object(settings))).await?;
    context.output.result(&install, &show(&install, &schema))?;
    Ok(Exit::Done)
}

fn changed(
    args: &ConfigureArgs,
    before: Map<String, Value>,
    schema: &Value,
) -> Result<Map<String, Value>, Failure> {
    let mut settings = match &args.from {
        None => before,
        Some(file) => serde_json::from_slice(&read_small(file)?).map_err(|error| {
            Failure::usage(format!("{} is no JSON object: {error}", input_name(file)))
        })?,
    };
    for key in &args.unset {
        settings.remove(key);
    }
    for pair in &args.set {
        let (key, text) = pair
            .split_once('=')
            .ok_or_else(|| Failure::usage(format!("--set {pair}: write it as KEY=VALUE")))?;
        let value = typed(&schema["properties"][key], text);
        settings
            .insert(key.to_owned(), value.map_err(|why| Failure::usage(format!("{key} {why}")))?);
    }
    Ok(settings)
}

/// Reads a text as what the schema says the setting is.
fn typed(property: &Value, text: &str) -> Result<Value, String> {
    let must_be = |what: &str| format!("must be {what}, not `{text}`");
    match property["type"].as_str() {
        Some("string") => Ok(text.into()),
        Some("boolean") => match text {
            "true" => Ok(true.into()),
            "false" => Ok(false.into()),
            _ => Err(must_be("true or false")),
        },
        Some("integer") => {
            text.parse::<i64>().map(Into::into).map_err(|_| must_be("a whole number"))
        }
        Some("number") => match serde_json::from_str(text) {
            Ok(Value::Number(number)) => Ok(number.into()),
            _ => Err(must_be("a number")),
        },
        Some(other) => serde_json::from_str(text).map_err(|_| must_be(&format!("JSON: {other}"))),
        // The schema leaves the type open: JSON where it is, else text.
        None => Ok(serde_json::from_str(text).unwrap_or_else(|_| text.into())),
    }
}

fn show(install: &Install, schema: &Value) -> String {
    let declared = schema["properties"].as_object();
    let Some(properties) = declared.filter(|properties| !properties.is_empty()) else {
        return format!("{} {} declares no settings", install.name, install.version);
    };
    let text = |value: Option<&Value>| match value {
        None => "–".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let rows: Vec<_> = properties
        .iter()
        .map(|(key, property)| {
            let about = property.get("description").or_else(|| property.get("title"));
            vec![
                key.clone(),
                text(install.settings.get(key)),
                text(property.get("default")),
                about.and_then(Value::as_str).unwrap_or_default().to_owned(),
            ]
        })
        .collect();
    table(&["SETTING", "VALUE", "DEFAULT", "MEANING"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_what_the_schema_says() {
        let of = |kind: &str, text: &str| typed(&json!({ "type": kind }), text);

        assert_eq!(of("string", "12"), Ok("12".into()));
        assert_eq!(of("integer", "12"), Ok(12.into()));
        assert_eq!(of("number", "1.5"), Ok(1.5.into()));
        assert_eq!(of("boolean", "true"), Ok(true.into()));
        assert_eq!(of("array", "[1]"), Ok(json!([1])));
        assert_eq!(typed(&Value::Null, "x"), Ok("x".into()));
        assert_eq!(typed(&Value::Null, "7"), Ok(7.into()));
        for (kind, text) in [("integer", "1.5"), ("number", "x"), ("boolean", "1"), ("array", "x")]
        {
            assert!(of(kind, text).is_err(), "{kind} {text}");
        }
    }
}
