//! Taking values out of a text that must not be in it.

use std::ops::Range;

use memchr::memmem;

/// What stands in place of a value.
const MARK: &[u8] = b"[secret]";

/// Where `value` stands in `text`, also where it overlaps itself.
pub fn places_of<'a>(text: &'a [u8], value: &'a [u8]) -> impl Iterator<Item = Range<usize>> + 'a {
    let finder = memmem::Finder::new(value);
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = from + finder.find(text.get(from..)?)?;
        from = at + 1;
        Some(at..at + value.len())
    })
}

/// `text` with a mark in each of these places. All at once: one after the other, the first of
/// two that overlap would leave the rest of the second.
pub fn marked(text: &[u8], mut places: Vec<Range<usize>>) -> Vec<u8> {
    places.sort_by_key(|place| place.start);
    let mut marked = Vec::with_capacity(text.len());
    let mut shown_to = 0;
    for Range { start, end } in places {
        if start >= shown_to {
            marked.extend_from_slice(&text[shown_to..start]);
            marked.extend_from_slice(MARK);
        }
        shown_to = shown_to.max(end);
    }
    marked.extend_from_slice(&text[shown_to..]);
    marked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without(text: &str, values: &[&str]) -> String {
        let places = values.iter().flat_map(|value| places_of(text.as_bytes(), value.as_bytes()));
        String::from_utf8(marked(text.as_bytes(), places.collect())).unwrap()
    }

    #[test]
    fn values_are_taken_out_wherever_they_stand_and_overlap() {
        let values = ["abcdefghij", "hijklmnopq", "Grüße123", "aaaa"];
        for (text, left) in [
            ("", ""),
            ("abcdefghi", "abcdefghi"),
            ("<abcdefghijklmnopq>", "<[secret]>"),
            ("abcdefghijabcdefghij", "[secret][secret]"),
            ("üGrüße123ü", "ü[secret]ü"),
            ("aaaaaa", "[secret]"),
        ] {
            assert_eq!(without(text, &values), left);
        }
    }
}
