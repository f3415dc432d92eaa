//! The filters of the audit record, as an address of the API or of a page has them.

use serde::Deserialize;

use crate::app::audit::{AuditQuery, MAX_ROWS};
use crate::model::{AuditFilter, parse_audit_from, parse_audit_to};

/// Rows of one answer, where nobody says how many.
const DEFAULT_ROWS: usize = 100;

/// The members of the query; an empty one is as none, since a form sends it so.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditParameters {
    pub tenant: String,
    pub action: String,
    pub actor: String,
    pub subject: String,
    pub from: String,
    pub to: String,
    pub before: String,
    pub limit: String,
}

/// What is wrong with one member.
#[derive(Debug)]
pub(super) struct WrongParameter {
    pub(super) name: &'static str,
    pub(super) problem: String,
}

impl AuditParameters {
    /// What is asked for, or everything that is wrong with it.
    pub(super) fn read(&self) -> Result<AuditQuery, Vec<WrongParameter>> {
        let mut wrong = Vec::new();
        let filter = AuditFilter {
            tenant: read("tenant", &self.tenant, str::parse, &mut wrong),
            action: read("action", &self.action, str::parse, &mut wrong),
            actor: read("actor", &self.actor, str::parse, &mut wrong),
            subject: read("subject", &self.subject, str::parse, &mut wrong),
            from: read("from", &self.from, parse_audit_from, &mut wrong),
            to: read("to", &self.to, parse_audit_to, &mut wrong),
        };
        let before = read("before", &self.before, parse_number, &mut wrong);
        let limit = read("limit", &self.limit, parse_limit, &mut wrong);
        let query = AuditQuery { filter, before, limit: limit.unwrap_or(DEFAULT_ROWS) };
        if wrong.is_empty() { Ok(query) } else { Err(wrong) }
    }

    /// Whether any row is left out.
    pub fn is_filtered(&self) -> bool {
        self.filters().iter().any(|(_, text)| !text.is_empty())
    }

    /// The filters, without where in the record they begin.
    pub(super) fn filters(&self) -> [(&'static str, &str); 6] {
        [
            ("tenant", &self.tenant),
            ("action", &self.action),
            ("actor", &self.actor),
            ("subject", &self.subject),
            ("from", &self.from),
            ("to", &self.to),
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

fn parse_number(text: &str) -> Result<u64, &'static str> {
    text.parse().map_err(|_| "it is the number of a row")
}

fn parse_limit(text: &str) -> Result<usize, String> {
    let wanted = text.parse().ok().filter(|wanted| (1..=MAX_ROWS).contains(wanted));
    wanted.ok_or_else(|| format!("it is a number from 1 to {MAX_ROWS}"))
}
