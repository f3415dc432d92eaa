//! Asking a person: yes or no, and passwords that do not show.

use std::io::{self, BufRead, IsTerminal, Read};
use std::path::{Path, PathBuf};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::failure::Failure;
use super::files::{is_standard, read_text};
use super::interrupt::blocking;
use super::output::Output;

const CTRL_C: u8 = 0x03;
const CTRL_D: u8 = 0x04;
const BACKSPACE: u8 = 0x08;
const CTRL_U: u8 = 0x15;
const DELETE: u8 = 0x7f;

/// Makes sure that a person wants what `question` says: by `--yes`, else by asking.
pub(super) async fn confirm(output: Output, yes: bool, question: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !output.can_ask() {
        return Err(Failure::usage(format!("{question}: nobody can be asked here, add --yes")));
    }
    output.prompt(&format!("{question}. Go on? [y/N] "));
    let answer = blocking(|| {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        Ok(line)
    });
    match answer.await?.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::refused(anyhow::anyhow!("nothing was changed"))),
    }
}

/// Where what is confided comes from. What is typed on a terminal would show if it were read as
/// a file is, whatever becomes of the output.
enum Place {
    File(PathBuf),
    Terminal,
    Input,
}

impl Place {
    fn of(file: Option<PathBuf>) -> Self {
        match file {
            Some(file) if !is_standard(&file) => Self::File(file),
            _ if io::stdin().is_terminal() => Self::Terminal,
            _ => Self::Input,
        }
    }
}

/// A new password: from a file, from a terminal (twice), or else the first line
/// of standard input.
pub(super) async fn new_password(
    output: Output,
    file: Option<PathBuf>,
) -> Result<SecretString, Failure> {
    blocking(move || match Place::of(file) {
        Place::File(file) => first_line(&read_text(&file)?),
        Place::Terminal => {
            let password = hidden(output, "Password: ")?;
            let again = hidden(output, "Again: ")?;
            if password.expose_secret() == again.expose_secret() {
                Ok(password)
            } else {
                Err(Failure::usage("the two passwords differ; nothing was changed"))
            }
        }
        Place::Input => first_line(&read_text(Path::new("-"))?),
    })
    .await
}

/// The value of a secret: from a file, from a terminal, or else all of standard input,
/// without the line end that an editor or `echo` puts at its end.
pub(super) async fn secret_value(
    output: Output,
    file: Option<PathBuf>,
) -> Result<SecretString, Failure> {
    blocking(move || match Place::of(file) {
        Place::File(file) => without_line_end(&Zeroizing::new(read_text(&file)?)),
        Place::Terminal => hidden(output, "Value: "),
        Place::Input => without_line_end(&Zeroizing::new(read_text(Path::new("-"))?)),
    })
    .await
}

fn without_line_end(text: &str) -> Result<SecretString, Failure> {
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() {
        return Err(Failure::usage("no value was given")
            .hint("write it to standard input, or name a file with --file"));
    }
    Ok(SecretString::from(text))
}

fn first_line(text: &str) -> Result<SecretString, Failure> {
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned().into()),
        _ => Err(Failure::usage("no password was given")
            .hint("write it to standard input, or name a file with --password-file")),
    }
}

/// Asks on the terminal without showing what is typed.
fn hidden(output: Output, question: &str) -> Result<SecretString, Failure> {
    // First: who is asked may type at once.
    let quiet = QuietTerminal::begin()?;
    output.prompt(question);
    let typed = read_hidden(&mut io::stdin().lock());
    drop(quiet);
    output.prompt("\n");
    typed
}

/// Reads keys up to Enter. The terminal is quiet, so its editing keys and
/// Ctrl-C are ours to understand.
fn read_hidden(keys: &mut impl Read) -> Result<SecretString, Failure> {
    let mut typed: Vec<u8> = Vec::new();
    let mut key = [0];
    loop {
        let read = keys.read(&mut key)?;
        match key[0] {
            _ if read == 0 => break,
            b'\r' | b'\n' => break,
            CTRL_D if typed.is_empty() => return Err(Failure::interrupted()),
            CTRL_C => return Err(Failure::interrupted()),
            CTRL_U => typed.clear(),
            BACKSPACE | DELETE => {
                // A whole character, which can have several bytes.
                while typed.pop().is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000) {}
            }
            other => typed.push(other),
        }
    }
    let text = String::from_utf8(typed);
    text.map(Into::into).map_err(|_| Failure::usage("what was typed is not UTF-8 text"))
}

/// The terminal, until dropped, without echo and without signals from keys:
/// killed by Ctrl-C, this program would leave it without echo.
struct QuietTerminal(Termios);

impl QuietTerminal {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for QuietTerminal {
    fn drop(&mut self) {
        tcsetattr(io::stdin(), OptionalActions::Now, &self.0).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::super::failure::Exit;
    use super::*;

    fn typed(keys: &str) -> Result<String, Exit> {
        let read = read_hidden(&mut keys.as_bytes());
        read.map(|text| text.expose_secret().to_owned()).map_err(|failure| failure.exit)
    }

    #[test]
    fn one_line_end_of_a_secret_is_left_out_and_no_more() {
        let of = |text| without_line_end(text).map(|value| value.expose_secret().to_owned());

        for (text, value) in
            [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a ", " a ")]
        {
            assert_eq!(of(text).unwrap(), value, "{text:?}");
        }
        assert!(of("").is_err() && of("\n").is_err());
    }

    #[test]
    fn keys_are_edited_as_on_a_terminal() {
        assert_eq!(typed("secret\nrest"), Ok("secret".to_owned()));
        assert_eq!(typed("wrong\u{15}right\r"), Ok("right".to_owned()));
        assert_eq!(typed("pö\u{7f}\u{7f}\u{7f}\u{7f}q\n"), Ok("q".to_owned()));
        assert_eq!(typed("p\u{3}"), Err(Exit::Interrupted));
        assert_eq!(typed("\u{4}"), Err(Exit::Interrupted));
    }
}
