//! Which rows of the audit record are meant, and which of them somebody may see.

use std::{fmt, str::FromStr};

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};

use super::{Actor, AuditAction, AuditEvent, OperatorName, Principal, TenantId, TokenId};

/// Bytes of the beginning of a subject.
const MAX_SUBJECT_BYTES: usize = 256;

/// The rows that a caller may see.
///
/// It is made from the caller alone, so that nothing in a request can widen it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditReach(Option<TenantId>);

/// The rows that are looked for; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    pub tenant: Option<TenantId>,
    pub action: Option<AuditAction>,
    pub actor: Option<ActorFilter>,
    pub subject: Option<SubjectStart>,
    /// At this time or later.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
}

/// Who acted: `operator:ada`, `token:abcd2345`, `local:1000`, a kind alone,
/// `setup` or `system`. It is read from what an [`Actor`] is written as, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActorFilter {
    Operator(Option<OperatorName>),
    Token(Option<TokenId>),
    Local(Option<u32>),
    Setup,
    System,
}

/// How a subject begins, as `com.acme.` or `com.acme.reports 1.2.0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectStart(String);

/// The text names nobody who acts.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "who acted is `operator`, `token` or `local`, alone or as `operator:ada`, `token:abcd2345`, \
     `local:1000`, or `setup` or `system`"
)]
pub struct InvalidActorFilter;

/// The text begins no subject.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("what it happened to is 1 to {MAX_SUBJECT_BYTES} bytes without control characters")]
pub struct InvalidSubjectStart;

/// The text is no time.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time is a day in UTC, as 2026-09-21, or exact, as 2026-09-21T14:13:20Z")]
pub struct InvalidAuditTime;

impl AuditReach {
    /// Who administers the appliance sees every row. A token is one tenant's, and
    /// so are the rows it sees: not even those that belong to no tenant.
    pub fn of(principal: &Principal) -> Self {
        match principal {
            Principal::Operator(_) | Principal::Local { .. } => Self(None),
            Principal::Token(token) => Self(Some(token.tenant.clone())),
        }
    }

    /// Whether a row with this tenant is within reach.
    pub fn covers(&self, tenant: Option<&TenantId>) -> bool {
        self.0.as_ref().is_none_or(|own| tenant == Some(own))
    }
}

impl AuditFilter {
    /// Whether a row is one of those that are looked for.
    pub fn matches(&self, event: &AuditEvent) -> bool {
        let Self { tenant, action, actor, subject, from, to } = self;
        tenant.as_ref().is_none_or(|tenant| event.tenant.as_ref() == Some(tenant))
            && action.is_none_or(|action| event.action == action)
            && actor.as_ref().is_none_or(|actor| actor.matches(&event.actor))
            && subject.as_ref().is_none_or(|start| event.subject.starts_with(&start.0))
            && from.is_none_or(|from| event.at >= from)
            && to.is_none_or(|to| event.at < to)
    }
}

impl ActorFilter {
    fn matches(&self, actor: &Actor) -> bool {
        match (self, actor) {
            (Self::Operator(asked), Actor::Operator(name)) => fits(asked.as_ref(), name),
            (Self::Token(asked), Actor::Token(id)) => fits(asked.as_ref(), id),
            (Self::Local(asked), Actor::Local { uid }) => fits(asked.as_ref(), uid),
            (Self::Setup, Actor::Setup) | (Self::System, Actor::System) => true,
            (
                Self::Operator(_) | Self::Token(_) | Self::Local(_) | Self::Setup | Self::System,
                Actor::Operator(_)
                | Actor::Token(_)
                | Actor::Local { .. }
                | Actor::Setup
                | Actor::System,
            ) => false,
        }
    }
}

fn fits<T: PartialEq>(asked: Option<&T>, found: &T) -> bool {
    asked.is_none_or(|asked| asked == found)
}

/// The first moment that is meant by `from`: of a day its beginning.
pub fn parse_audit_from(text: &str) -> Result<Timestamp, InvalidAuditTime> {
    if is_day(text) { midnight(text) } else { text.parse().map_err(|_| InvalidAuditTime) }
}

/// The first moment that is not meant by `to`: of a day the beginning of the next.
pub fn parse_audit_to(text: &str) -> Result<Timestamp, InvalidAuditTime> {
    if is_day(text) {
        let end = midnight(text)?.checked_add(SignedDuration::from_hours(24));
        end.map_err(|_| InvalidAuditTime)
    } else {
        text.parse().map_err(|_| InvalidAuditTime)
    }
}

/// jiff reads a date out of a longer text too, and forgets the rest.
fn is_day(text: &str) -> bool {
    text.len() == "2026-09-21".len()
}

fn midnight(day: &str) -> Result<Timestamp, InvalidAuditTime> {
    let date: Date = day.parse().map_err(|_| InvalidAuditTime)?;
    let begin = date.to_zoned(TimeZone::UTC).map_err(|_| InvalidAuditTime)?;
    Ok(begin.timestamp())
}

impl FromStr for ActorFilter {
    type Err = InvalidActorFilter;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let local = text.strip_prefix("local uid ").map(|uid| ("local", uid));
        let (kind, id) = match local.or_else(|| text.split_once([':', ' '])) {
            Some((kind, id)) => (kind, Some(id)),
            None => (text, None),
        };
        match kind {
            "operator" => parsed(id).map(Self::Operator),
            "token" => parsed(id).map(Self::Token),
            "local" => parsed(id).map(Self::Local),
            "setup" if id.is_none() => Ok(Self::Setup),
            "system" | "plugboard" if id.is_none() => Ok(Self::System),
            _ => Err(InvalidActorFilter),
        }
    }
}

fn parsed<T: FromStr>(id: Option<&str>) -> Result<Option<T>, InvalidActorFilter> {
    id.map(|id| id.parse().map_err(|_| InvalidActorFilter)).transpose()
}

impl fmt::Display for ActorFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator(Some(name)) => write!(f, "operator:{name}"),
            Self::Operator(None) => f.write_str("operator"),
            Self::Token(Some(id)) => write!(f, "token:{id}"),
            Self::Token(None) => f.write_str("token"),
            Self::Local(Some(uid)) => write!(f, "local:{uid}"),
            Self::Local(None) => f.write_str("local"),
            Self::Setup => f.write_str("setup"),
            Self::System => f.write_str("system"),
        }
    }
}

impl FromStr for SubjectStart {
    type Err = InvalidSubjectStart;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=MAX_SUBJECT_BYTES).contains(&text.len());
        if fits && !text.chars().any(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidSubjectStart)
        }
    }
}

impl fmt::Display for SubjectStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
