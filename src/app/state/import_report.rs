//! How an import is to be done, what it came to, and why it ended before its end.

use serde::Serialize;

use super::KeepingError;
use super::lines::LineError;
use crate::registry::RegistryError;
use crate::state::StateError;
use crate::state::values::Importing;

/// How an import is to be done.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImportOptions {
    /// Put values over others that are there.
    pub replace: bool,
    /// Write nothing, and say what would have been.
    pub dry_run: bool,
}

/// What an import came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// Put where nothing was.
    pub created: u64,
    /// Put over others.
    pub replaced: u64,
    /// There already.
    pub unchanged: u64,
    /// Left out, as their time is over.
    pub expired: u64,
}

/// Why a line was refused.
#[derive(Debug, thiserror::Error)]
pub enum LineProblem {
    #[error(transparent)]
    Line(#[from] LineError),
    #[error("another value is there already")]
    Taken,
    #[error("the install would have more than it may")]
    Full,
    #[error("the install was uninstalled meanwhile")]
    Gone,
}

/// Why an import ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("line {number} is refused: {problem}; {}", .before.in_words(.options.dry_run))]
    Line { number: u64, problem: LineProblem, before: Imported, options: ImportOptions },
    #[error("the body broke off after line {number}; {}", .before.in_words(.options.dry_run))]
    Broken { number: u64, before: Imported, options: ImportOptions },
    #[error(transparent)]
    Keeping(#[from] KeepingError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl Imported {
    /// Values that were written.
    pub const fn written(&self) -> u64 {
        self.created + self.replaced
    }

    fn in_words(self, dry_run: bool) -> String {
        if dry_run {
            return "nothing was to be written".to_owned();
        }
        format!("{} values of the lines before it were written and stay", self.written())
    }

    /// Counts what a line came to; gives why it ends the import.
    pub(super) fn count(&mut self, outcome: Importing) -> Option<LineProblem> {
        let counted = match outcome {
            Importing::Created => &mut self.created,
            Importing::Replaced => &mut self.replaced,
            Importing::Unchanged => &mut self.unchanged,
            Importing::Expired => &mut self.expired,
            Importing::Taken => return Some(LineProblem::Taken),
            Importing::Full => return Some(LineProblem::Full),
            Importing::Gone => return Some(LineProblem::Gone),
        };
        *counted += 1;
        None
    }
}
