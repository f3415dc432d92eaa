//! Requests in, responses out, in both worlds.

use super::*;

#[tokio::test]
async fn an_extension_answers() {
    let stage = Stage::extension("answers").await;

    let response = stage.call("/").await.unwrap();

    assert_eq!(response.status, 200);
    assert_eq!(response.headers["content-type"], "text/plain");
    assert_eq!(response.body, "hello");
}

#[tokio::test]
async fn a_guest_sees_the_request_as_it_was_sent() {
    let stage = Stage::extension("echoes").await;
    let mut posted = stage.get("/");
    posted.request.body = RequestBody::Whole(Bytes::from_static(b"\x00\xffbody"));

    let got = stage.call("/a%20b?c=d&c=e").await.unwrap();
    let posted = stage.execute(posted).await.unwrap();

    assert_eq!(got.body, "/a%20b?c=d&c=e");
    assert_eq!(got.headers["accept"], "text/plain");
    assert_eq!((posted.status, posted.body), (201, Bytes::from_static(b"\x00\xffbody")));
}

#[tokio::test]
async fn a_guest_knows_its_tenant_and_its_user() {
    let stage = Stage::extension("knows").await;
    let user = UserIdentity { email: "ada@example.com".to_owned(), ..UserIdentity::default() };
    let known = Invocation { user: Some(Box::new(user)), ..stage.get("/") };
    let nothing_granted = BTreeSet::from([Capability::ContextRead]);
    let hidden = Invocation { grants: Arc::new(nothing_granted), ..stage.get("/") };

    let known = stage.execute(known).await.unwrap();
    let unknown = stage.call("/").await.unwrap();
    let hidden = stage.execute(hidden).await.unwrap();

    let context = "request-1\ndefault\ncom.example.guest\n";
    assert_eq!(known.body, format!("{context}ada@example.com\n"));
    assert_eq!(unknown.body, format!("{context}0\n"), "not-available");
    assert_eq!(hidden.body, format!("{context}1\n"), "not-allowed");
}

#[tokio::test]
async fn a_wasi_http_guest_answers() {
    let stage = Stage::proxy("http").await;

    let response = stage.call("/answers").await.unwrap();
    let empty = stage.call("/empty").await.unwrap();
    let forgetful = stage.call_within("/forgets", 5_000).await.unwrap();

    assert_eq!((response.status, response.body.as_ref()), (201, &b"hello"[..]));
    assert_eq!((empty.status, empty.body.len()), (204, 0));
    assert_eq!((forgetful.status, forgetful.body.as_ref()), (201, &b"hello"[..]));
}

#[tokio::test]
async fn no_execution_meets_what_an_earlier_one_left() {
    let stage = Stage::extension("remembers").await;

    for _ in 0..50 {
        assert_eq!(stage.call("/").await.unwrap().status, 200);
    }
}
