//! Learn mode: what passes for a while, what never does, and what is granted then.

use axum::http::{Method, StatusCode};
use plugboard::app::sign_in::csrf_token;
use plugboard::model::AuditAction;
use plugboard::registry::{WriteTxn, installs};
use serde_json::{Value, json};

use crate::support::audit;
use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;
use crate::support::internet::{Script, Server};
use crate::support::test_app::{ALL_SCOPES, Answer, TestApp};

const NAME: &str = "com.example.guest";
const HELLO: &str = "hello";
const NOT_ALLOWED: &str = "1";

/// The appliance allows everything below `example.com`, the manifest everything below
/// `api.example.com`, and the install is granted `one.api.example.com`.
struct World {
    app: TestApp,
    server: Server,
    id: String,
}

impl World {
    async fn new() -> Self {
        let server = Server::start(Script::body(HELLO)).await;
        let listed = server.entry("*.example.com");
        let app = TestApp::start_with(|config| {
            config.egress.allowlist = vec![listed.parse().unwrap()];
        })
        .await;
        for name in ["one.api", "two.api", "api", "www"] {
            app.internet.name(&format!("{name}.example.com"), &["127.77.0.1"]);
        }
        app.internet.name("inside.api.example.com", &["127.0.0.1"]);
        let bundle = BundleBuilder::new(NAME, "1.0.0")
            .component(guests::extension("calls"))
            .capabilities(&["cap:http.fetch"])
            .manifest("egress", json!([server.entry("*.api.example.com")]))
            .endpoint("POST", "/call");
        let id = app.install(&bundle).await;
        let world = Self { app, server, id };
        let granted = json!({ "granted": [world.server.entry("one.api.example.com")] });
        let saved = world.app.call(Method::PUT, &world.path("")).json(granted).send().await;
        assert_eq!(saved.status, StatusCode::OK, "{}", saved.text());
        world
    }

    fn path(&self, below: &str) -> String {
        format!("/api/v1/installs/{}/egress{below}", self.id)
    }

    async fn learn(&self, seconds: u64) -> Answer {
        self.app.post(&self.path("/learning"), json!({ "seconds": seconds })).await
    }

    async fn call(&self, name: &str) -> String {
        let call = self.app.call(Method::POST, &format!("/api/ext/{NAME}/call"));
        call.body(self.server.entry(&format!("{name}.example.com"))).send().await.text()
    }

    async fn report(&self) -> Value {
        self.app.get(&self.path("")).await.json()
    }

    async fn granted(&self) -> Vec<String> {
        let report = self.report().await;
        let entries = report["granted"].as_array().unwrap();
        entries.iter().map(|row| row["entry"].as_str().unwrap().to_owned()).collect()
    }

    /// What is on record since the grant, the oldest first.
    async fn record(&self) -> Vec<(AuditAction, String)> {
        let events = self.app.app.registry.read(|txn| audit::newest(txn, 20)).await.unwrap();
        let events = events.into_iter().map(|(_, event)| event);
        let mut found: Vec<_> = events
            .take_while(|event| event.action != AuditAction::HostsGranted)
            .map(|event| (event.action, event.detail.unwrap_or_default()))
            .collect();
        found.reverse();
        found
    }
}

#[tokio::test]
async fn what_only_the_grant_refuses_passes_while_it_learns_and_nothing_else() {
    let world = World::new().await;
    assert_eq!(world.call("two.api").await, NOT_ALLOWED);

    let started = world.learn(60).await;

    assert_eq!(started.status, StatusCode::OK, "{}", started.text());
    assert_eq!(started.json()["learning"]["on"], true);
    assert_eq!(started.json()["learning"]["ends_at"], "2026-09-21T14:14:20Z");
    for (name, answer) in [
        ("one.api", HELLO),
        ("two.api", HELLO),
        ("two.api", HELLO),
        ("www", NOT_ALLOWED),
        ("api", NOT_ALLOWED),
        ("inside.api", NOT_ALLOWED),
    ] {
        assert_eq!(world.call(name).await, answer, "{name}");
    }
    assert_eq!(world.server.connections(), 3);
    let report = world.report().await;
    let [one, two] = ["one", "two"].map(|n| world.server.entry(&format!("{n}.api.example.com")));
    assert_eq!(report["learning"]["proposal"], json!([one, two]));
    let calls: Vec<_> = report["learning"]["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| (call["count"].as_u64().unwrap(), call["granted"].as_bool().unwrap()))
        .collect();
    assert_eq!(calls, [(1, true), (2, false)]);
    assert_eq!(report["granted"].as_array().unwrap().len(), 1, "nothing is granted yet");
}

#[tokio::test]
async fn it_ends_by_itself_and_on_request_and_both_are_on_record() {
    let world = World::new().await;
    world.learn(60).await;
    assert_eq!(world.call("two.api").await, HELLO);

    world.app.clock.advance(60);

    assert_eq!(world.call("two.api").await, NOT_ALLOWED);
    let report = world.report().await;
    assert_eq!(
        (&report["learning"]["on"], report["learning"]["calls"].as_array().unwrap().len()),
        (&json!(false), 1)
    );
    world.app.app.settle_learning().await.unwrap();
    world.app.app.settle_learning().await.unwrap();
    world.learn(60).await;
    let stopped = world.app.post(&world.path("/learning/stop"), json!({})).await;
    assert_eq!(stopped.json()["learning"]["on"], false);
    assert_eq!(world.call("two.api").await, NOT_ALLOWED);
    let again = world.app.post(&world.path("/learning/stop"), json!({})).await;
    assert_eq!((again.status.as_u16(), again.code()), (409, "not_learning".to_owned()));
    world.app.app.settle_learning().await.unwrap();

    let record = world.record().await;
    let record: Vec<_> = record.iter().map(|(action, detail)| (*action, detail.as_str())).collect();
    let denied = |(action, _): &&(AuditAction, &str)| *action != AuditAction::EgressDenied;
    assert_eq!(
        record.iter().filter(denied).copied().collect::<Vec<_>>(),
        [
            (AuditAction::LearningStarted, "until 2026-09-21T14:14:20Z"),
            (AuditAction::LearningEnded, "1 destinations were called"),
            (AuditAction::LearningStarted, "until 2026-09-21T14:15:20Z"),
            (AuditAction::LearningEnded, "0 destinations were called"),
        ]
    );
}

#[tokio::test]
async fn a_lesson_that_is_begun_again_or_granted_has_its_end_on_record() {
    let world = World::new().await;
    world.learn(60).await;
    assert_eq!(world.call("two.api").await, HELLO);
    world.learn(120).await;
    assert_eq!(world.call("two.api").await, HELLO);
    world.app.clock.advance(120);
    let accepted = world.app.post(&world.path("/learning/accept"), json!({})).await;
    assert_eq!(accepted.status, StatusCode::OK, "{}", accepted.text());
    world.app.app.settle_learning().await.unwrap();

    let record = world.record().await;

    let actions: Vec<_> = record.iter().map(|(action, _)| *action).collect();
    assert_eq!(
        actions,
        [
            AuditAction::LearningStarted,
            AuditAction::LearningEnded,
            AuditAction::LearningStarted,
            AuditAction::LearnedHostsGranted,
            AuditAction::LearningEnded,
        ]
    );
}

#[tokio::test]
async fn an_end_is_on_record_once_however_many_write_it_at_the_same_time() {
    let world = World::new().await;
    let (app, principal) = (&world.app.app, world.app.principal());
    let start = || app.start_learning(&principal, world.id.parse().unwrap(), Some(60));
    start().await.unwrap();
    assert_eq!(world.call("two.api").await, HELLO);

    let (one, two) = tokio::join!(start(), start());
    world.app.clock.advance(60);
    let (three, four) = tokio::join!(app.settle_learning(), app.settle_learning());

    assert!(one.is_ok() && two.is_ok() && three.is_ok() && four.is_ok());
    let mut ends = world.record().await;
    ends.retain(|(action, _)| *action == AuditAction::LearningEnded);
    let called: Vec<_> = ends.iter().map(|(_, detail)| detail.as_str()).collect();
    let [first, others] = ["1 destinations were called", "0 destinations were called"];
    assert_eq!(called, [first, others, others]);
}

#[tokio::test]
async fn a_lesson_that_an_uninstall_ends_has_its_end_on_record() {
    let world = World::new().await;
    world.learn(60).await;
    assert_eq!(world.call("two.api").await, HELLO);

    let install = format!("/api/v1/installs/{}", world.id);
    let gone = world.app.call(Method::DELETE, &install).send().await;

    assert_eq!(gone.status, StatusCode::NO_CONTENT, "{}", gone.text());
    let actions: Vec<_> = world.record().await.into_iter().map(|(action, _)| action).collect();
    assert_eq!(
        actions,
        [AuditAction::LearningStarted, AuditAction::LearningEnded, AuditAction::Uninstalled]
    );
}

#[tokio::test]
async fn what_it_called_is_granted_with_one_request_alone_or_beside_the_rest() {
    let [one, two] = ["one.api.example.com", "two.api.example.com"];
    for (only, called, granted) in [
        (true, "two.api", vec![two]),
        (false, "two.api", vec![one, two]),
        (false, "one.api", vec![one]),
    ] {
        let world = World::new().await;
        world.learn(60).await;
        assert_eq!(world.call(called).await, HELLO);

        let body = json!({ "only": only });
        let accepted = world.app.post(&world.path("/learning/accept"), body).await;

        assert_eq!(accepted.status, StatusCode::OK, "{}", accepted.text());
        let granted: Vec<_> = granted.into_iter().map(|name| world.server.entry(name)).collect();
        assert_eq!(world.granted().await, granted);
        assert_eq!(world.report().await["learning"], Value::Null, "it is over");
        assert_eq!(world.call("two.api").await == HELLO, granted.len() > 1 || only);
        let mut actions = vec![AuditAction::LearningStarted];
        actions.extend((called != "one.api").then_some(AuditAction::LearnedHostsGranted));
        actions.push(AuditAction::LearningEnded);
        let record = world.record().await;
        let found = record.into_iter().map(|(action, _)| action);
        let of_lesson = |action: &AuditAction| *action != AuditAction::EgressDenied;
        assert_eq!(found.filter(of_lesson).collect::<Vec<_>>(), actions);
    }
}

#[tokio::test]
async fn a_host_that_is_taken_away_meanwhile_is_not_granted_again() {
    let mut world = World::new().await;
    world.learn(60).await;
    assert_eq!(world.call("two.api").await, HELLO);
    let (principal, id) = (world.app.principal(), world.id.parse().unwrap());
    let registry = world.app.app.registry.clone();
    world.app.meanwhile(move || {
        let take_away = |txn: &WriteTxn| {
            let mut install = installs::get(txn, &id)?.unwrap();
            install.egress.clear();
            installs::put(txn, &install)
        };
        registry.write_blocking(take_away).unwrap();
    });

    world.app.app.accept_learned(&principal, id, false).await.unwrap();

    assert_eq!(world.granted().await, [world.server.entry("two.api.example.com")]);
}

#[tokio::test]
async fn what_may_not_be_granted_does_not_end_it() {
    let world = World::new().await;
    let many: Vec<_> =
        (0..100).map(|n| world.server.entry(&format!("n{n}.api.example.com"))).collect();
    let granted = json!({ "granted": many });
    world.app.call(Method::PUT, &world.path("")).json(granted).send().await;
    world.learn(60).await;
    assert_eq!(world.call("two.api").await, HELLO);
    let accept = async |only: bool| {
        world.app.post(&world.path("/learning/accept"), json!({ "only": only })).await
    };

    let refused = accept(false).await;

    assert_eq!((refused.status.as_u16(), refused.code()), (422, "too_many_hosts".to_owned()));
    assert_eq!(world.report().await["learning"]["on"], true);
    let record = world.record().await;
    assert!(!record.iter().any(|(action, _)| *action == AuditAction::LearningEnded), "{record:?}");
    assert_eq!(world.call("two.api").await, HELLO);
    assert_eq!(accept(true).await.status, StatusCode::OK);
    assert_eq!(world.granted().await, [world.server.entry("two.api.example.com")]);
}

#[tokio::test]
async fn what_may_not_be_granted_any_more_does_not_end_it_either() {
    let mut world = World::new().await;
    let many: Vec<_> =
        (0..99).map(|n| world.server.entry(&format!("n{n}.api.example.com"))).collect();
    let granted = json!({ "granted": many });
    world.app.call(Method::PUT, &world.path("")).json(granted).send().await;
    world.learn(60).await;
    assert_eq!(world.call("two.api").await, HELLO);
    let (principal, id) = (world.app.principal(), world.id.parse().unwrap());
    let one_more = world.server.entry("n99.api.example.com").parse().unwrap();
    let registry = world.app.app.registry.clone();
    world.app.meanwhile(move || {
        let grant = |txn: &WriteTxn| {
            let mut install = installs::get(txn, &id)?.unwrap();
            install.egress.push(one_more);
            installs::put(txn, &install)
        };
        registry.write_blocking(grant).unwrap();
    });

    let refused = world.app.app.accept_learned(&principal, id, false).await.unwrap_err();

    assert!(refused.to_string().contains("101 hosts"), "{refused}");
    assert_eq!(world.report().await["learning"]["on"], true);
    let record = world.record().await;
    assert!(!record.iter().any(|(action, _)| *action == AuditAction::LearningEnded), "{record:?}");
}

#[tokio::test]
async fn it_is_for_a_while_for_those_who_call_and_for_their_operators() {
    let world = World::new().await;
    for seconds in [0, 86_401, u64::MAX] {
        let answer = world.learn(seconds).await;
        assert_eq!(answer.code(), "invalid_learning_time", "{}", answer.text());
    }
    let nothing = world.app.post(&world.path("/learning/accept"), json!({})).await;
    assert_eq!((nothing.status.as_u16(), nothing.code()), (409, "nothing_learned".to_owned()));
    let reader = world.app.make_token("default", &["install:read"]).await;
    let other = world.app.make_token("other", &ALL_SCOPES).await;
    for (token, status) in [(&reader, 403), (&other, 404)] {
        for below in ["/learning", "/learning/stop", "/learning/accept"] {
            let call = world.app.call(Method::POST, &world.path(below)).json(json!({}));
            assert_eq!(call.token(token).send().await.status.as_u16(), status, "{below}");
        }
    }
    assert_eq!(world.report().await["learning"], Value::Null);

    let without = BundleBuilder::new("com.example.quiet", "1.0.0");
    let id = world.app.install(&without).await;
    let quiet = World { id, ..world };
    let answer = quiet.learn(60).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (409, "calls_nothing".to_owned()));
}

#[tokio::test]
async fn another_install_and_an_uninstalled_one_learn_nothing() {
    let world = World::new().await;
    let other = world.app.make_token("other", &ALL_SCOPES).await;
    let body = json!({"name": NAME, "grants": ["cap:http.fetch"], "egress": []});
    let theirs =
        world.app.call(Method::POST, "/api/v1/installs").token(&other).json(body).send().await;
    let enable = format!("/api/v1/installs/{}/enable", theirs.json()["id"].as_str().unwrap());
    world.app.call(Method::POST, &enable).token(&other).send().await;
    world.learn(60).await;

    let call = world.app.call(Method::POST, &format!("/api/ext/{NAME}/call")).token(&other);
    let answer = call.body(world.server.entry("two.api.example.com")).send().await;
    assert_eq!(answer.text(), NOT_ALLOWED);

    let install = format!("/api/v1/installs/{}", world.id);
    assert_eq!(world.app.call(Method::DELETE, &install).send().await.status.as_u16(), 204);
    assert!(world.app.app.learning.of(world.id.parse().unwrap()).is_none());
}

#[tokio::test]
async fn no_more_is_let_through_than_can_be_shown() {
    let world = World::new().await;
    let names: Vec<_> = (0..=100).map(|number| format!("n{number}.api")).collect();
    for name in &names {
        world.app.internet.name(&format!("{name}.example.com"), &["127.77.0.1"]);
    }
    world.learn(60).await;

    for name in &names[..100] {
        assert_eq!(world.call(name).await, HELLO, "{name}");
    }

    assert_eq!(world.call(&names[100]).await, NOT_ALLOWED);
    assert_eq!(world.call(&names[0]).await, HELLO);
}

#[tokio::test]
async fn the_page_starts_shows_and_grants_without_a_script() {
    let world = World::new().await;
    let (app, cookie) = (&world.app, world.app.session().await);
    let page = format!("/admin/installs/{}/egress", world.id);
    let open = async || app.call(Method::GET, &page).session(&cookie).send().await.text();
    let submit = async |below: &str, field: Option<(&str, &str)>| {
        let token = csrf_token(cookie.split_once('=').unwrap().1);
        let mut fields = vec![("csrf_token", token.as_str())];
        fields.extend(field);
        let call = app.call(Method::POST, &format!("{page}/learning{below}"));
        call.session(&cookie).same_origin().form(&fields).send().await.header("location").to_owned()
    };
    assert!(open().await.contains("Start learning"));

    let started = submit("", Some(("seconds", "3600"))).await;
    assert_eq!(started, format!("{page}?done=learning_started"));
    assert_eq!(world.call("two.api").await, HELLO);
    let shown = open().await;
    assert!(shown.contains("Learn mode is on and ends"), "{shown}");
    assert!(shown.contains("two.api.example.com") && shown.contains("not granted"), "{shown}");
    assert_eq!(submit("/stop", None).await, format!("{page}?done=learning_stopped"));
    assert!(!open().await.contains("Learn mode is on and ends"));
    let accepted = submit("/accept", Some(("keep", "nothing"))).await;

    assert_eq!(accepted, format!("{page}?done=hosts_saved"));
    assert_eq!(world.granted().await, [world.server.entry("two.api.example.com")]);
}
