//! Which lines of an extension are asked for, as an address of the API or of a page has it.

use serde::Deserialize;

use super::audit_query::WrongParameter;
use crate::guest_logs::{Level, LineQuery, Place};

/// The most lines of one answer.
pub(super) const MAX_LINES: usize = 1_000;
/// Lines of one answer, where nobody says how many.
pub(super) const DEFAULT_LINES: usize = 100;
/// Bytes of a text that is looked for.
const MAX_TEXT_BYTES: usize = 200;

/// The members of the query; an empty one is as none, since a form sends it so.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogParameters {
    pub level: String,
    pub stream: String,
    pub request: String,
    pub text: String,
    pub before: String,
    pub after: String,
    pub limit: String,
    pub follow: String,
}

impl LogParameters {
    /// What is asked for, or everything that is wrong with it.
    pub(super) fn read(&self) -> Result<LineQuery, Vec<WrongParameter>> {
        let mut wrong = Vec::new();
        let level = read("level", &self.level, str::parse, &mut wrong);
        let source = read("stream", &self.stream, str::parse, &mut wrong);
        let request = read("request", &self.request, parse_text, &mut wrong);
        let text = read("text", &self.text, parse_text, &mut wrong);
        let before = read("before", &self.before, parse_number, &mut wrong);
        let after = read("after", &self.after, parse_number, &mut wrong);
        let limit = read("limit", &self.limit, parse_limit, &mut wrong);
        read("follow", &self.follow, parse_flag, &mut wrong);
        let place = match (before, after) {
            (None, None) => Place::Last,
            (Some(before), None) => Place::Before(before),
            (None, Some(after)) => Place::After(after),
            (Some(_), Some(_)) => {
                let problem = "it cannot be asked for together with `before`".to_owned();
                wrong.push(WrongParameter { name: "after", problem });
                Place::Last
            }
        };
        let query = LineQuery {
            level: level.unwrap_or(Level::Info),
            source,
            request: request.unwrap_or_default(),
            text: text.unwrap_or_default(),
            place,
            limit: limit.unwrap_or(DEFAULT_LINES),
        };
        if wrong.is_empty() { Ok(query) } else { Err(wrong) }
    }

    /// Whether the lines that come are wanted, too.
    pub(super) fn follows(&self) -> bool {
        self.follow.trim() == "true"
    }

    /// Whether any line is left out.
    pub fn is_filtered(&self) -> bool {
        self.filters().iter().any(|(_, text)| !text.is_empty())
    }

    /// The filters, without where among the lines they begin.
    pub(super) fn filters(&self) -> [(&'static str, &str); 4] {
        [
            ("level", &self.level),
            ("stream", &self.stream),
            ("request", &self.request),
            ("text", &self.text),
        ]
    }
}

fn read<T, E: ToString>(
    name: &'static str,
    text: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
    wrong: &mut Vec<WrongParameter>,
) -> Option<T> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let problem = |error: E| WrongParameter { name, problem: error.to_string() };
    parse(text).map_err(|error| wrong.push(problem(error))).ok()
}

fn parse_text(text: &str) -> Result<String, String> {
    let fits = text.len() <= MAX_TEXT_BYTES;
    fits.then(|| text.to_owned()).ok_or_else(|| format!("it has at most {MAX_TEXT_BYTES} bytes"))
}

fn parse_number(text: &str) -> Result<u64, &'static str> {
    text.parse().map_err(|_| "it is the number of a line")
}

fn parse_limit(text: &str) -> Result<usize, String> {
    let wanted = text.parse().ok().filter(|wanted| (1..=MAX_LINES).contains(wanted));
    wanted.ok_or_else(|| format!("it is a number from 1 to {MAX_LINES}"))
}

fn parse_flag(text: &str) -> Result<(), &'static str> {
    if matches!(text, "true" | "false") { Ok(()) } else { Err("it is `true` or `false`") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let sent = LogParameters {
            level: "loud".to_owned(),
            stream: "stdin".to_owned(),
            text: "x".repeat(MAX_TEXT_BYTES + 1),
            before: "1".to_owned(),
            after: "-1".to_owned(),
            limit: "1001".to_owned(),
            follow: "1".to_owned(),
            ..LogParameters::default()
        };

        let wrong = sent.read().unwrap_err();

        let names: Vec<_> = wrong.iter().map(|wrong| wrong.name).collect();
        assert_eq!(names, ["level", "stream", "text", "after", "limit", "follow"]);
        let both = LogParameters { after: "2".to_owned(), before: "1".to_owned(), ..sent };
        assert!(both.read().unwrap_err().iter().any(|wrong| wrong.problem.contains("together")));
    }

    #[test]
    fn nothing_said_asks_for_the_last_hundred() {
        let query = LogParameters::default().read().unwrap();

        assert_eq!((query.place, query.limit, query.level), (Place::Last, 100, Level::Info));
    }
}
