//! How a command ends, and what it says when it ends badly.

use std::fmt;

/// The exit codes of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    /// It was refused; the report says why.
    Refused = 1,
    /// The call itself was wrong.
    Usage = 2,
    /// A person has to decide.
    Quarantined = 3,
    /// Could not reach or finish; safe to repeat.
    Unfinished = 4,
    Interrupted = 130,
}

/// A failure with its exit code: a sentence, its causes, and a hint.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub error: anyhow::Error,
    pub hint: Option<String>,
}

impl Failure {
    /// Refused, with a reason.
    pub fn refused(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Refused, error: error.into(), hint: None }
    }

    /// The call was wrong.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Usage, error: anyhow::anyhow!("{message}"), hint: None }
    }

    /// Could not reach or finish.
    pub fn unfinished(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Unfinished, error: error.into(), hint: None }
    }

    /// Says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// One sentence, the chain of causes indented below, the hint last.
    pub fn text(&self) -> String {
        let mut text = format!("error: {}", self.error);
        for cause in self.error.chain().skip(1) {
            text.push_str(&format!("\n  because: {cause}"));
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("\n  hint: {hint}"));
        }
        text
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::refused(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::unfinished(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::refused(error)
    }
}
