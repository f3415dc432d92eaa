//! What a refusal of the server becomes on the command line.

use super::*;

#[test]
fn a_problem_becomes_a_failure_with_its_code_and_hint() {
    let problem = br#"{"code":"already_installed","detail":"it is","hint":"upgrade"}"#;

    let failure = read::<Value>(409, problem).unwrap_err();

    assert_eq!(failure.text(), "it is (already_installed)\n  hint: upgrade");
    assert_eq!(failure.exit, Exit::Refused);
    assert!(failure.has_code("already_installed"));
}

#[test]
fn what_a_repeat_may_mend_is_unfinished() {
    for (status, exit) in [
        (401, Exit::Refused),
        (423, Exit::Unfinished),
        (429, Exit::Unfinished),
        (503, Exit::Unfinished),
    ] {
        assert_eq!(read::<Value>(status, b"<html>").unwrap_err().exit, exit);
    }
}

#[test]
fn an_address_has_no_path() {
    let token = || SecretString::from("plug_x");
    for address in ["plugboard", "ftp://a.example", "https://a.example/admin"] {
        assert_eq!(Client::http(address, token()).err().unwrap().exit, Exit::Usage, "{address}");
    }
}

#[test]
fn a_body_of_any_length_may_take_any_time() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let client = Client::http("http://127.0.0.1:7420", SecretString::from("plug_x")).unwrap();
    let http = client.server().unwrap();

    let request = http.long_post("/", "application/jsonl", Body::from("x")).build().unwrap();

    assert_eq!(request.timeout(), None);
}
