//! `plugboard completions`: what a shell needs to complete our commands.

use clap::CommandFactory;
use clap_complete::Shell;

use super::failure::{Exit, Failure};
use super::{Arguments, Context};

/// Prints a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(long_about = "Prints a completion script for a shell.

Examples:
  plugboard completions bash > ~/.local/share/bash-completion/completions/plugboard
  plugboard completions zsh > ~/.zfunc/_plugboard
  plugboard completions fish > ~/.config/fish/completions/plugboard.fish")]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// The command line without what is hidden, which would be offered, too.
fn shown() -> clap::Command {
    let whole = Arguments::command();
    let for_people = whole.get_subcommands().filter(|each| !each.is_hide_set()).cloned();
    clap::Command::new("plugboard")
        .version(env!("CARGO_PKG_VERSION"))
        .args(whole.get_arguments().cloned())
        .subcommands(for_people)
}

/// Runs `plugboard completions`.
pub(super) fn run(args: &CompletionsArgs, context: &Context) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut shown(), "plugboard", &mut script);
    context.output.raw(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
