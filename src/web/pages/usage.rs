//! What an install takes, in graphs and figures: part of the overview of an extension.

mod graph;

use jiff::Timestamp;

use super::figures::{counted, elapsed, grouped};
use super::{ByteSize, Moment};
use crate::app::usage::{Tally, UsageReport};
use crate::model::Failing;
use crate::runner::Outcome;

pub use graph::{Bars, Graph};

/// Outcomes that are failures, in words.
const FAILURES: [(Outcome, &str); 4] = [
    (Outcome::Trap, "trapped"),
    (Outcome::Memory, "out of memory"),
    (Outcome::Deadline, "out of time"),
    (Outcome::BadResponse, "answered nonsense"),
];

/// The usage of one install.
#[derive(Clone, Debug)]
pub struct UsageView {
    pub failing: Option<FailingNotice>,
    /// Nothing is known of what was before.
    pub since: Moment,
    /// The last hour and the last 7 days; empty if there was no call.
    pub spans: Vec<UsageSpan>,
}

/// That calls are not let through, and until when.
#[derive(Clone, Debug)]
pub struct FailingNotice {
    pub since: Moment,
    /// `12 executions`
    pub failures: String,
    pub reason: String,
    /// `with the next call`, `in 12 s`
    pub next_try: String,
}

/// A stretch of time up to now.
#[derive(Clone, Debug)]
pub struct UsageSpan {
    pub id: &'static str,
    /// `Last hour`
    pub title: &'static str,
    /// `1,204 calls: 1,190 answered, 12 failed (8 trapped, 4 out of time)`
    pub summary: String,
    /// What stands at the left end of the graphs.
    pub from: &'static str,
    pub graphs: [Graph; 3],
    pub rows: Vec<UsageRow>,
}

/// A part of a span, in figures.
#[derive(Clone, Debug)]
pub struct UsageRow {
    /// In UTC.
    pub begin: String,
    pub calls: String,
    pub failed: String,
    /// Refused for want of a slot, or because the install was failing.
    pub refused: String,
    pub p95: String,
    pub cpu: String,
    pub memory: ByteSize,
    pub host_calls: String,
    pub received: ByteSize,
    pub sent: ByteSize,
}

impl UsageView {
    /// What is known at `now`.
    pub fn new(report: &UsageReport, now: Timestamp) -> Self {
        let called = report.hours.iter().any(|(_, tally)| !tally.is_empty());
        let spans = || {
            vec![
                UsageSpan::new(
                    "hour",
                    "Last hour",
                    "60 minutes ago",
                    &report.minutes,
                    (10, "%H:%M"),
                ),
                UsageSpan::new(
                    "week",
                    "Last 7 days",
                    "7 days ago",
                    &report.hours,
                    (24, "%b %-d, %H:%M"),
                ),
            ]
        };
        Self {
            failing: report.failing.as_ref().map(|failing| FailingNotice::new(failing, now)),
            since: Moment::new(report.since, now),
            spans: if called { spans() } else { Vec::new() },
        }
    }
}

impl FailingNotice {
    fn new(failing: &Failing, now: Timestamp) -> Self {
        let wait = failing.next_try_at.duration_since(now).as_secs();
        Self {
            since: Moment::new(failing.since, now),
            failures: counted(failing.failures.into(), "execution"),
            reason: failing.reason.clone(),
            next_try: if wait > 0 { format!("in {wait} s") } else { "with the next call".into() },
        }
    }
}

impl UsageSpan {
    /// `rows` is the number of slots that make a row of the table, `clock` how it is named.
    fn new(
        id: &'static str,
        title: &'static str,
        from: &'static str,
        slots: &[(Timestamp, Tally)],
        (rows, clock): (usize, &str),
    ) -> Self {
        let tallies: Vec<_> = slots.iter().map(|(_, tally)| *tally).collect();
        let all = total(&tallies);
        Self {
            id,
            title,
            summary: summary(&all),
            from,
            graphs: [
                calls(id, &tallies, &all),
                time(id, &tallies, &all),
                memory(id, &tallies, &all),
            ],
            rows: slots.chunks(rows).map(|slots| UsageRow::new(slots, clock)).collect(),
        }
    }
}

impl UsageRow {
    fn new(slots: &[(Timestamp, Tally)], clock: &str) -> Self {
        let tallies: Vec<_> = slots.iter().map(|(_, tally)| *tally).collect();
        let all = total(&tallies);
        let begin = slots.first().map(|(begin, _)| begin.strftime(clock).to_string());
        Self {
            begin: begin.unwrap_or_default(),
            calls: grouped(all.ran() + refused(&all)),
            failed: grouped(all.failed()),
            refused: grouped(refused(&all)),
            p95: elapsed(all.p95_us()),
            cpu: elapsed(all.mean_cpu_us()),
            memory: ByteSize::new(all.peak_memory_bytes),
            host_calls: grouped(all.host_calls),
            received: ByteSize::new(all.request_bytes),
            sent: ByteSize::new(all.response_bytes),
        }
    }
}

fn total(tallies: &[Tally]) -> Tally {
    let mut total = Tally::default();
    for tally in tallies {
        total.add(tally);
    }
    total
}

fn refused(tally: &Tally) -> u64 {
    tally.of(Outcome::Refused) + u64::from(tally.held_back)
}

fn summary(all: &Tally) -> String {
    let calls = all.ran() + refused(all);
    if calls == 0 {
        return "No calls".to_owned();
    }
    let mut parts = vec![format!("{} answered", grouped(all.answered()))];
    if all.failed() > 0 {
        let kinds = FAILURES.iter().filter(|(outcome, _)| all.of(*outcome) > 0);
        let kinds: Vec<_> =
            kinds.map(|(outcome, word)| (grouped(all.of(*outcome)), *word)).collect();
        // Of one kind only, its number is the one before.
        let kinds = match &kinds[..] {
            [(_, word)] => (*word).to_owned(),
            kinds => kinds
                .iter()
                .map(|(count, word)| format!("{count} {word}"))
                .collect::<Vec<_>>()
                .join(", "),
        };
        parts.push(format!("{} failed ({kinds})", grouped(all.failed())));
    }
    for (count, word) in [
        (all.of(Outcome::Caller), "given up by the caller"),
        (all.of(Outcome::Refused), "refused for want of a slot"),
        (all.held_back.into(), "refused while it was failing"),
    ] {
        if count > 0 {
            parts.push(format!("{} {word}", grouped(count)));
        }
    }
    format!("{}: {}", counted(calls, "call"), parts.join(", "))
}

fn calls(span: &str, tallies: &[Tally], all: &Tally) -> Graph {
    let of = |value: fn(&Tally) -> u64| tallies.iter().map(value).collect::<Vec<_>>();
    let (ran, down) = (of(|t| t.ran() - t.failed()), of(|t| t.failed() + refused(t)));
    let bad = all.failed() + refused(all);
    let figure = match bad {
        0 => grouped(all.ran()),
        bad => format!(
            "{}, {} of them failed or refused",
            grouped(all.ran() + refused(all)),
            grouped(bad)
        ),
    };
    Graph::new(format!("{span}-calls"), "Calls", figure)
        .hint("Failed and refused calls are drawn below the line.")
        .bars("lit", &ran)
        .below("broken", &down)
}

fn time(span: &str, tallies: &[Tally], all: &Tally) -> Graph {
    let of = |value: fn(&Tally) -> u64| tallies.iter().map(value).collect::<Vec<_>>();
    let figure = format!(
        "{} for 95 of 100, {} of CPU a call",
        elapsed(all.p95_us()),
        elapsed(all.mean_cpu_us())
    );
    Graph::new(format!("{span}-time"), "Duration", figure)
        .hint("The solid part of a bar is processor time.")
        .bars("pale", &of(Tally::p95_us))
        .bars("lit", &of(Tally::mean_cpu_us))
}

fn memory(span: &str, tallies: &[Tally], all: &Tally) -> Graph {
    let peaks: Vec<_> = tallies.iter().map(|tally| tally.peak_memory_bytes).collect();
    let figure = format!("{} at most", ByteSize::new(all.peak_memory_bytes).text);
    Graph::new(format!("{span}-memory"), "Memory", figure)
        .hint("The execution that took most.")
        .bars("lit", &peaks)
}
