//! What a guest can reach.

use super::*;

/// What `probes.wat` notes for each call, in its order: granted nothing,
/// then granted everything.
const ANSWERS: [(&str, [u8; 2], [u8; 2]); 20] = [
    ("secrets.get", [1, 1], [1, 0]),
    ("secrets.list-keys", [0, 0], [0, 0]),
    ("http.fetch", [1, 1], [1, 1]),
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
    ("scheduler.delete-schedule", [0, 1], [0, 1]),
    ("scheduler.get-endpoints", [1, 3], [1, 3]),
    ("invoicing.create-manual-invoice", [0, 1], [0, 1]),
    ("clients.list-clients", [1, 0], [1, 0]),
    ("clients.get-client", [1, 0], [1, 0]),
    ("services.list-services", [1, 0], [1, 0]),
    ("services.get-service", [1, 0], [1, 0]),
];

#[tokio::test]
async fn what_is_not_granted_or_not_there_answers_as_the_contract_says() {
    let stage = Stage::extension("probes").await;
    let with =
        |grants: BTreeSet<Capability>| Invocation { grants: Arc::new(grants), ..stage.get("/") };

    let none = stage.execute(with(BTreeSet::new())).await.unwrap().body;
    let all = stage.execute(with(Capability::ALL.into())).await.unwrap().body;

    assert_eq!((none.len(), all.len()), (2 * ANSWERS.len(), 2 * ANSWERS.len()));
    for (index, (function, denied, granted)) in ANSWERS.into_iter().enumerate() {
        let at = 2 * index..2 * index + 2;
        assert_eq!(none[at.clone()], denied, "{function} without a grant");
        assert_eq!(all[at], granted, "{function} with every grant");
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
async fn no_request_leaves_through_wasi_http() {
    const HTTP_REQUEST_DENIED: u8 = 15;
    let stage = Stage::proxy("http").await;

    let response = stage.call("/dials").await.unwrap();

    assert_eq!(response.body[0], HTTP_REQUEST_DENIED);
}
