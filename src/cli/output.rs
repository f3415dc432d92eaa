//! What the program prints: the only place that does.
//!
//! Results go to standard output, progress and notes to standard error. A
//! closed pipe ends the printing, not the work.

mod checks;
mod progress;
mod table;

pub(super) use checks::checks;
pub(super) use progress::Progress;
pub(super) use table::{table, time};

use checks::refused_rows;

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

use rustix::fs::FileType;
use serde::Serialize;

use super::failure::{Exit, Failure};
pub(super) use crate::model::byte_size;

/// Where and how to print.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
    color: bool,
    error_color: bool,
}

/// A color that repeats what the words say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Good,
    Attention,
    Danger,
    Quiet,
}

/// Colors words, or leaves them as they are.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    on: bool,
}

impl Output {
    /// `--json`, and what the terminal and `NO_COLOR` allow.
    pub fn new(json: bool, no_color: bool) -> Self {
        Self {
            json,
            color: !json && !no_color && io::stdout().is_terminal(),
            error_color: !no_color && io::stderr().is_terminal(),
        }
    }

    /// Whether machines read the output.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// Whether a person watches standard error.
    pub fn shows_progress(self) -> bool {
        !self.json && io::stderr().is_terminal()
    }

    /// Whether a person is there to be asked.
    pub fn can_ask(self) -> bool {
        self.shows_progress() && io::stdin().is_terminal()
    }

    /// For words on standard output.
    pub fn paint(self) -> Paint {
        Paint { on: self.color }
    }

    /// Prints a result: the object for machines, else the text.
    pub fn result(self, object: &impl Serialize, text: &str) -> io::Result<()> {
        if self.json {
            let line = serde_json::to_string(object)?;
            write_line(&mut io::stdout().lock(), &line)
        } else {
            write_line(&mut io::stdout().lock(), text.trim_end())
        }
    }

    /// As [`Output::result`], for what nobody can be told again: that nobody reads it is an error.
    pub fn only_result(self, object: &impl Serialize, text: &str) -> io::Result<()> {
        let line = if self.json { serde_json::to_string(object)? } else { text.to_owned() };
        let mut out = io::stdout().lock();
        writeln!(out, "{line}").and_then(|()| out.flush())
    }

    /// Whether what is printed goes to the null device: also where standard output was closed,
    /// since every program here opens that in its place.
    pub fn is_dropped(self) -> bool {
        let found = rustix::fs::fstat(io::stdout());
        // Linux, Documentation/admin-guide/devices.txt: character device 1:3.
        let null = rustix::fs::makedev(1, 3);
        found.is_ok_and(|found| {
            FileType::from_raw_mode(found.st_mode).is_char_device() && found.st_rdev == null
        })
    }

    /// Prints text as it is, whatever `--json` says.
    pub fn raw(self, text: &str) -> io::Result<()> {
        write_line(&mut io::stdout().lock(), text.trim_end())
    }

    /// Standard output, for what is printed while it arrives, whatever `--json` says.
    pub fn stream(self) -> impl Write {
        io::stdout()
    }

    /// Prints a line for people, on standard error.
    pub fn note(self, text: &str) {
        // A closed standard error is no reason to stop.
        write_line(&mut io::stderr().lock(), text).ok();
    }

    /// Prints a question and stays on its line: on standard error, or, where nobody watches
    /// that, on the terminal that the answer is typed on.
    pub fn prompt(self, text: &str) {
        let typed_on = io::stdin().as_fd().try_clone_to_owned().map(File::from);
        let shown = match typed_on {
            Ok(mut terminal) if terminal.is_terminal() && !io::stderr().is_terminal() => {
                write!(terminal, "{text}").is_ok()
            }
            _ => false,
        };
        if !shown {
            let mut out = io::stderr().lock();
            write!(out, "{text}").and_then(|()| out.flush()).ok();
        }
    }

    /// Prints why a command failed: for people, and with `--json` as the result.
    pub fn failure(self, failure: &Failure) {
        let paint = Paint { on: self.error_color };
        let problem = failure.refusal().map(|refusal| &refusal.problem);
        let rows = problem.and_then(|problem| refused_rows(problem, paint));
        let head = if failure.exit == Exit::Interrupted {
            // After the `^C` that the terminal shows.
            if io::stderr().is_terminal() { "\n".to_owned() } else { String::new() }
        } else {
            paint.words(Tone::Danger, "error:") + " "
        };
        let text = match rows {
            None => failure.text(),
            // The rows have their own hints.
            Some(rows) => format!("{}\n{rows}", failure.error),
        };
        self.note(&format!("{head}{text}"));
        self.failure_object(failure);
    }

    /// Prints a failure for machines alone: people were told before.
    pub fn failure_object(self, failure: &Failure) {
        if self.json {
            write_line(&mut io::stdout().lock(), &failure.to_json().to_string()).ok();
        }
    }
}

impl Paint {
    /// Text without color.
    pub const PLAIN: Self = Self { on: false };

    /// Colors `words`, if colors are wanted.
    pub fn words(self, tone: Tone, words: &str) -> String {
        let code = match tone {
            _ if !self.on => return words.to_owned(),
            Tone::Good => "32",
            Tone::Attention => "33",
            Tone::Danger => "31",
            Tone::Quiet => "2",
        };
        format!("\u{1b}[{code}m{words}\u{1b}[0m")
    }
}

fn write_line(out: &mut impl Write, line: &str) -> io::Result<()> {
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
