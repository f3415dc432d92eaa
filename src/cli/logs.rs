//! `plugboard logs`: the lines an extension writes.

mod events;
mod line;

use std::time::Duration;

use anyhow::anyhow;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{sleep, timeout};
use url::form_urlencoded::Serializer;

use self::events::{Event, Events};
use self::line::print;
use super::Context;
use super::client::Client;
use super::failure::{Exit, Failure};
use super::installs;
use super::output::Output;
use super::remote::{Offline, RemoteArgs};
use crate::guest_logs::{Level, Source};

/// The most that the appliance gives in one answer.
const MAX_LINES: usize = 1_000;
/// Nothing for that long, and the connection is gone: the appliance says something more often.
const SILENCE: Duration = Duration::from_secs(45);
/// How long to wait before the first try to connect again, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Shows the lines that an extension writes
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Shows the lines that an extension writes: its log calls, its standard output and \
its standard error. The newest are last; how many are kept says `logs.bytes_per_install`, and they \
go with the install. With --follow it goes on until Ctrl-C, and connects again by itself.

Examples:
  plugboard logs com.example.hello
  plugboard logs com.example.hello --follow --level warn
  plugboard logs com.example.hello --request 6f1e4a3c -n 1000 --json | jq -r .message"
)]
pub(super) struct LogsArgs {
    /// The extension's name, or the id of its install
    name: String,
    /// Go on with the lines that come
    #[arg(short, long)]
    follow: bool,
    /// How many lines to begin with, at most 1,000
    #[arg(short = 'n', long, value_name = "LINES", default_value_t = 100,
          value_parser = line_count)]
    lines: usize,
    /// Only lines at least this grave: info, warn or error
    #[arg(long)]
    level: Option<Level>,
    /// Only lines that came this way: log, stdout or stderr
    #[arg(long)]
    stream: Option<Source>,
    /// Only lines of requests whose `x-request-id` begins so
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    /// Only lines with this text, in any case
    #[arg(long)]
    text: Option<String>,
    #[command(flatten)]
    remote: RemoteArgs,
}

fn line_count(text: &str) -> Result<usize, &'static str> {
    let lines = text.parse().ok().filter(|lines| (1..=MAX_LINES).contains(lines));
    lines.ok_or("must be a whole number, 1 to 1,000")
}

/// What `GET /api/v1/installs/{id}/logs` answers.
#[derive(Debug, Deserialize)]
struct Lines {
    lines: Vec<Value>,
    kept: bool,
}

/// Why a stream ended.
enum Ended {
    /// For good.
    Over,
    /// Nobody reads what is printed.
    Unread,
    /// It is worth another try.
    Broken(Failure),
}

/// Runs `plugboard logs`.
pub(super) async fn run(args: LogsArgs, context: &Context) -> Result<Exit, Failure> {
    let offline = if args.follow { Offline::Refuse } else { Offline::OpenRegistry };
    let client = args.remote.client(context, offline)?;
    let install = installs::require(&client, &args.name).await?;
    let path = format!("/api/v1/installs/{}/logs", install.id);
    let output = context.output;
    if args.follow {
        return follow(&client, &path, &args, output).await;
    }
    let lines: Lines = client.get(&args.address(&path, None)).await?;
    if !lines.kept {
        output.note("No lines are kept: `logs.bytes_per_install` is 0 on this appliance.");
    }
    for line in &lines.lines {
        if !print(output, line)? {
            break;
        }
    }
    if lines.lines.is_empty() && lines.kept {
        output.note(&format!("There are no such lines of {}.", install.name));
    }
    Ok(Exit::Done)
}

impl LogsArgs {
    fn address(&self, path: &str, after: Option<u64>) -> String {
        let mut query = Serializer::new(String::new());
        match after {
            Some(after) => query.append_pair("after", &after.to_string()),
            None => query.append_pair("limit", &self.lines.to_string()),
        };
        let level = self.level.map(Level::as_str);
        let stream = self.stream.map(Source::as_str);
        let (request, text) = (self.request.as_deref(), self.text.as_deref());
        let filters = [("level", level), ("stream", stream), ("request", request), ("text", text)];
        query.extend_pairs(filters.into_iter().filter_map(|(name, text)| Some((name, text?))));
        format!("{path}?{}", query.finish())
    }
}

/// Shows lines until there can be no more; connects again as long as that makes sense.
async fn follow(
    client: &Client,
    path: &str,
    args: &LogsArgs,
    output: Output,
) -> Result<Exit, Failure> {
    let (mut last, mut pause) = (None, FIRST_PAUSE);
    loop {
        let before = last;
        let failure = match listen(client, &args.address(path, last), &mut last, output).await? {
            Ended::Over | Ended::Unread => return Ok(Exit::Done),
            Ended::Broken(failure) => failure,
        };
        // Whatever came makes it the first failure again.
        pause = if last == before { pause } else { FIRST_PAUSE };
        let wait_ms = pause.as_millis();
        output.note(&format!("{}; trying again in {wait_ms} ms", failure.error));
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Shows lines of one connection.
async fn listen(
    client: &Client,
    address: &str,
    last: &mut Option<u64>,
    output: Output,
) -> Result<Ended, Failure> {
    let mut pieces = match client.open(address, "text/event-stream").await {
        Ok(pieces) => pieces,
        // What is refused stays refused.
        Err(failure) if failure.exit == Exit::Unfinished => return Ok(Ended::Broken(failure)),
        Err(failure) => return Err(failure),
    };
    let mut events = Events::default();
    loop {
        let piece = match timeout(SILENCE, pieces.next()).await {
            Ok(Ok(Some(piece))) => piece,
            Ok(Ok(None)) => return Ok(broken("the appliance ended the connection")),
            Ok(Err(failure)) => return Ok(Ended::Broken(failure)),
            Err(_elapsed) => return Ok(broken("the connection is silent")),
        };
        let Some(found) = events.take(&piece) else {
            return Err(Failure::unfinished(anyhow!("the answer is not what was expected")));
        };
        for event in found {
            if let Some(ended) = tell(output, &event, last)? {
                return Ok(ended);
            }
        }
    }
}

fn broken(why: &'static str) -> Ended {
    Ended::Broken(Failure::unfinished(anyhow!(why)))
}

/// Shows one event; gives the end, if it is one.
fn tell(output: Output, event: &Event, last: &mut Option<u64>) -> Result<Option<Ended>, Failure> {
    let expected = |error| Failure::unfinished(anyhow::Error::new(error));
    let data: Value = serde_json::from_str(&event.data).map_err(expected)?;
    match event.name.as_str() {
        "" => {
            *last = data["seq"].as_u64().or(*last);
            let is_read = print(output, &data)?;
            Ok((!is_read).then_some(Ended::Unread))
        }
        "missed" => {
            let lines = data["lines"].as_u64().unwrap_or_default();
            output.note(&format!("{lines} lines came too fast, or are gone"));
            Ok(None)
        }
        "end" => Ok(Some(match data["reason"].as_str().unwrap_or_default() {
            "uninstalled" => {
                output.note("It was uninstalled: no more lines come.");
                Ended::Over
            }
            "not_allowed" => {
                let error = anyhow!("the token is no longer good");
                return Err(Failure::refused(error));
            }
            _ => broken("the appliance stops"),
        })),
        // What a newer appliance may say.
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_to_go_on_is_after_the_last_line() {
        let mut last = None;
        let data = r#"{"seq":7,"time_ms":0,"level":"info","stream":"log","request_id":"","message":"","truncated":false}"#;
        let event = |name: &str, data: &str| Event { name: name.into(), data: data.into() };
        let output = Output::new(true, true);

        assert!(tell(output, &event("", data), &mut last).unwrap().is_none());
        assert!(tell(output, &event("news", "{}"), &mut last).unwrap().is_none());
        assert_eq!(last, Some(7));
        let end = |reason: &str| tell(output, &event("end", reason), &mut None);
        assert!(matches!(end(r#"{"reason":"uninstalled"}"#), Ok(Some(Ended::Over))));
        assert!(matches!(end(r#"{"reason":"stopping"}"#), Ok(Some(Ended::Broken(_)))));
        assert_eq!(end(r#"{"reason":"not_allowed"}"#).err().unwrap().exit, Exit::Refused);
    }
}
