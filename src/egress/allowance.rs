//! The lists that a destination must be on, all of them.

use std::fmt;

use super::destination::Destination;
use crate::model::{Allowance, EgressRule};

/// What the appliance lets installs call at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ceiling {
    Listed(Vec<EgressRule>),
    Everything,
}

/// A destination that is missing on a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The entry that allows exactly this destination.
    pub entry: String,
    /// Where it is missing: at least one.
    pub missing: Vec<List>,
    /// No list could allow it: it is this machine, or link-local.
    pub is_barred: bool,
}

/// Who must allow a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// `egress.allowlist`, of whoever runs the appliance.
    Appliance,
    /// `egress` in the manifest, of the publisher.
    Manifest,
    /// The hosts granted to the install, of its operator.
    Grant,
}

impl Ceiling {
    fn allows(&self, to: &Destination) -> bool {
        match self {
            Self::Listed(rules) => allow(rules, to),
            Self::Everything => true,
        }
    }

    /// Whether every list has the destination.
    pub(super) fn check(&self, allowance: &Allowance, to: &Destination) -> Result<(), Denial> {
        let requested = allowance.requested.as_ref().is_none_or(|rules| allow(rules, to));
        let lists = [
            (List::Appliance, self.allows(to)),
            (List::Manifest, requested),
            (List::Grant, allow(&allowance.granted, to)),
        ];
        let missing: Vec<_> =
            lists.into_iter().filter(|(_, allowed)| !allowed).map(|(list, _)| list).collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(Denial { entry: to.entry(), missing, is_barred: false })
        }
    }
}

fn allow(rules: &[EgressRule], to: &Destination) -> bool {
    EgressRule::any_allows(rules, to.scheme(), to.host(), to.port())
}

impl List {
    /// Where an operator finds it.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Appliance => "the appliance's `egress.allowlist`",
            Self::Manifest => "the manifest's `egress`",
            Self::Grant => "the hosts granted to the install",
        }
    }

    /// Its name where machines read.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Appliance => "appliance",
            Self::Manifest => "manifest",
            Self::Grant => "grant",
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists: Vec<_> = self.missing.iter().map(|list| list.describe()).collect();
        write!(f, "{} is not in {}", self.entry, lists.join(", nor in "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(entries: &[&str]) -> Vec<EgressRule> {
        entries.iter().map(|entry| entry.parse().unwrap()).collect()
    }

    fn missing(appliance: &[&str], manifest: Option<&[&str]>, grant: &[&str]) -> Vec<List> {
        let allowance = Allowance { requested: manifest.map(rules), granted: rules(grant) };
        let to = Destination::parse("https://api.example.com/").unwrap();
        match Ceiling::Listed(rules(appliance)).check(&allowance, &to) {
            Ok(()) => Vec::new(),
            Err(denial) => denial.missing,
        }
    }

    #[test]
    fn a_destination_must_be_on_every_list() {
        use List::{Appliance, Grant, Manifest};
        const API: &[&str] = &["api.example.com"];
        const BELOW: &[&str] = &["*.example.com"];
        const OTHER: &[&str] = &["www.example.com"];

        assert_eq!(missing(API, Some(API), API), []);
        assert_eq!(missing(BELOW, Some(BELOW), BELOW), []);
        assert_eq!(missing(OTHER, Some(API), API), [Appliance]);
        assert_eq!(missing(API, Some(OTHER), API), [Manifest]);
        assert_eq!(missing(API, Some(API), OTHER), [Grant]);
        assert_eq!(missing(OTHER, Some(OTHER), OTHER), [Appliance, Manifest, Grant]);
    }

    #[test]
    fn an_empty_list_has_nothing_and_a_missing_one_leaves_it_to_the_others() {
        use List::{Appliance, Grant, Manifest};
        const API: &[&str] = &["api.example.com"];

        assert_eq!(missing(&[], Some(API), API), [Appliance]);
        assert_eq!(missing(API, Some(&[]), API), [Manifest]);
        assert_eq!(missing(API, Some(API), &[]), [Grant]);
        assert_eq!(missing(API, None, API), []);
        assert_eq!(missing(API, None, &[]), [Grant]);
    }

    #[test]
    fn a_denial_says_the_entry_and_where_it_is_missing() {
        let to = Destination::parse("http://api.example.com:8080/secret?x").unwrap();
        let allowance = Allowance { requested: None, granted: Vec::new() };

        let denial = Ceiling::Listed(Vec::new()).check(&allowance, &to).unwrap_err();

        assert_eq!(
            denial.to_string(),
            "http://api.example.com:8080 is not in the appliance's `egress.allowlist`, nor in \
             the hosts granted to the install"
        );
    }
}
