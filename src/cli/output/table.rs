//! Columns, sizes and times for people.

use jiff::Timestamp;

/// Columns, each as wide as its widest cell; the last one is not padded.
pub(in crate::cli) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell));
        cells.chain([width(head[column])]).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..head.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let mut text = String::new();
        for (cell, width) in cells.iter().zip(&widths) {
            text.push_str(cell);
            text.push_str(&" ".repeat(width + 2 - self::width(cell)));
        }
        text.trim_end().to_owned()
    };
    let mut lines = vec![line(head.to_vec())];
    lines.extend(rows.iter().map(|row| line(row.iter().map(String::as_str).collect())));
    lines.join("\n")
}

/// Characters that take a place: color codes take none.
fn width(cell: &str) -> usize {
    let (mut count, mut in_code) = (0, false);
    for letter in cell.chars() {
        match letter {
            '\u{1b}' => in_code = true,
            'm' if in_code => in_code = false,
            _ if in_code => {}
            _ => count += 1,
        }
    }
    count
}

/// A time in UTC, to the minute.
pub(in crate::cli) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let rows = [row(["a", "1.0.0"]), row(["\u{1b}[32mlonger\u{1b}[0m", "2"])];

        assert_eq!(
            table(&["NAME", "VERSION"], &rows),
            "NAME    VERSION\na       1.0.0\n\u{1b}[32mlonger\u{1b}[0m  2"
        );
    }
}
