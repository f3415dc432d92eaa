//! What is meant by a filter, and what is within reach.

use super::*;

fn event() -> AuditEvent {
    AuditEvent {
        at: "2026-09-21T14:13:20Z".parse().unwrap(),
        actor: Actor::Operator("ada".parse().unwrap()),
        action: AuditAction::Installed,
        tenant: Some("acme".parse().unwrap()),
        subject: "com.acme.reports 1.2.0".to_owned(),
        detail: None,
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn each_filter_is_met_or_not() {
    let no = AuditFilter::default;
    let at = "2026-09-21T14:13:20Z";
    let cases = [
        (no(), true),
        (AuditFilter { tenant: "acme".parse().ok(), ..no() }, true),
        (AuditFilter { tenant: "other".parse().ok(), ..no() }, false),
        (AuditFilter { action: Some(AuditAction::Installed), ..no() }, true),
        (AuditFilter { action: Some(AuditAction::Enabled), ..no() }, false),
        (AuditFilter { actor: "operator:ada".parse().ok(), ..no() }, true),
        (AuditFilter { actor: "operator".parse().ok(), ..no() }, true),
        (AuditFilter { actor: "operator:bob".parse().ok(), ..no() }, false),
        (AuditFilter { actor: "system".parse().ok(), ..no() }, false),
        (AuditFilter { subject: "com.acme.".parse().ok(), ..no() }, true),
        (AuditFilter { subject: "acme".parse().ok(), ..no() }, false),
        (AuditFilter { from: Some(time(at)), ..no() }, true),
        (AuditFilter { from: Some(time("2026-09-21T14:13:21Z")), ..no() }, false),
        (AuditFilter { to: Some(time(at)), ..no() }, false),
        (AuditFilter { to: Some(time("2026-09-21T14:13:21Z")), ..no() }, true),
    ];

    for (filter, fits) in cases {
        assert_eq!(filter.matches(&event()), fits, "{filter:?}");
    }
    let of_nobody = AuditEvent { tenant: None, ..event() };
    assert!(!AuditFilter { tenant: "acme".parse().ok(), ..no() }.matches(&of_nobody));
}

#[test]
fn an_actor_is_written_as_it_is_read() {
    let good = [
        "operator",
        "operator:ada",
        "token",
        "token:abcd2345",
        "local",
        "local:0",
        "setup",
        "system",
    ];
    for text in good {
        assert_eq!(text.parse::<ActorFilter>().unwrap().to_string(), text);
    }
    for text in ["", "ada", "operator:", "token:short", "local:-1", "setup:1", "system:x", "Token"]
    {
        assert_eq!(text.parse::<ActorFilter>(), Err(InvalidActorFilter), "{text}");
    }
}

#[test]
fn what_an_actor_is_shown_as_finds_it() {
    let actors = [
        Actor::Operator("ada".parse().unwrap()),
        Actor::Token("abcd2345".parse().unwrap()),
        Actor::Local { uid: 1000 },
        Actor::Setup,
        Actor::System,
    ];
    for shown in &actors {
        let filter: ActorFilter = shown.to_string().parse().unwrap();
        let found: Vec<_> = actors.iter().filter(|actor| filter.matches(actor)).collect();
        assert_eq!(found, [shown]);
    }
    assert_eq!("local:uid 0".parse::<ActorFilter>(), Err(InvalidActorFilter));
}

#[test]
fn a_day_is_meant_whole() {
    let from = parse_audit_from("2026-09-21").unwrap();
    let to = parse_audit_to("2026-09-21").unwrap();

    assert_eq!(from, time("2026-09-21T00:00:00Z"));
    assert_eq!(to, time("2026-09-22T00:00:00Z"));
    assert_eq!(parse_audit_to("2026-09-21T02:00:00+02:00"), Ok(from));
    for text in ["", "yesterday", "2026-02-30", "2026-09-21T14:13", "14:13:20", "9999-99-99"] {
        assert_eq!(parse_audit_from(text), Err(InvalidAuditTime), "{text}");
        assert_eq!(parse_audit_to(text), Err(InvalidAuditTime), "{text}");
    }
    assert_eq!(parse_audit_to("9999-12-31"), Err(InvalidAuditTime));
}

#[test]
fn a_subject_has_an_end_and_no_control_characters() {
    for text in ["", "a\u{1b}b", "a\nb", &"a".repeat(257)] {
        assert_eq!(text.parse::<SubjectStart>(), Err(InvalidSubjectStart), "{text:?}");
    }
    assert!("a".repeat(256).parse::<SubjectStart>().is_ok());
}

#[test]
fn a_token_reaches_its_tenant_and_the_host_everything() {
    let (own, other) = ("acme".parse().unwrap(), "other".parse().unwrap());
    let token = AuditReach(Some("acme".parse().unwrap()));
    let host = AuditReach::of(&Principal::Local { uid: 0 });

    assert!(token.covers(Some(&own)));
    assert!(!token.covers(Some(&other)));
    assert!(!token.covers(None));
    assert!(host.covers(Some(&other)) && host.covers(None));
}
