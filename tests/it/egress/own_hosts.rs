//! Servers that the appliance uses itself, when nobody answers for their names.

use std::time::Duration;

use plugboard::egress::{Destination, EgressError};

use super::{Door, get, text};
use crate::support::internet::{Script, Server};

const SILENT: [&str; 6] = [
    "a.own.example",
    "b.own.example",
    "c.own.example",
    "d.own.example",
    "e.own.example",
    "f.own.example",
];

/// A way out whose own servers have names that nobody answers: one after the other they would
/// take longer than a call may.
fn door() -> Door {
    let door = Door::with_own_hosts(&SILENT, |config| {
        config.resolve_timeout_ms = 400;
        config.timeout_ms = 2_000;
    });
    for name in SILENT {
        door.internet.silence(name);
    }
    door.internet.name("api.example.com", &["127.77.0.1"]);
    door
}

fn asked_for_own(door: &Door) -> usize {
    door.internet.asked().iter().filter(|name| SILENT.contains(&name.as_str())).count()
}

#[tokio::test]
async fn own_names_that_nobody_answers_delay_calls_by_the_time_of_one_and_only_once() {
    let door = door();
    let server = Server::start(Script::body("hello")).await;
    let url = server.entry("api.example.com");

    for _ in 0..2 {
        let response = door.get(&url, &[&url]).await;
        assert_eq!(text(response.unwrap()).await, "hello");
    }

    assert_eq!(asked_for_own(&door), SILENT.len());
}

#[tokio::test]
async fn a_call_that_is_given_up_meanwhile_does_not_leave_the_asking_to_the_next() {
    let door = door();
    let server = Server::start(Script::body("hello")).await;
    let url = server.entry("api.example.com");

    for _ in 0..3 {
        let mut hasty = get(Destination::parse(&url).unwrap());
        hasty.patience = Some(Duration::from_millis(20));
        let outcome = door.call(hasty, &[&url]).await;
        assert!(matches!(outcome, Err(EgressError::Timeout(_))), "{outcome:?}");
    }

    assert_eq!(text(door.get(&url, &[&url]).await.unwrap()).await, "hello");
    assert_eq!(asked_for_own(&door), SILENT.len());
}
