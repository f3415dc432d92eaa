//! A strict reader of PEM text: blocks, and nothing between them.

use base64::{Engine, engine::general_purpose::STANDARD};

/// One `-----BEGIN label-----` block.
pub(super) struct Block {
    pub(super) label: String,
    pub(super) der: Vec<u8>,
}

/// Why a text is not a list of PEM blocks.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PemError {
    #[error("line {0} stands outside of a PEM block")]
    Outside(usize),
    #[error("the PEM block that begins on line {0} has no matching end")]
    Unfinished(usize),
    #[error("the PEM block that begins on line {0} is not base64")]
    NotBase64(usize),
}

/// Every block of `text`. Only blank lines may stand between blocks: a reader
/// that skips what it does not know can be shown another list than a person.
pub(super) fn blocks(text: &str) -> Result<Vec<Block>, PemError> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().map(str::trim_end).zip(1..);
    while let Some((line, number)) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let label = boundary(line, "BEGIN").ok_or(PemError::Outside(number))?;
        let mut body = String::new();
        loop {
            let (line, _) = lines.next().ok_or(PemError::Unfinished(number))?;
            if line.starts_with('-') {
                let ends = boundary(line, "END") == Some(label);
                if !ends {
                    return Err(PemError::Unfinished(number));
                }
                break;
            }
            body.push_str(line);
        }
        let der = STANDARD.decode(&body).map_err(|_| PemError::NotBase64(number))?;
        blocks.push(Block { label: label.to_owned(), der });
    }
    Ok(blocks)
}

fn boundary<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    line.strip_prefix("-----")?.strip_prefix(word)?.strip_prefix(' ')?.strip_suffix("-----")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_in_order() {
        let text = "-----BEGIN A-----\nAQ==\n-----END A-----\n\n-----BEGIN B B-----\r\nAg\r\n==\r\n-----END B B-----";

        let blocks = blocks(text).unwrap();

        let read: Vec<_> = blocks.iter().map(|b| (b.label.as_str(), b.der.as_slice())).collect();
        assert_eq!(read, [("A", [1].as_slice()), ("B B", [2].as_slice())]);
    }

    #[test]
    fn anything_but_blocks_is_refused() {
        for (text, error) in [
            ("hello\n-----BEGIN A-----\n-----END A-----", PemError::Outside(1)),
            ("-----BEGIN A-----\n-----END A-----\nhello", PemError::Outside(3)),
            ("-----BEGIN A-----\nAQ==", PemError::Unfinished(1)),
            ("-----BEGIN A-----\nAQ==\n-----END B-----", PemError::Unfinished(1)),
            ("-----BEGIN A-----\nA Q==\n-----END A-----", PemError::NotBase64(1)),
            ("-----BEGIN A-----\nAR==\n-----END A-----", PemError::NotBase64(1)),
        ] {
            assert_eq!(blocks(text).err(), Some(error), "{text}");
        }
    }
}
