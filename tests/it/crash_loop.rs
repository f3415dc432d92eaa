//! The appliance killed at every named point of its work, as by a power cut; in
//! `random_kills` at any moment, in `power_cuts` together with its disk, and in
//! `failing_calls` left alive while the disk refuses one call after another.
//!
//! Each case drives the real program over HTTP until it kills itself, starts it
//! again on the same folder, holds what it finds against what the client had
//! been told, and lets the client repeat the call that broke off and go on.
//! `PLUGBOARD_TEST_ROUNDS=3` kills three times at every point, at later visits
//! where a run has them.

mod appliance;
mod check;
mod client;
mod failing_calls;
mod power_cuts;
mod random_kills;
mod workers;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use appliance::{Appliance, DataFolder};
use client::{Client, Story};

use crate::support::rounds;

/// How often a run of the client passes a point, at least.
type Point = (&'static str, u32);

const CREATION: [Point; 7] = [
    ("registry.created_unnamed", 1),
    ("registry.created_named", 1),
    ("state.created_unnamed", 1),
    ("state.created_named", 1),
    ("setup.token_unwritten", 1),
    ("setup.begin", 1),
    ("setup.committed", 1),
];
/// Twice at set-up, then once per call.
const COMMITS: [Point; 3] =
    [("registry.before_commit", 9), ("registry.after_commit", 9), ("registry.after_swap", 9)];
const RECEIVING: [Point; 6] = [
    ("store.receiving", 2),
    ("store.staged", 2),
    ("uploads.receiving", 2),
    ("uploads.synced", 2),
    ("publish.received", 3),
    ("publish.verified", 3),
];
const STORING: [Point; 4] = [
    ("store.archive_renamed", 2),
    ("store.manifest_put", 2),
    ("store.entry_put", 2),
    ("store.signatures_put", 2),
];
const REGISTERING: [Point; 4] = [
    ("publish.stored", 2),
    ("publish.registered", 2),
    ("store.quarantined", 1),
    ("publish.quarantined", 1),
];
const INSTALLING: [Point; 6] = [
    ("install.begin", 1),
    ("install.committed", 1),
    ("enable.begin", 1),
    ("enable.committed", 1),
    ("upgrade.begin", 1),
    ("upgrade.committed", 1),
];

/// Visited by `state::kills`, without an appliance around the file.
const KEEPING: [Point; 2] = [("state.before_commit", 9), ("state.after_commit", 9)];

#[test]
fn a_kill_while_the_appliance_is_first_set_up_loses_nothing() {
    kill_at_each(&CREATION);
}

#[test]
fn a_kill_around_any_commit_loses_nothing() {
    kill_at_each(&COMMITS);
}

#[test]
fn a_kill_while_a_bundle_is_received_loses_nothing() {
    kill_at_each(&RECEIVING);
}

#[test]
fn a_kill_while_a_bundle_is_stored_loses_nothing() {
    kill_at_each(&STORING);
}

#[test]
fn a_kill_while_a_bundle_is_registered_loses_nothing() {
    kill_at_each(&REGISTERING);
}

#[test]
fn a_kill_while_an_install_changes_loses_nothing() {
    kill_at_each(&INSTALLING);
}

#[test]
fn every_fail_point_of_the_sources_is_visited_here() {
    let mut named = BTreeSet::new();
    collect_points(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut named);

    let groups: [&[Point]; 7] =
        [&CREATION, &COMMITS, &RECEIVING, &STORING, &REGISTERING, &INSTALLING, &KEEPING];
    let visited: BTreeSet<_> =
        groups.into_iter().flatten().map(|(point, _)| (*point).to_owned()).collect();

    assert_eq!(named, visited);
    assert!(visited.len() >= 25, "{}", visited.len());
}

fn collect_points(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_points(&path, found);
        } else {
            let text = fs::read_to_string(&path).unwrap();
            let names = text.split("fail_point!(\"").skip(1);
            found.extend(names.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
        }
    }
}

fn kill_at_each(points: &[Point]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut killed = 0;
    for (index, (point, visits)) in points.iter().enumerate() {
        for round in 0..rounds() {
            // Points of one group start at different visits, so that even one round sees several.
            let visit = (u32::try_from(index).unwrap() * 4 + round) % visits + 1;
            runtime.block_on(kill_once(point, visit));
            killed += 1;
        }
    }
    assert_eq!(killed, points.len() * rounds() as usize);
}

/// One kill, and everything that must be true after it.
async fn kill_once(point: &str, visit: u32) {
    let case = format!("{point}:{visit}");
    let folder = DataFolder::new();
    let mut client = Client::new();

    if let Some(doomed) = Appliance::start_doomed(&folder, &case) {
        client.with_setup_token(&folder);
        let broken = client.go_on(&doomed).await;
        doomed.assert_killed(&case);
        assert!(broken.is_err(), "{case}: the client noticed nothing");
    }

    let appliance = Appliance::start(&folder);
    check::nothing_is_left_over(&folder, client.upload.as_deref(), &case);
    client.find_way_in(&appliance, &folder).await;
    check::what_was_told_is_true(&client, &appliance, &folder, &case).await;
    let repeated = client.go_on(&appliance).await;
    repeated.unwrap_or_else(|problem| panic!("{case}: the repeated call failed: {problem}"));
    assert_eq!(client.story, Story::complete(), "{case}");
    check::what_was_told_is_true(&client, &appliance, &folder, &case).await;
    appliance.stop();
    check::nothing_is_left_over(&folder, None, &case);
}
