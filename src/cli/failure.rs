//! How a command ends, and what it says when it ends badly.

use std::fmt;

use serde_json::{Value, json};

use super::client::Refusal;

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

impl Exit {
    /// What the code means, in one word for machines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Usage => "usage",
            Self::Quarantined => "quarantined",
            Self::Unfinished => "unfinished",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A failure with its exit code: a sentence, its causes, and a hint.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub error: anyhow::Error,
    pub hint: Option<String>,
}

impl Failure {
    fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into(), hint: None }
    }

    /// Refused, with a reason.
    pub fn refused(error: impl Into<anyhow::Error>) -> Self {
        Self::new(Exit::Refused, error)
    }

    /// The call was wrong.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, anyhow::anyhow!("{message}"))
    }

    /// What is set cannot be used as it is, as a file that a setting names.
    pub fn misconfigured(error: impl Into<anyhow::Error>) -> Self {
        Self::new(Exit::Usage, error)
    }

    /// Could not reach or finish.
    pub fn unfinished(error: impl Into<anyhow::Error>) -> Self {
        Self::new(Exit::Unfinished, error)
    }

    /// The user pressed Ctrl-C.
    pub fn interrupted() -> Self {
        Self::new(Exit::Interrupted, anyhow::anyhow!("interrupted"))
    }

    /// Says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Of a command for the host: where a token was named, it went the way of all others.
    #[must_use]
    pub fn for_the_host(self) -> Self {
        let is_forbidden = self.refusal().is_some_and(|refusal| refusal.status == 403);
        if !is_forbidden {
            return self;
        }
        self.hint(
            "this works on the host itself and with no token: leave out --token-file and --url, \
             and unset PLUGBOARD_TOKEN, PLUGBOARD_TOKEN_FILE and PLUGBOARD_URL",
        )
    }

    /// The answer of the appliance, if this is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.error.downcast_ref()
    }

    /// Whether the appliance answered with this code.
    pub fn has_code(&self, code: &str) -> bool {
        self.refusal().is_some_and(|refusal| refusal.code == code)
    }

    fn causes(&self) -> Vec<String> {
        self.error.chain().skip(1).map(ToString::to_string).collect()
    }

    /// One sentence, the chain of causes indented below, the hint last.
    pub fn text(&self) -> String {
        let mut lines = vec![self.error.to_string()];
        lines.extend(self.causes().into_iter().map(|cause| format!("  because: {cause}")));
        lines.extend(self.hint.iter().map(|hint| format!("  hint: {hint}")));
        lines.join("\n")
    }

    /// What `--json` prints in the place of a result.
    pub fn to_json(&self) -> Value {
        let refusal = self.refusal();
        json!({
            "error": {
                "code": refusal.map_or(self.exit.as_str(), |refusal| &refusal.code),
                "message": refusal.map_or(self.error.to_string(), |refusal| refusal.detail.clone()),
                "causes": self.causes(),
                "hint": self.hint,
                "problem": refusal.map(|refusal| &refusal.problem),
            }
        })
    }
}

impl From<&clap::Error> for Failure {
    /// A call that was not understood. Below the first paragraph are tips, the usage and where
    /// help is: for people.
    fn from(error: &clap::Error) -> Self {
        use clap::error::ErrorKind;
        let text = error.render().to_string();
        let first = text.split("\n\n").next().unwrap_or_default();
        let words = first.split_whitespace().collect::<Vec<_>>().join(" ");
        // In the place of an error there is the whole help.
        let is_help = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
        let sentence = if is_help {
            "a command is missing"
        } else {
            words.strip_prefix("error: ").unwrap_or(&words)
        };
        Self::usage(sentence).hint("`--help` shows examples and every argument")
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

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_failure_is_a_sentence_its_causes_and_a_hint() {
        let error = anyhow!("connection refused").context("could not reach the appliance");
        let failure = Failure::unfinished(error).hint("Is it running?");

        insta::assert_snapshot!(failure.text(), @r"
        could not reach the appliance
          because: connection refused
          hint: Is it running?
        ");
        insta::assert_json_snapshot!(failure.to_json(), @r#"
        {
          "error": {
            "causes": [
              "connection refused"
            ],
            "code": "unfinished",
            "hint": "Is it running?",
            "message": "could not reach the appliance",
            "problem": null
          }
        }
        "#);
    }
}
