//! What is wrong with a configuration: all of it, at once.

use std::fmt;

/// One problem, with the key it is about and where its value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The dotted key, or the name as it was written when it is no key.
    pub key: String,
    /// A file path, the name of a variable, a flag, or `default`.
    pub source: String,
    /// What is wrong and what to do about it.
    pub message: String,
}

/// Every problem of a configuration that was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigProblems(pub Vec<Problem>);

/// A rule that a well-formed configuration breaks; [`super::load`] adds the source.
pub(super) struct Finding {
    pub(super) key: &'static str,
    pub(super) message: String,
}

/// The rules that were broken so far.
#[derive(Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    pub(super) fn add(&mut self, key: &'static str, message: impl Into<String>) {
        self.0.push(Finding { key, message: message.into() });
    }

    /// Adds the message unless `holds`.
    pub(super) fn expect(&mut self, holds: bool, key: &'static str, message: &str) {
        if !holds {
            self.add(key, message);
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.key, self.source, self.message)
    }
}

impl fmt::Display for ConfigProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(problems) = self;
        let count = problems.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        write!(f, "the configuration has {count} {noun}")?;
        problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}
