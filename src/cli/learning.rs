//! `plugboard egress learn`: what an install calls, to be granted.

use clap::ValueEnum;
use http::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::client::Client;
use super::output::{table, time};
use crate::model::EgressRule;

/// Lets an install call for a while what only its grant refuses, and grants it that
#[derive(Debug, clap::Args)]
#[command(long_about = "Lets an install call for a while what only its grant refuses: the \
appliance's `egress.allowlist`, the manifest and the rules for addresses hold as ever. What it \
calls is remembered, and `accept` grants exactly that. A restart of the appliance ends it.

Examples:
  plugboard egress learn com.example.hello --for 2h
  plugboard egress learn com.example.hello show
  plugboard egress learn com.example.hello stop
  plugboard egress learn com.example.hello accept
  plugboard egress learn com.example.hello accept --keep")]
pub(super) struct LearnArgs {
    /// The extension's name, or the id of its install
    pub(super) name: String,
    /// What to do
    #[arg(value_enum, default_value_t = LearnAction::Start)]
    pub(super) action: LearnAction,
    /// How long: seconds, or 15m, or 2h; at most 24h
    #[arg(long = "for", value_name = "TIME", value_parser = seconds, default_value = "1h")]
    pub(super) length: u64,
    /// With accept: what was granted before stays granted
    #[arg(long)]
    pub(super) keep: bool,
    #[command(flatten)]
    pub(super) remote: super::remote::RemoteArgs,
}

/// What to do with what an install learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LearnAction {
    /// Start, or start anew
    Start,
    /// Stop before its time
    Stop,
    /// Show what was called
    Show,
    /// Grant what was called
    Accept,
}

/// Learn mode, as the appliance answers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Learning {
    on: bool,
    began_at: Timestamp,
    ends_at: Timestamp,
    calls: Vec<Called>,
    proposal: Vec<EgressRule>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Called {
    entry: EgressRule,
    count: u64,
    last_at: Timestamp,
    granted: bool,
}

/// Does it; showing is for the caller, who does so in any case.
pub(super) async fn carry_out(
    client: &Client,
    egress: &str,
    args: &LearnArgs,
) -> Result<(), super::failure::Failure> {
    let path = format!("{egress}/learning");
    let (path, body) = match args.action {
        LearnAction::Show => return Ok(()),
        LearnAction::Start => (path, json!({ "seconds": args.length })),
        LearnAction::Stop => (format!("{path}/stop"), json!({})),
        LearnAction::Accept => (format!("{path}/accept"), json!({ "only": !args.keep })),
    };
    client.call::<serde_json::Value>(Method::POST, &path, Some(body)).await?;
    Ok(())
}

/// What is shown of it.
pub(super) fn text(name: &str, learning: &Learning) -> String {
    let until = time(learning.ends_at);
    let head = if learning.on {
        format!("{name} learns until {until} UTC: it may call hosts that are not granted")
    } else {
        format!("{name} learned until {until} UTC")
    };
    if learning.calls.is_empty() {
        return format!("{head}\nIt called nothing");
    }
    let row = |call: &Called| {
        let grant = if call.granted { "granted" } else { "not granted" };
        vec![call.entry.to_string(), call.count.to_string(), grant.to_owned()]
    };
    let rows: Vec<_> = learning.calls.iter().map(row).collect();
    let called = table(&["CALLED", "TIMES", "GRANT"], &rows);
    format!("{head}\n\n{called}\nGrant exactly these:  plugboard egress learn {name} accept")
}

/// A number of seconds, minutes or hours.
fn seconds(text: &str) -> Result<u64, &'static str> {
    const WRONG: &str = "a time is seconds, or minutes as 15m, or hours as 2h";
    let (digits, unit) = match text.strip_suffix(['s', 'm', 'h']) {
        Some(digits) => (digits, &text[digits.len()..]),
        None => (text, "s"),
    };
    let factor = match unit {
        "h" => 3_600,
        "m" => 60,
        _ => 1,
    };
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(WRONG);
    }
    let number: u64 = digits.parse().map_err(|_| WRONG)?;
    number.checked_mul(factor).ok_or(WRONG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_and_perhaps_a_unit() {
        assert_eq!(["90", "90s", "15m", "2h"].map(seconds), [90, 90, 900, 7_200].map(Ok));
        for text in
            ["", "h", "-1", "1.5h", "1d", "+3", "99999999999999999999", "9999999999999999999h"]
        {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
