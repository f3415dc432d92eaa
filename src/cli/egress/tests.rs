//! What is shown of hosts, and what changes of them.

use super::*;

#[test]
fn hosts_that_nobody_granted_are_shown_after_those_that_somebody_did() {
    let report = json!({
        "capability_granted": true,
        "requested": ["https://api.example.com", "https://*.example.net", "https://b.example.org"],
        "granted": [
            {"entry": "https://api.example.com", "on_allowlist": true},
            {"entry": "https://a.example.net", "on_allowlist": false},
        ],
        "refused": [],
    });

    let shown = hosts(&serde_json::from_value(report).unwrap());

    let rows: Vec<_> = shown.iter().map(|row| row.join("  ")).collect();
    assert_eq!(
        rows,
        [
            "https://api.example.com  allowed",
            "https://a.example.net  not on egress.allowlist",
            "https://b.example.org  asked for, not granted",
        ]
    );
}

fn rules(entries: &[&str]) -> Vec<EgressRule> {
    entries.iter().map(|entry| entry.parse().unwrap()).collect()
}

const GRANTED: [&str; 3] = ["api.example.com", "*.example.net:8443", "http://a.example.org:80"];

#[test]
fn a_host_is_taken_away_however_it_is_written() {
    for (denied, left) in [
        ("api.example.com", [GRANTED[1], GRANTED[2]]),
        ("https://API.example.com:443", [GRANTED[1], GRANTED[2]]),
        ("https://*.example.net:8443", [GRANTED[0], GRANTED[2]]),
        ("http://a.example.org", [GRANTED[0], GRANTED[1]]),
    ] {
        let granted = changed(rules(&GRANTED), rules(&[denied, denied]), false).unwrap();

        assert_eq!(granted, rules(&left), "{denied}");
    }
}

#[test]
fn a_host_that_is_not_granted_cannot_be_taken_away() {
    for denied in ["http://api.example.com", "b.example.net:8443", "*.example.net", "*.example.com"]
    {
        let hosts = rules(&["api.example.com", denied]);
        let failure = changed(rules(&GRANTED), hosts, false).unwrap_err();

        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.text().contains(&rules(&[denied])[0].to_string()), "{}", failure.text());
    }
}

#[test]
fn a_host_is_granted_once() {
    let hosts = rules(&["https://api.example.com:443", "b.example.com", "b.example.com"]);

    let granted = changed(rules(&GRANTED), hosts, true).unwrap();

    assert_eq!(granted, rules(&[GRANTED[0], GRANTED[1], GRANTED[2], "b.example.com"]));
}
