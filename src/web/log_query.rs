//! Which lines of an extension are asked for, as an address of the API or of a page has it.

use serde::Deserialize;

use super::filters::{WrongParameters, number_of, up_to};
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
    pub(super) fn read(&self) -> Result<LineQuery, WrongParameters> {
        let mut wrong = WrongParameters::default();
        let level = wrong.read("level", &self.level, str::parse);
        let source = wrong.read("stream", &self.stream, str::parse);
        let request = wrong.read("request", &self.request, parse_text);
        let text = wrong.read("text", &self.text, parse_text);
        let before = wrong.read("before", &self.before, number_of("line"));
        let after = wrong.read("after", &self.after, number_of("line"));
        let limit = wrong.read("limit", &self.limit, up_to(MAX_LINES));
        wrong.read("follow", &self.follow, parse_flag);
        let place = match (before, after) {
            (None, None) => Place::Last,
            (Some(before), None) => Place::Before(before),
            (None, Some(after)) => Place::After(after),
            (Some(_), Some(_)) => {
                wrong.add("after", &"it cannot be asked for together with `before`");
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
        wrong.unless_any(query)
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

fn parse_text(text: &str) -> Result<String, String> {
    let fits = text.len() <= MAX_TEXT_BYTES;
    fits.then(|| text.to_owned()).ok_or_else(|| format!("it has at most {MAX_TEXT_BYTES} bytes"))
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

        let names: Vec<_> = wrong.0.iter().map(|wrong| wrong.name).collect();
        assert_eq!(names, ["level", "stream", "text", "after", "limit", "follow"]);
        let both = LogParameters { after: "2".to_owned(), before: "1".to_owned(), ..sent };
        assert!(both.read().unwrap_err().0.iter().any(|wrong| wrong.problem.contains("together")));
    }

    #[test]
    fn nothing_said_asks_for_the_last_hundred() {
        let query = LogParameters::default().read().unwrap();

        assert_eq!((query.place, query.limit, query.level), (Place::Last, 100, Level::Info));
    }
}
