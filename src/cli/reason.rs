//! The reasons that people give, for others to read later.

/// Reads a reason: something has to be in it.
pub(super) fn reason(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() {
        return Err("say why, in a few words");
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_says_something() {
        assert_eq!(reason("reviewed"), Ok("reviewed".to_owned()));
        assert!(reason("").is_err() && reason(" \n").is_err());
    }
}
