//! What is shown of hosts, and what changes of them.

use super::way::way;
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

fn install() -> Install {
    let install = json!({
        "id": "0b9f6c1e-3f0c-4c3a-9d52-6a1d0f8e7b24",
        "tenant": "default",
        "name": "com.example.hello",
        "version": "1.1.0",
        "content_hash": format!("sha256:{}", "0".repeat(64)),
        "enabled": true,
        "grants": [],
        "settings": {},
        "previous": null,
        "installed_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
    });
    serde_json::from_value(install).unwrap()
}

#[test]
fn hosts_are_shown_though_none_is_called_without_the_capability() {
    let report = json!({
        "capability_granted": false,
        "granted": [{"entry": "https://api.example.com", "on_allowlist": true}],
        "refused": [],
    });

    let install = install();
    let way = way(&install, true, true);
    let shown = text(&install, &serde_json::from_value(report).unwrap(), Some(&way));

    insta::assert_snapshot!(shown, @r"
    com.example.hello is not granted cap:http.fetch: it calls nothing; grant it with
      plugboard upgrade com.example.hello --version 1.1.0 --grant cap:http.fetch

    HOST                     STANDING
    https://api.example.com  allowed
    ");
}

#[test]
fn a_capability_is_granted_only_where_it_is_asked_for_and_with_a_yes_where_nobody_can_be_asked() {
    let install = install();

    let [unasked, script] = [(false, true), (true, false)].map(|(is_asked, can_ask)| {
        let way = way(&install, is_asked, can_ask);
        way.lines().last().unwrap().trim().to_owned()
    });

    assert_eq!(unasked, "its manifest does not ask for it, and only a new version can");
    assert_eq!(
        script,
        "plugboard upgrade com.example.hello --version 1.1.0 --grant cap:http.fetch --yes"
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

        assert_eq!(failure.exit, Exit::Refused);
        assert!(failure.text().contains(&rules(&[denied])[0].to_string()), "{}", failure.text());
    }
}

#[test]
fn a_host_is_granted_once() {
    let hosts = rules(&["https://api.example.com:443", "b.example.com", "b.example.com"]);

    let granted = changed(rules(&GRANTED), hosts, true).unwrap();

    assert_eq!(granted, rules(&[GRANTED[0], GRANTED[1], GRANTED[2], "b.example.com"]));
}
