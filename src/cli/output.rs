//! What the program prints: the only file that does.
//!
//! Results go to standard output, progress and notes to standard error. A
//! closed pipe ends the printing, not the work.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

/// Where and how to print.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
    color: bool,
}

/// A color that repeats what the words say.
#[derive(Clone, Copy, Debug)]
pub enum Tone {
    Good,
    Attention,
    Danger,
}

impl Output {
    /// `--json`, and what the terminal and `NO_COLOR` allow.
    pub fn new(json: bool, no_color: bool) -> Self {
        Self { json, color: !json && !no_color && io::stdout().is_terminal() }
    }

    /// Whether machines read the output.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// Whether a person watches standard error.
    pub fn shows_progress(self) -> bool {
        !self.json && io::stderr().is_terminal()
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

    /// Prints a line for people, on standard error.
    pub fn note(self, text: &str) {
        // A closed standard error is no reason to stop.
        write_line(&mut io::stderr().lock(), text).ok();
    }

    /// Colors a word, if colors are wanted.
    pub fn paint(self, tone: Tone, word: &str) -> String {
        if !self.color {
            return word.to_owned();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Attention => "33",
            Tone::Danger => "31",
        };
        format!("\u{1b}[{code}m{word}\u{1b}[0m")
    }
}

fn write_line(out: &mut impl Write, line: &str) -> io::Result<()> {
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Columns, each as wide as its widest cell; the last one is not padded.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..head.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let mut text = String::new();
        for (cell, width) in cells.iter().zip(&widths) {
            let padding = width - cell.chars().count() + 2;
            text.push_str(cell);
            text.push_str(&" ".repeat(padding));
        }
        text.trim_end().to_owned()
    };
    let mut lines = vec![line(head.to_vec())];
    lines.extend(rows.iter().map(|row| line(row.iter().map(String::as_str).collect())));
    lines.join("\n")
}

/// Bytes in binary units, one decimal: `12.4 MiB`.
#[expect(clippy::cast_precision_loss, reason = "one decimal of a size for people")]
pub fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows =
            [vec!["a".to_owned(), "1.0.0".to_owned()], vec!["longer".to_owned(), "2".to_owned()]];

        assert_eq!(table(&["NAME", "VERSION"], &rows), "NAME    VERSION\na       1.0.0\nlonger  2");
    }

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(12 * 1024 * 1024 + 400 * 1024), "12.4 MiB");
    }
}
