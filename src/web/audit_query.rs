//! The filters of the audit record, as an address of the API or of a page has them.

use serde::Deserialize;

use super::filters::{WrongParameters, number_of, up_to};
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

impl AuditParameters {
    /// What is asked for, or everything that is wrong with it.
    pub(super) fn read(&self) -> Result<AuditQuery, WrongParameters> {
        let mut wrong = WrongParameters::default();
        let filter = AuditFilter {
            tenant: wrong.read("tenant", &self.tenant, str::parse),
            action: wrong.read("action", &self.action, str::parse),
            actor: wrong.read("actor", &self.actor, str::parse),
            subject: wrong.read("subject", &self.subject, str::parse),
            from: wrong.read("from", &self.from, parse_audit_from),
            to: wrong.read("to", &self.to, parse_audit_to),
        };
        let before = wrong.read("before", &self.before, number_of("row"));
        let limit = wrong.read("limit", &self.limit, up_to(MAX_ROWS));
        let query = AuditQuery { filter, before, limit: limit.unwrap_or(DEFAULT_ROWS) };
        wrong.unless_any(query)
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
