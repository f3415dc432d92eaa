//! The colors of `app.css`, held against the ratios that people need to read (WCAG 2.2).

use std::{collections::BTreeMap, fs, path::Path};

/// Text and what it stands on.
const TEXTS: &[(&str, &str)] = &[
    ("text", "page"),
    ("text", "raised"),
    ("text", "soft"),
    ("muted", "page"),
    ("muted", "raised"),
    ("muted", "soft"),
    ("accent", "page"),
    ("accent", "raised"),
    ("accent", "accent-soft"),
    ("accent-strong", "raised"),
    ("on-accent", "accent"),
    ("on-accent", "accent-strong"),
    ("good", "good-soft"),
    ("good", "raised"),
    ("attention", "attention-soft"),
    ("attention", "raised"),
    ("danger", "danger-soft"),
    ("danger", "raised"),
    ("danger", "page"),
    ("on-danger", "danger"),
    ("on-danger", "danger-strong"),
];

/// Borders of fields, sockets and focus rings.
const SHAPES: &[(&str, &str)] =
    &[("edge", "page"), ("edge", "raised"), ("accent", "page"), ("danger", "raised")];

/// The custom properties of the first rule, as `[light, dark]`.
fn tokens() -> BTreeMap<String, [String; 2]> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("static/app.css");
    let css = fs::read_to_string(file).unwrap();
    let rule = css.split_once(":root {").unwrap().1.split_once('}').unwrap().0;
    let mut tokens: BTreeMap<String, [String; 2]> = BTreeMap::new();
    for line in rule.lines() {
        let Some((name, value)) = line.trim().trim_end_matches(';').split_once(": ") else {
            continue;
        };
        let both = |pair: &str| {
            let (light, dark) = pair.split_once(", ").unwrap();
            [light.to_owned(), dark.to_owned()]
        };
        let inside = |name: &str| value.strip_prefix(name)?.strip_suffix(')');
        let value = match (inside("light-dark("), inside("var(--")) {
            (Some(pair), _) => both(pair),
            (_, Some(other)) => tokens[other].clone(),
            _ => continue,
        };
        tokens.insert(name.trim_start_matches("--").to_owned(), value);
    }
    tokens
}

fn luminance(color: &str) -> f64 {
    let channel = |at: usize| {
        let value = f64::from(u8::from_str_radix(&color[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

fn contrast(one: &str, other: &str) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn every_color_can_be_read_in_both_themes() {
    let tokens = tokens();

    for (pairs, least) in [(TEXTS, 4.5), (SHAPES, 3.0)] {
        for (front, back) in pairs {
            for theme in [0, 1] {
                let ratio = contrast(&tokens[*front][theme], &tokens[*back][theme]);
                assert!(ratio >= least, "{front} on {back} has {ratio:.2}:1 in theme {theme}");
            }
        }
    }
}
