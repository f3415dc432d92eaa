//! The state in a process that is killed at its fail points.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::thread;

use super::*;
use crate::support::{again, is_again};

const FILE: &str = "state.redb";
/// What the child was told is kept, one number a line.
const ACKNOWLEDGED: &str = "acknowledged";
const INSTALL: &str = "6f1e4a3c-0d55-4c39-9d0e-2f4b8a1c7e90";

fn open(file: &Path) -> State {
    State::open(file, &StateConfig::default(), Arc::new(SystemClock)).unwrap()
}

fn owner() -> Arc<InstallLabels> {
    labels("default", INSTALL.parse().unwrap())
}

/// What the killed process does, in its folder: writers that share groups.
fn write_on() {
    let state = open(Path::new(FILE));
    let first = look(&state, &owner()).1.keys;
    thread::scope(|scope| {
        for writer in 0..4 {
            let state = &state;
            scope.spawn(move || {
                let mut told = OpenOptions::new().append(true).open(ACKNOWLEDGED).unwrap();
                for number in 0..10 {
                    let key = format!("{first}-{writer}-{number}");
                    put(state, &owner(), &key, b"v").unwrap();
                    told.write_all(format!("{key}\n").as_bytes()).unwrap();
                }
            });
        }
    });
}

#[test]
fn a_killed_process_leaves_what_it_acknowledged() {
    if is_again() {
        return write_on();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path(ACKNOWLEDGED), "").unwrap();
    let made_once = ["state.created_unnamed", "state.created_named"].map(|point| (point, 1));
    let visits = (1..=3)
        .flat_map(|visit| ["state.before_commit", "state.after_commit"].map(|it| (it, visit)));

    for (point, visit) in made_once.into_iter().chain(visits) {
        if point.starts_with("state.created") {
            _ = fs::remove_file(path(FILE));
        }
        let killed = again("state::kills::a_killed_process_leaves_what_it_acknowledged")
            .env("PLUGBOARD__FAIL_POINT", format!("{point}:{visit}"))
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert_eq!(killed.status.signal(), Some(9), "{point}:{visit} was not reached");

        let (entries, usage) = look(&open(&path(FILE)), &owner());
        assert_eq!(usage, recount(&entries), "{point}:{visit}");
        let told = fs::read_to_string(path(ACKNOWLEDGED)).unwrap();
        for key in told.lines() {
            assert!(entries.iter().any(|entry| entry.key == key), "{point}:{visit} lost {key}");
        }
    }
}
