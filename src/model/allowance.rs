//! What one install may call.

use super::{EgressHost, EgressRule, Scheme};

/// What one install may call, as far as its manifest and its operator say: a destination
/// must be in both lists, and in that of the appliance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// The manifest's `egress`; `None` if it has none, and leaves it to the operator.
    pub requested: Option<Vec<EgressRule>>,
    /// What the install was granted.
    pub granted: Vec<EgressRule>,
}

impl EgressRule {
    /// Whether a list has an entry for this host and port. An empty list has none.
    pub fn any_allows(rules: &[Self], scheme: Scheme, host: &EgressHost, port: u16) -> bool {
        rules.iter().any(|rule| rule.allows(scheme, host, port))
    }
}
