//! `plugboard doctor` as a program: what it says, and how it ends.

use std::process::{Command, Output};

use plugboard::runner::confinement;
use plugboard::trust::keys;
use serde_json::Value;

use crate::support::s3_server::{ACCESS_KEY, BUCKET, Manners, S3Server, SECRET_KEY};

/// Runs the doctor on a data folder.
pub(super) fn doctor(folder: &std::path::Path, settings: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plugboard"));
    command.env_clear().current_dir(folder).args(["doctor", "--json"]);
    command.args(["--data-dir", "data"]);
    command.env("PLUGBOARD_STORE__MIN_FREE_BYTES", "0").envs(settings.iter().copied());
    command.output().unwrap()
}

pub(super) fn on_server(endpoint: &str) -> [(&'static str, &str); 4] {
    [
        ("STORAGE_S3_ENDPOINT", endpoint),
        ("STORAGE_S3_ACCESS_KEY", ACCESS_KEY),
        ("STORAGE_S3_SECRET_KEY", SECRET_KEY),
        ("STORAGE_S3_BUCKET", BUCKET),
    ]
}

/// What it said of each check.
pub(super) fn checks(output: &Output) -> Vec<(String, String)> {
    let object: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let checks = object["checks"].as_array().unwrap();
    let pair = |check: &Value| {
        let text = |key: &str| check[key].as_str().unwrap().to_owned();
        (text("check"), text("status"))
    };
    checks.iter().map(pair).collect()
}

#[test]
fn a_good_server_passes_every_check() {
    let (folder, server) = (tempfile::tempdir().unwrap(), S3Server::start());

    let output = doctor(folder.path(), &on_server(&server.endpoint));

    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let checks = checks(&output);
    // Of the kernel, whatever the server is like.
    let compiler = if confinement().missing().is_none() { "ok" } else { "attention" };
    assert!(checks.contains(&("compiler".into(), compiler.into())), "{checks:?}");
    // There is no data folder yet.
    assert!(checks.contains(&("data".into(), "not_checked".into())), "{checks:?}");
    let of_server = |check: &str| !["config", "compiler", "data"].contains(&check);
    let told = checks.iter().filter(|(check, status)| of_server(check) && status != "ok");
    assert_eq!(told.count(), 0, "{checks:?}");
    assert_eq!(checks.len(), 16, "{checks:?}");
    assert_eq!(server.keys(), Vec::<String>::new());
}

#[test]
fn a_trust_bundle_that_cannot_be_used_is_a_failed_check() {
    let folder = tempfile::tempdir().unwrap();
    let trust = |setting: &str| {
        let output = doctor(folder.path(), &[("SIGNING_TRUST_BUNDLE", setting)]);
        let found = checks(&output).into_iter().find(|(check, _)| check == "trust");
        (output.status.code(), found.map(|(_, status)| status))
    };

    assert_eq!(trust("nowhere"), (Some(1), Some("failed".to_owned())));
    let key = keys::generate().unwrap().public_pem;
    assert_eq!(trust(&key), (Some(0), Some("ok".to_owned())));
    assert_eq!(trust(""), (Some(0), None));
}

#[test]
fn a_collector_that_takes_no_spans_is_worth_attention_and_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let traces = |settings: &[(&str, &str)]| {
        let output = doctor(folder.path(), settings);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        checks(&output).into_iter().find(|(check, _)| check == "traces").map(|(_, status)| status)
    };

    let away = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")];
    assert_eq!(traces(&away).as_deref(), Some("attention"));
    assert_eq!(traces(&[]), None);
}

#[test]
fn a_public_endpoint_that_does_not_work_is_worth_attention_and_no_failure() {
    let (folder, server) = (tempfile::tempdir().unwrap(), S3Server::start());
    let public = server.public_endpoint();

    for (endpoint, status) in [(&*public, "ok"), ("http://127.0.0.1:1", "attention")] {
        let mut settings = Vec::from(on_server(&server.endpoint));
        settings.push(("PLUGBOARD_STORE__S3__PUBLIC_ENDPOINT", endpoint));
        let output = doctor(folder.path(), &settings);

        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let found = checks(&output);
        assert!(found.contains(&("store.public_endpoint".into(), status.into())), "{found:?}");
        assert_eq!(server.keys(), Vec::<String>::new());
    }
}

#[test]
fn a_server_that_overwrites_is_worth_attention_and_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let server = S3Server::start_with(Manners { ignores_conditions: true, ..Manners::default() });

    let output = doctor(folder.path(), &on_server(&server.endpoint));

    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let found = checks(&output);
    assert!(found.contains(&("store.create_only".to_owned(), "attention".to_owned())), "{found:?}");
}

#[test]
fn a_server_that_is_away_can_be_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = S3Server::start().endpoint.clone();

    let output = doctor(folder.path(), &on_server(&endpoint));

    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let found = checks(&output);
    assert!(found.contains(&("store.reach".to_owned(), "failed".to_owned())), "{found:?}");
}

#[test]
fn a_configuration_that_cannot_be_used_is_the_first_thing_wrong() {
    let folder = tempfile::tempdir().unwrap();

    let output = doctor(folder.path(), &[("STORAGE_S3_ENDPOINT", "nowhere")]);

    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let found = checks(&output);
    assert!(found.iter().all(|each| *each == ("config".into(), "failed".into())), "{found:?}");
}

#[test]
fn a_full_disk_is_a_failed_check() {
    let folder = tempfile::tempdir().unwrap();
    let floor = i64::MAX.to_string();

    let output = doctor(folder.path(), &[("PLUGBOARD_STORE__MIN_FREE_BYTES", &floor)]);

    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(checks(&output).contains(&("disk".to_owned(), "failed".to_owned())), "{output:?}");
}
