//! What is typed on a terminal in confidence.

use std::io::{Read, Write};
use std::process::{ChildStdin, ChildStdout, Stdio};

use super::program::{Desk, PROGRAM};

const PASSWORD: &str = "correct horse battery staple";

/// A terminal: what it shows, and its keys.
struct Terminal {
    screen: ChildStdout,
    keys: ChildStdin,
    shown: String,
}

impl Terminal {
    fn until_shows(&mut self, wanted: &str) {
        let mut byte = [0];
        while !self.shown.ends_with(wanted) {
            let read = self.screen.read(&mut byte).unwrap();
            assert_eq!(read, 1, "it ended without {wanted}: {}", self.shown);
            self.shown.push(char::from(byte[0]));
        }
    }
}

/// Runs the program on a terminal that shows what is typed, and types each answer after its
/// question: all that was shown.
fn typed(desk: &Desk, line: &str, answers: &[(&str, &str)]) -> String {
    let mut command = desk.other("script");
    command.args(["--quiet", "--return", "--echo", "always", "--command"]);
    command.arg(format!("{PROGRAM} {line}")).arg("typescript");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (screen, keys) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
    let mut terminal = Terminal { screen, keys, shown: String::new() };
    for (question, answer) in answers {
        terminal.until_shows(question);
        terminal.keys.write_all(answer.as_bytes()).unwrap();
        terminal.keys.write_all(b"\n").unwrap();
    }
    terminal.screen.read_to_string(&mut terminal.shown).unwrap();
    assert!(child.wait().unwrap().success(), "{}", terminal.shown);
    terminal.shown
}

#[test]
fn a_password_does_not_show_whatever_becomes_of_the_output() {
    let desk = Desk::new();
    let twice = [("Password: ", PASSWORD), ("Again: ", PASSWORD)];
    for line in [
        "operator create ada --data-dir data",
        "operator create eve --data-dir data --json",
        "operator create joe --data-dir data 2>errors",
        "operator create kim --data-dir data >made 2>errors",
        "operator create lea --data-dir data --password-file -",
        "operator reset-password ada --data-dir data --json",
    ] {
        let shown = typed(&desk, line, &twice);

        assert!(!shown.contains("horse"), "{line}: {shown}");
    }
    assert_eq!(desk.ok("operator list --data-dir data").stdout.lines().count(), 6);
}
