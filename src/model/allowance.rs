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

impl Allowance {
    /// What the same manifest may call where the operator grants no more than in `other`, too.
    #[must_use]
    pub fn within(&self, other: &Self) -> Self {
        let (ours, theirs) = (&self.granted, &other.granted);
        let narrower = |rules: &[EgressRule], others: &[EgressRule]| {
            let is_in = |rule: &&EgressRule| others.iter().any(|other| other.covers(rule));
            rules.iter().filter(is_in).cloned().collect::<Vec<_>>()
        };
        let mut granted = narrower(ours, theirs);
        granted.extend(narrower(theirs, ours));
        Self { requested: self.requested.clone(), granted }
    }
}

impl EgressRule {
    /// Whether a list has an entry for this host and port. An empty list has none.
    pub fn any_allows(rules: &[Self], scheme: Scheme, host: &EgressHost, port: u16) -> bool {
        rules.iter().any(|rule| rule.allows(scheme, host, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granting(rules: &[&str]) -> Allowance {
        Allowance {
            requested: None,
            granted: rules.iter().map(|rule| rule.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn within_another_there_is_what_both_grant() {
        let ours = granting(&["a.example.com", "*.example.org", "b.example.com"]);
        let theirs = granting(&["*.example.com", "c.example.org", "http://b.example.com"]);

        let both = ours.within(&theirs).granted;

        let exact = |name: &str| EgressHost::Exact(name.into());
        let allows = |name| EgressRule::any_allows(&both, Scheme::Https, &exact(name), 443);
        assert!(["a.example.com", "b.example.com", "c.example.org"].into_iter().all(allows));
        assert!(!["c.example.com", "d.example.org"].into_iter().any(allows));
        assert!(!EgressRule::any_allows(&both, Scheme::Http, &exact("b.example.com"), 80));
        assert_eq!(ours.within(&granting(&[])).granted, []);
    }
}
