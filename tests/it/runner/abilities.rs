//! What a guest can reach.

use super::*;

/// What `probes.wat` notes for each call, in its order: granted nothing,
/// then granted everything.
const ANSWERS: [(&str, [u8; 2], [u8; 2]); 21] = [
    ("secrets.get", [1, 1], [1, 0]),
    ("secrets.list-keys", [0, 0], [0, 0]),
    ("http.fetch", [1, 1], [1, 0]),
    ("storage.get", [1, 2], [1, 2]),
    ("storage.put", [1, 2], [1, 2]),
    ("storage.delete", [1, 2], [1, 2]),
    ("storage.list-entries", [1, 2], [1, 2]),
    ("ui-proxy.call-route", [1, 1], [1, 0]),
    ("user.get-user", [1, 1], [1, 0]),
    ("user-v2.get-user", [1, 1], [1, 0]),
    ("scheduler.list-schedules", [1, 3], [1, 3]),
    ("scheduler.get-schedule", [1, 3], [1, 3]),
    ("scheduler.create-schedule", [0, 1], [0, 1]),
    ("scheduler.update-schedule", [0, 1], [0, 1]),
    ("scheduler.delete-schedule", [0, 1], [0, 1]),
    ("scheduler.get-endpoints", [1, 3], [1, 3]),
    ("invoicing.create-manual-invoice", [0, 1], [0, 1]),
    ("clients.list-clients", [1, 0], [1, 0]),
    ("clients.get-client", [1, 0], [1, 0]),
    ("services.list-services", [1, 0], [1, 0]),
    ("services.get-service", [1, 0], [1, 0]),
];

/// What samples and tools have been seen to build with (interop.md 6.8 of the contract): six
/// interfaces, and each of these on top.
const SUBSETS: [&[&str]; 7] = [
    &[],
    &["user"],
    &["user", "user-v2"],
    &["user", "scheduler", "invoicing"],
    &["user-v2", "scheduler", "invoicing"],
    &["user-v2", "clients", "services"],
    &["user", "user-v2", "scheduler", "invoicing", "clients", "services"],
];

/// What the interfaces of `component` answer, and how many lines they log, with `grants`.
async fn probe(component: Bytes, grants: BTreeSet<Capability>) -> (Bytes, u32) {
    let stage = Stage::new(TargetWorld::Extension, component).await;
    let grants = Arc::new(grants);
    let answered = stage.execute(Invocation { grants, ..stage.get("/") }).await.unwrap();
    (answered.body, answered.usage.log_lines)
}

#[tokio::test]
async fn what_is_not_granted_or_not_there_answers_as_the_contract_says_in_each_subset() {
    for (subset, with_wasi) in SUBSETS.iter().flat_map(|s| [(s, false), (s, true)]) {
        let six = ["context", "secrets", "http", "storage", "logging", "ui-proxy"];
        let interfaces = [&six[..], subset].concat();
        let component = guests::probing(&interfaces, with_wasi);

        let (none, no_lines) = probe(component.clone(), BTreeSet::new()).await;
        let (all, lines) = probe(component, Capability::ALL.into()).await;

        let has = |function: &str| interfaces.contains(&function.split_once('.').unwrap().0);
        let there = ANSWERS.iter().filter(|(function, ..)| has(function));
        let denied: Vec<_> = there.clone().flat_map(|(_, denied, _)| *denied).collect();
        let granted: Vec<_> = there.flat_map(|(.., granted)| *granted).collect();
        assert_eq!(none, denied, "{interfaces:?} without a grant");
        assert_eq!(all, granted, "{interfaces:?} with every grant");
        assert_eq!((no_lines, lines), (0, 3), "{interfaces:?}");
    }
}

#[tokio::test]
async fn who_it_runs_for_is_not_told_without_the_grant() {
    let stage = Stage::extension("knows").await;
    let grants = Arc::new(BTreeSet::new());

    let outcome = stage.execute(Invocation { grants, ..stage.get("/") }).await;

    let Err(ExecuteError::Trap(text)) = outcome else { panic!("{outcome:?}") };
    assert!(text.contains("cap:context.read is not granted"), "{text}");
}

#[tokio::test]
async fn settings_are_not_told_without_the_grant() {
    let settings = serde_json::json!({"greeting": "Servus"});
    let set = settings.as_object().unwrap();
    let settings = Arc::new(SettingTexts::new(set, std::iter::empty()));
    for (world, component, path) in [
        (TargetWorld::Extension, guests::wasi_extension("asks"), "/a?greeting"),
        (TargetWorld::WasiHttp, guests::proxy("asks_http"), "/a?greeting"),
        (TargetWorld::Extension, guests::wasi_extension("asks"), "/a"),
    ] {
        let stage = Stage::new(world, component).await;
        let asking = || Invocation { settings: Arc::clone(&settings), ..stage.get(path) };

        let told = stage.execute(asking()).await.unwrap();
        let denied = Invocation { grants: Arc::new(BTreeSet::new()), ..asking() };
        let denied = stage.execute(denied).await.unwrap();

        let all = path == "/a";
        let text: &[u8] = if all { b"greeting=Servus\n" } else { b"Servus" };
        assert_eq!((told.status, &*told.body), (200, text));
        assert_eq!((denied.status, &*denied.body), (if all { 200 } else { 404 }, &b""[..]));
        assert_eq!(told.usage.host_calls, 1);
    }
}

#[tokio::test]
async fn a_guest_line_says_whose_it_is_and_forges_nothing() {
    let lines = GuestLines::heard();
    let stage = Stage::extension("floods_log").await;

    stage.call("/").await.unwrap();

    let lines = lines.of(&stage.install);
    let first = &lines[0];
    assert!(first.contains(r#""target":"extension""#), "{first}");
    assert!(first.contains(r#""tenant.id":"default""#), "{first}");
    assert!(first.contains(r#""extension.name":"com.example.guest""#), "{first}");
    assert!(first.contains(r#""install.id":""#), "{first}");
    assert!(first.contains(r#""request.id":"request-1""#), "{first}");
    assert!(first.contains(r"line \\u{1b}]0;titl"), "{first}");
    assert_eq!(lines.len(), 101, "a hundred and the count of the rest");
    assert!(lines[100].contains("4900 more lines"), "{}", lines[100]);
}

#[tokio::test]
async fn wasi_is_empty_but_for_randomness_and_output() {
    let component = guests::wasi_extension("uses_wasi");
    let stage = Stage::new(TargetWorld::Extension, component).await;

    let first = stage.call("/").await.unwrap();
    let second = stage.call("/").await.unwrap();

    assert_eq!(first.body[..3], [0, 0, 0], "environment, arguments, directories");
    assert_ne!(first.body[3..], second.body[3..], "randomness");
    assert_eq!(first.usage.log_lines, 2, "one ended by a line feed, one by the execution");
}

#[tokio::test]
async fn a_guest_that_asks_for_a_socket_is_ended() {
    let component = guests::wasi_extension("opens_socket");
    assert!(bundle::inspect(&component).is_ok(), "tools for scripts always import them");
    let stage = Stage::new(TargetWorld::Extension, component).await;

    let outcome = stage.call("/").await;

    let Err(ExecuteError::Trap(text)) = outcome else { panic!("{outcome:?}") };
    assert!(text.contains("there is no `create-tcp-socket` on this host"), "{text}");
}

#[tokio::test]
async fn no_request_leaves_through_wasi_http() {
    const HTTP_REQUEST_DENIED: u8 = 15;
    let stage = Stage::proxy("http").await;

    let response = stage.call("/dials").await.unwrap();

    assert_eq!(response.body[0], HTTP_REQUEST_DENIED);
}
