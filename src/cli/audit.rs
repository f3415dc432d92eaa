//! `plugboard audit`: who did what.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::form_urlencoded::Serializer;

use super::Context;
use super::client::Client;
use super::failure::{Exit, Failure};
use super::output::table;
use super::remote::{Offline, RemoteArgs};
use crate::model::{
    ActorFilter, AuditAction, AuditEvent, SubjectStart, TenantId, escape, parse_audit_from,
    parse_audit_to,
};

/// Rows of one request; the appliance gives no more at once.
const PAGE: u64 = 1_000;

/// Shows who did what
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Shows who did what, the newest first: sign-ins, publishing, installs, trust, tokens, \
settings. A token needs the scope audit:read and sees its own tenant; on the host and for \
operators it is everything.

Examples:
  plugboard audit
  plugboard audit --action sign_in_failed --from 2026-09-21
  plugboard audit --subject com.example. --actor operator:ada --limit 20
  plugboard audit --before 1204 --json | jq '.events[].subject'"
)]
pub(super) struct AuditArgs {
    /// Only what happened in this tenant
    #[arg(long, value_name = "ID")]
    tenant: Option<TenantId>,
    /// Only this action, as `installed` or `sign_in_failed`
    #[arg(long)]
    action: Option<AuditAction>,
    /// Only by whom: `operator:ada`, `token:ID`, `local:UID`, a kind alone, `setup` or `system`
    #[arg(long, value_name = "WHO")]
    actor: Option<ActorFilter>,
    /// Only what happened to something whose name begins so
    #[arg(long, value_name = "TEXT")]
    subject: Option<SubjectStart>,
    /// From this day (UTC) or time on
    #[arg(long, value_name = "TIME", value_parser = parse_audit_from)]
    from: Option<Timestamp>,
    /// Up to the end of this day (UTC), or before this time
    #[arg(long, value_name = "TIME", value_parser = parse_audit_to)]
    to: Option<Timestamp>,
    /// Only rows with a lower number: to go on where another call ended
    #[arg(long, value_name = "NUMBER")]
    before: Option<u64>,
    /// Rows at most
    #[arg(long, default_value_t = 100, value_parser = row_count)]
    limit: u64,
    #[command(flatten)]
    remote: RemoteArgs,
}

fn row_count(text: &str) -> Result<u64, &'static str> {
    text.parse().ok().filter(|rows| *rows > 0).ok_or("must be a whole number, 1 or more")
}

/// What `GET /api/v1/audit` answers.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Events {
    events: Vec<Event>,
    next: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Event {
    number: u64,
    #[serde(flatten)]
    event: AuditEvent,
}

/// Runs `plugboard audit`.
pub(super) async fn run(args: AuditArgs, context: &Context) -> Result<Exit, Failure> {
    let client = args.remote.client(context, Offline::OpenRegistry)?;
    let found = read(&client, &args).await?;
    context.output.result(&found, &list(&found.events))?;
    if let Some(next) = found.next.filter(|_| !context.output.is_json()) {
        context.output.note(&format!("There are older rows: --before {next}"));
    }
    Ok(Exit::Done)
}

/// Follows the pages until there are enough rows, or no more.
async fn read(client: &Client, args: &AuditArgs) -> Result<Events, Failure> {
    let mut all = Events { next: args.before, ..Events::default() };
    loop {
        let wanted = args.limit - all.events.len() as u64;
        let page: Events = client.get(&address(args, all.next, wanted.min(PAGE))).await?;
        all.events.extend(page.events);
        all.next = page.next;
        if all.next.is_none() || all.events.len() as u64 >= args.limit {
            return Ok(all);
        }
    }
}

fn address(args: &AuditArgs, before: Option<u64>, limit: u64) -> String {
    let members = [
        ("tenant", args.tenant.as_ref().map(ToString::to_string)),
        ("action", args.action.map(|action| action.to_string())),
        ("actor", args.actor.as_ref().map(ToString::to_string)),
        ("subject", args.subject.as_ref().map(ToString::to_string)),
        ("from", args.from.map(|from| from.to_string())),
        ("to", args.to.map(|to| to.to_string())),
        ("before", before.map(|before| before.to_string())),
        ("limit", Some(limit.to_string())),
    ];
    let given = members.into_iter().filter_map(|(name, value)| Some((name, value?)));
    format!("/api/v1/audit?{}", Serializer::new(String::new()).extend_pairs(given).finish())
}

fn list(events: &[Event]) -> String {
    if events.is_empty() {
        return "Nothing found.".to_owned();
    }
    let cells = |Event { number, event }: &Event| {
        let AuditEvent { at, actor, action, tenant, subject, detail } = event;
        let about = detail.iter().fold(subject.clone(), |about, detail| about + ": " + detail);
        vec![
            number.to_string(),
            at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            action.to_string(),
            actor.to_string(),
            tenant.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
            // A row may repeat what somebody sent.
            escape(&about).into_owned(),
        ]
    };
    let rows: Vec<_> = events.iter().map(cells).collect();
    table(&["NUMBER", "TIME (UTC)", "ACTION", "WHO", "TENANT", "ABOUT"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Actor;

    #[test]
    fn a_row_cannot_speak_to_the_terminal() {
        let event = AuditEvent {
            at: Timestamp::UNIX_EPOCH,
            actor: Actor::System,
            action: AuditAction::SignInFailed,
            tenant: None,
            subject: "a\u{1b}]0;b\n".to_owned(),
            detail: Some("\u{202e}c".to_owned()),
        };

        let shown = list(&[Event { number: 1, event }]);

        assert!(shown.contains("a\\u{1b}]0;b\\n: \\u{202e}c"), "{shown}");
    }
}
