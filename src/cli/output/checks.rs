//! A report as a list of checks.

use serde_json::Value;

use super::{Paint, Tone};
use crate::trust::{Check, CheckResult, CheckStatus, Report, Verdict};

/// Where the text of a row begins.
const INDENT: usize = 15;
/// Columns of that text; most terminals show it whole.
const COLUMNS: usize = 80;

/// The whole report: the verdict, then one line for each check.
pub(in crate::cli) fn checks(report: &Report, paint: Paint) -> String {
    let subject = match &report.extension {
        Some(extension) => format!("{} {}", extension.name, extension.version),
        None => "the bundle".to_owned(),
    };
    let (tone, verdict) = match report.verdict {
        Verdict::Verified => (Tone::Good, "is verified"),
        Verdict::Quarantined => (Tone::Attention, "is quarantined: a person must decide"),
        Verdict::Rejected => (Tone::Danger, "is rejected"),
        Verdict::NotChecked => (Tone::Attention, "could not be checked; trying again is safe"),
    };
    let mut lines = vec![
        format!("{subject} {}", paint.words(tone, verdict)),
        format!("  {}", paint.words(Tone::Quiet, &report.content_hash.to_string())),
    ];
    lines.extend(report.checks.iter().map(|row| line(row, paint)));
    lines.join("\n")
}

/// The rows of a report, or the problems, that a refused request carries.
pub(in crate::cli) fn refused_rows(problem: &Value, paint: Paint) -> Option<String> {
    if let Ok(report) = serde_json::from_value::<Report>(problem["report"].clone()) {
        return Some(checks(&report, paint));
    }
    let problems = problem["problems"].as_array()?;
    let lines = problems.iter().map(|row| {
        let (path, message) = (&row["path"], &row["message"]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        format!("  {} {} {}", mark(CheckStatus::Fail, paint), text(path), text(message))
    });
    Some(lines.collect::<Vec<_>>().join("\n"))
}

fn line(row: &CheckResult, paint: Paint) -> String {
    let name = name(row.check);
    let head = format!("  {} {name:<10}", mark(row.status, paint));
    let found = row.found.as_deref().unwrap_or(match row.status {
        CheckStatus::Skipped => "not reached",
        CheckStatus::Pass | CheckStatus::Fail | CheckStatus::Warn => "",
    });
    let code = match row.status {
        CheckStatus::Fail | CheckStatus::Warn => {
            format!(" {}", paint.words(Tone::Quiet, &format!("({})", row.code)))
        }
        CheckStatus::Pass | CheckStatus::Skipped => String::new(),
    };
    let expected = row.expected.iter().filter(|_| row.status == CheckStatus::Fail);
    let expected = expected.map(|expected| format!("expected {expected}"));
    let hint = row.hint.iter().map(|hint| format!("→ {hint}"));
    let below = expected.chain(hint).map(|text| format!("\n{:INDENT$}{}", "", wrap(&text)));
    [format!("{head} {}{code}", wrap(found))].into_iter().chain(below).collect()
}

/// Breaks a long text at its spaces; the lines after the first are indented.
fn wrap(text: &str) -> String {
    let (mut wrapped, mut column) = (String::new(), 0);
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > COLUMNS {
            wrapped.push('\n');
            wrapped.push_str(&" ".repeat(INDENT));
            column = 0;
        } else if column > 0 {
            wrapped.push(' ');
            column += 1;
        }
        wrapped.push_str(word);
        column += length;
    }
    wrapped
}

fn mark(status: CheckStatus, paint: Paint) -> String {
    let (tone, mark) = match status {
        CheckStatus::Pass => (Tone::Good, "✔"),
        CheckStatus::Fail => (Tone::Danger, "✘"),
        CheckStatus::Warn => (Tone::Attention, "!"),
        CheckStatus::Skipped => (Tone::Quiet, "–"),
    };
    paint.words(tone, mark)
}

const fn name(check: Check) -> &'static str {
    match check {
        Check::Transport => "transport",
        Check::Integrity => "integrity",
        Check::Archive => "archive",
        Check::Manifest => "manifest",
        Check::Component => "component",
        Check::Signature => "signature",
        Check::Trust => "trust",
        Check::Policy => "policy",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report() -> Value {
        let row = |check: &str, status: &str, found: Value, hint: Value| {
            json!({
                "check": check, "status": status, "code": "some_code",
                "expected": "a key somebody trusts", "found": found, "hint": hint,
            })
        };
        json!({
            "verdict": "quarantined",
            "content_hash": format!("sha256:{}", "ab".repeat(32)),
            "extension": {"name": "com.example.hello", "version": "1.0.0"},
            "checks": [
                row("archive", "pass", json!("7 files"), Value::Null),
                row("signature", "warn", json!("an old format"), json!("Sign it again.")),
                row("trust", "fail", json!("nobody's key"), json!("Trust the key.")),
                row("policy", "skipped", Value::Null, Value::Null),
            ],
        })
    }

    #[test]
    fn a_report_is_a_verdict_and_a_line_for_each_check() {
        let report = serde_json::from_value(report()).unwrap();

        insta::assert_snapshot!(checks(&report, Paint::PLAIN), @r"
        com.example.hello 1.0.0 is quarantined: a person must decide
          sha256:abababababababababababababababababababababababababababababababab
          ✔ archive    7 files
          ! signature  an old format (some_code)
                       → Sign it again.
          ✘ trust      nobody's key (some_code)
                       expected a key somebody trusts
                       → Trust the key.
          – policy     not reached
        ");
    }

    #[test]
    fn long_text_is_broken_at_its_spaces() {
        let text = format!("{} {}", "a".repeat(79), "b".repeat(99));

        assert_eq!(wrap(&text), format!("{}\n{:15}{}", "a".repeat(79), "", "b".repeat(99)));
        assert_eq!(wrap("one two"), "one two");
    }

    #[test]
    fn a_problem_shows_its_report_or_its_problems() {
        let with_report = json!({"code": "bad_signature", "report": report()});
        let with_problems = json!({"problems": [{"path": "/greeting", "message": "is too long"}]});

        assert!(refused_rows(&with_report, Paint::PLAIN).unwrap().contains("✘ trust"));
        assert_eq!(
            refused_rows(&with_problems, Paint::PLAIN).unwrap(),
            "  ✘ /greeting is too long"
        );
        assert_eq!(refused_rows(&json!({"code": "x"}), Paint::PLAIN), None);
    }
}
