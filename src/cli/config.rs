//! `plugboard config`: what is set, whether it can be used, and an example.

use clap::Subcommand;
use serde_json::{Value, json};

use super::Context;
use super::failure::{Exit, Failure};
use super::output::{Output, Paint, Tone, table};
use super::settings_args::SettingsArgs;
use crate::config::{ConfigProblems, Setting};

/// The example, as it is in the source tree.
const EXAMPLE: &str = include_str!("../../config.example.toml");
/// Characters of a value in the table.
const MAX_CELL: usize = 48;

/// Shows and checks the configuration
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Shows and checks the configuration, from the file, PLUGBOARD_SECTION__KEY \
variables, deployment variables and flags.

Examples:
  plugboard config example > plugboard.toml
  plugboard config check --config plugboard.toml
  plugboard config show --config plugboard.toml"
)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Lists every key with its value, default and source
    #[command(
        long_about = "Lists every key with its value, default and source. Secrets are not shown.

Examples:
  plugboard config show
  plugboard config show --config /etc/plugboard/plugboard.toml --json"
    )]
    Show(SettingsArgs),
    /// Says everything that is wrong, at once
    #[command(
        long_about = "Says everything that is wrong with the configuration, at once. Ends with 2 if \
anything is.

Examples:
  plugboard config check --config /etc/plugboard/plugboard.toml"
    )]
    Check(SettingsArgs),
    /// Prints a configuration file with every key at its default
    #[command(long_about = "Prints a configuration file with every key at its default.

Examples:
  plugboard config example > plugboard.toml")]
    Example,
}

/// Runs `plugboard config`.
pub(super) fn run(args: &ConfigArgs, context: &Context) -> Result<Exit, Failure> {
    match &args.command {
        ConfigCommand::Show(settings) => show(settings, context),
        ConfigCommand::Check(settings) => check(settings, context),
        ConfigCommand::Example => {
            context.output.result(&json!({ "example": EXAMPLE }), EXAMPLE)?;
            Ok(Exit::Done)
        }
    }
}

fn show(settings: &SettingsArgs, context: &Context) -> Result<Exit, Failure> {
    let loaded = settings.load(&context.environment)?;
    let object = |setting: &Setting| {
        json!({
            "key": setting.key,
            "value": setting.value,
            "default": setting.default,
            "source": setting.source,
            "comment": setting.comment,
        })
    };
    let objects: Vec<_> = loaded.settings.iter().map(object).collect();
    let paint = context.output.paint();
    let rows: Vec<_> = loaded.settings.iter().map(|setting| row(setting, paint)).collect();
    let text = table(&["KEY", "VALUE", "DEFAULT", "SOURCE"], &rows);
    context.output.result(&json!({ "settings": objects, "notices": loaded.notices }), &text)?;
    if !context.output.is_json() {
        note_all(&loaded.notices, context.output);
    }
    Ok(Exit::Done)
}

fn note_all(notices: &[String], output: Output) {
    for notice in notices {
        output.note(&format!("note: {notice}"));
    }
}

fn row(setting: &Setting, paint: Paint) -> Vec<String> {
    let Setting { key, value, default, source, .. } = setting;
    let value = short(value);
    let value = if source == "default" { value } else { paint.words(Tone::Attention, &value) };
    vec![key.clone(), value, short(default), source.clone()]
}

/// The first line of a value, cut: a trust bundle can be a setting, whole.
fn short(value: &str) -> String {
    let line = value.lines().next().unwrap_or_default();
    let kept: String = line.chars().take(MAX_CELL).collect();
    if kept.len() < value.len() { format!("{kept}…") } else { kept }
}

fn check(settings: &SettingsArgs, context: &Context) -> Result<Exit, Failure> {
    let output = context.output;
    let (problems, notices) = match settings.try_load(&context.environment)? {
        Ok(loaded) => (Vec::new(), loaded.notices),
        Err(ConfigProblems(problems)) => (problems, Vec::new()),
    };
    let objects: Vec<Value> = problems
        .iter()
        .map(|each| json!({"key": each.key, "source": each.source, "message": each.message}))
        .collect();
    let paint = output.paint();
    let text = if problems.is_empty() {
        paint.words(Tone::Good, "✔") + " the configuration can be used"
    } else {
        let line = |each: &crate::config::Problem| {
            let mark = paint.words(Tone::Danger, "✘");
            format!("{mark} {}  (from {})\n    {}", each.key, each.source, each.message)
        };
        problems.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    output.result(&json!({ "problems": objects, "notices": notices }), &text)?;
    if !output.is_json() {
        note_all(&notices, output);
    }
    Ok(if problems.is_empty() { Exit::Done } else { Exit::Usage })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_cut() {
        assert_eq!(short("\"127.0.0.1:7420\""), "\"127.0.0.1:7420\"");
        assert_eq!(short("\"\"\"\n-----BEGIN"), "\"\"\"…");
        assert_eq!(short(&"x".repeat(60)), format!("{}…", "x".repeat(48)));
    }
}
