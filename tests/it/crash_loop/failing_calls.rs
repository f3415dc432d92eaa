//! One publish after another, in each of which another call of the disk fails once.
//!
//! `failing_calls.py` runs the appliance and has the kernel refuse the N-th call
//! on a file of the data folder, for every N: what is done is whole, what is not
//! done is told and leaves nothing.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::StatusCode;
use serde_json::Value;

use super::appliance::{Appliance, DataFolder};
use super::check;
use super::client::{Client, Upload};
use crate::support::note;

/// What runs the appliance, and is told what to do with its calls.
pub(super) const SUPERVISOR: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/crash_loop/failing_calls.py");

/// The file whose failing is no failing of the store.
const REGISTRY: &str = "registry.redb";

#[test]
fn a_publish_in_which_any_one_call_of_the_disk_fails_is_whole_or_not_there() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for error in ["EIO", "ENOSPC"] {
        let told = runtime.block_on(fail_each_call(error));
        note(&format!("{error} at each call of a publish, answers: {told:?}"));
    }
}

/// Fails every call once; counts the answers.
async fn fail_each_call(error: &str) -> BTreeMap<String, usize> {
    let folder = DataFolder::new();
    let data = folder.path("");
    let words = [SUPERVISOR, data.to_str().unwrap()];
    let appliance = Appliance::start_wrapped(&folder, "python3", &words);
    let mut client = Client::new();
    client.find_way_in(&appliance, &folder).await;
    client.trust(&appliance, "com.example.*").await.unwrap();
    let (mut acknowledged, mut told) = (BTreeSet::new(), BTreeMap::new());
    for number in 1.. {
        let name = format!("com.example.n{number}");
        let upload = client.bundle(&name);

        appliance.tell(&format!("arm {number} {error}"));
        assert_eq!(appliance.hear(), "armed");
        let (status, code) = send(&client, &appliance, &upload).await;
        appliance.tell("disarm");
        let failed = appliance.hear();

        let case = format!("{error} at call {number} ({failed}): {status} {code}");
        let is_done = status == StatusCode::CREATED;
        assert!(is_done || is_told(error, &failed, &code), "{case}");
        *told.entry(if is_done { "published".to_owned() } else { code }).or_default() += 1;
        let visible =
            check::every_visible_version_is_whole(&client, &appliance, &folder, &case).await;
        // A commit whose last sync fails can be on disk all the same: then it is there for good.
        let is_there = is_done || failed.ends_with(REGISTRY) && visible.contains(&name);
        acknowledged.extend(is_there.then(|| name.clone()));
        assert_eq!(visible, acknowledged, "{case}");
        if failed.starts_with("missed") {
            assert!(is_done && number > 20, "{case}");
            break;
        }
        let (again, _) = send(&client, &appliance, &upload).await;
        assert_eq!(again, if is_there { StatusCode::OK } else { StatusCode::CREATED }, "{case}");
        acknowledged.insert(name.clone());
        // Also waits for what goes on in the background.
        client.install_and_enable(&appliance, &name).await.unwrap();
    }
    appliance.stop();

    let appliance = Appliance::start(&folder);
    check::nothing_is_left_over(&folder, None, error);
    let visible = check::every_visible_version_is_whole(&client, &appliance, &folder, error).await;
    assert_eq!(visible, acknowledged);
    told
}

/// Whether the code is the one for a call that failed with `error`.
fn is_told(error: &str, failed: &str, code: &str) -> bool {
    let (call, file) = failed.trim_start_matches("hit ").split_once(' ').unwrap();
    if ["read", "openat"].contains(&call) && code == "not_checked" {
        return true; // What cannot be read back cannot be verified.
    }
    match error {
        "ENOSPC" => code == "disk_full",
        _ if file == REGISTRY => code == "internal",
        _ => code == "storage_unavailable",
    }
}

/// The status and the code of sending a bundle.
async fn send(client: &Client, appliance: &Appliance, upload: &Upload) -> (StatusCode, String) {
    let answer = client.sending(appliance, upload).send().await.unwrap();
    let (status, body): (_, Value) = (answer.status(), answer.json().await.unwrap());
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}
