//! The registry in a process that is killed at its fail points.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use super::*;
use crate::support::{again, is_again};

const FILE: &str = "registry.redb";
/// What the child was told is committed, one number a line.
const ACKNOWLEDGED: &str = "acknowledged";

/// Has [`write_on`] run in `folder` until it is killed at the visit to the fail point.
fn run_until_killed(folder: &Path, point: &str, visit: u32) {
    let output = again("registry_crashes::kills::a_killed_process_leaves_what_it_acknowledged")
        .env("PLUGBOARD__FAIL_POINT", format!("{point}:{visit}"))
        .current_dir(folder)
        .output()
        .unwrap();
    assert_eq!(output.status.signal(), Some(9), "{point}:{visit} was not reached");
}

/// What the killed process does, in its folder.
fn write_on() {
    let mut acknowledged = OpenOptions::new().append(true).open(ACKNOWLEDGED).unwrap();
    let registry = Registry::open(Path::new(FILE), 1 << 20, NOW).unwrap();
    let first = numbers(&registry).last().map_or(1, |last| last + 1);
    for number in first..first + 10 {
        registry.write_blocking(|txn| write_number(txn, number)).unwrap();
        writeln!(acknowledged, "{number}").unwrap();
    }
}

#[test]
fn a_killed_process_leaves_what_it_acknowledged() {
    if is_again() {
        return write_on();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path(ACKNOWLEDGED), "").unwrap();
    let made_once = ["registry.created_unnamed", "registry.created_named"].map(|point| (point, 1));
    let writing = ["registry.before_commit", "registry.after_commit", "registry.after_swap"];
    let visits = (1..=3).flat_map(|visit| writing.map(|point| (point, visit)));

    for (point, visit) in made_once.into_iter().chain(visits) {
        if point.starts_with("registry.created") {
            _ = fs::remove_file(path(FILE));
        }
        run_until_killed(folder.path(), point, visit);

        let found = numbers(&Registry::open(&path(FILE), 1 << 20, NOW).unwrap());
        let acknowledged: BTreeSet<u64> = fs::read_to_string(path(ACKNOWLEDGED))
            .unwrap()
            .lines()
            .map(|line| line.parse().unwrap())
            .collect();
        assert!(acknowledged.is_subset(&found), "{point}:{visit}: {acknowledged:?} {found:?}");
        // A commit whose caller was killed before it heard of it.
        assert!(found.len() <= acknowledged.len() + 6, "{point}:{visit}");
    }
}
