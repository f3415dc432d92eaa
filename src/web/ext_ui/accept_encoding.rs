//! What codings a client takes (RFC 9110 section 12.5.3).

use axum::http::{HeaderMap, header};

use crate::model::ContentCoding;
use crate::store::EncodedForms;

/// Every coding, the one that is preferred first where a client has no preference.
const ALL: [ContentCoding; 4] = {
    let [first, second, third] = ContentCoding::MADE;
    [first, second, third, ContentCoding::Identity]
};

/// The weight of a coding that a client takes if there is nothing better.
const LEAST: u16 = 1;

/// How much a client wants each of [`ALL`], in thousandths; 0 is not at all.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AcceptEncoding([u16; ALL.len()]);

impl AcceptEncoding {
    /// A client that does not say takes anything; that it decodes anything is not
    /// believed. What cannot be read in a list is as if it was not there.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut weights = [None; ALL.len()];
        let mut others = None;
        let lines = headers.get_all(header::ACCEPT_ENCODING).iter();
        for member in lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(',')) {
            let Some((name, weight)) = read(member) else { continue };
            if name == "*" {
                others = Some(weight);
            }
            for (coding, found) in ALL.iter().zip(&mut weights) {
                if is_name_of(*coding, name) {
                    *found = Some(weight);
                }
            }
        }
        let unnamed =
            |coding| others.unwrap_or(if coding == ContentCoding::Identity { LEAST } else { 0 });
        let weight = |n: usize| weights[n].unwrap_or_else(|| unnamed(ALL[n]));
        Self(std::array::from_fn(weight))
    }

    /// Whether the client takes a coding at all.
    pub(super) fn takes(&self, coding: ContentCoding) -> bool {
        ALL.iter().zip(self.0).any(|(one, weight)| *one == coding && weight > 0)
    }

    /// What the client wants most of what there is.
    ///
    /// The file itself is sent to a client that wants none of it: it can do more with
    /// that than with a refusal.
    pub(super) fn choose(&self, there: EncodedForms) -> ContentCoding {
        let mut best = (ContentCoding::Identity, 0);
        for (coding, weight) in ALL.into_iter().zip(self.0) {
            let is_there = coding == ContentCoding::Identity || there.of(coding).is_some();
            if is_there && weight > best.1 {
                best = (coding, weight);
            }
        }
        best.0
    }
}

fn is_name_of(coding: ContentCoding, name: &str) -> bool {
    // Its older name (section 8.4.1.3).
    let is_old_gzip = coding == ContentCoding::Gzip && name.eq_ignore_ascii_case("x-gzip");
    is_old_gzip || name.eq_ignore_ascii_case(coding.as_str())
}

/// A coding and its weight.
fn read(member: &str) -> Option<(&str, u16)> {
    let Some((name, parameter)) = member.split_once(';') else {
        return Some((member.trim(), 1000));
    };
    let (key, value) = parameter.trim().split_once('=')?;
    if !key.eq_ignore_ascii_case("q") {
        return None;
    }
    Some((name.trim(), thousandths(value)?))
}

/// `0` to `1` with up to three digits behind the point (section 12.4.2).
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) || fraction.len() > 3 {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use ContentCoding::{Brotli, Gzip, Identity, Zstd};

    fn asked(lines: &[&'static str]) -> AcceptEncoding {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static(line));
        }
        AcceptEncoding::of(&headers)
    }

    fn forms(codings: &str) -> EncodedForms {
        let form = format!("{{\"bytes\": 1, \"sha256\": \"{}\"}}", "a".repeat(64));
        let member = |name: &str| format!("\"{name}\": {form}");
        let members: Vec<_> = codings.split_whitespace().map(member).collect();
        serde_json::from_str(&format!("{{{}}}", members.join(","))).unwrap()
    }

    #[test]
    fn the_coding_that_a_client_wants_most_is_chosen() {
        for (line, chosen) in [
            ("gzip, deflate, br, zstd", Brotli),
            ("gzip, deflate, zstd", Zstd),
            ("gzip, deflate", Gzip),
            ("deflate", Identity),
            ("", Identity),
            ("BR", Brotli),
            ("x-gzip", Gzip),
            ("*", Brotli),
            ("br;q=0.5, gzip", Gzip),
            ("br;q=0.5,gzip;q=0.500", Brotli),
            ("br; q=0.001 , zstd ;Q=0.002", Zstd),
            ("br;q=0, *", Zstd),
            ("*;q=0, gzip;q=0.1", Gzip),
            ("*;q=0", Identity),
            ("br;q=0.9, *;q=0.95", Zstd),
            ("identity, br;q=0.5", Identity),
            ("identity;q=0.5, br;q=0.5", Brotli),
            ("identity;q=0, gzip;q=0.001", Gzip),
            ("identity;q=0", Identity),
            ("br;q=0.001", Brotli),
        ] {
            assert_eq!(asked(&[line]).choose(forms("br zstd gzip")), chosen, "{line}");
        }
    }

    #[test]
    fn what_is_not_there_is_not_chosen() {
        for (there, chosen) in [("zstd gzip", Zstd), ("gzip", Gzip), ("", Identity)] {
            let accepted = asked(&["br, zstd;q=0.9, gzip;q=0.8, identity;q=0.1"]);
            assert_eq!(accepted.choose(forms(there)), chosen, "{there}");
        }
    }

    #[test]
    fn who_does_not_say_gets_the_file_as_it_is() {
        assert_eq!(asked(&[]).choose(forms("br zstd gzip")), Identity);
    }

    #[test]
    fn several_lines_are_one_list() {
        assert_eq!(asked(&["gzip;q=0.2", "zstd;q=0.1"]).choose(forms("br zstd gzip")), Gzip);
    }

    #[test]
    fn a_weight_that_cannot_be_read_is_as_if_it_was_not_there() {
        for odd in ["br;q=2", "br;q=1.5", "br;q=-1", "br;q=", "br;q=.5", "br;q=0.1234", "br;x=1"] {
            assert_eq!(asked(&[odd]), asked(&[""]), "{odd}");
        }
    }

    #[test]
    fn the_file_itself_can_be_refused() {
        for (line, takes) in [
            ("identity;q=0", false),
            ("*;q=0", false),
            ("*;q=0, identity;q=0.1", true),
            ("br", true),
            ("*", true),
        ] {
            assert_eq!(asked(&[line]).takes(Identity), takes, "{line}");
        }
    }
}
