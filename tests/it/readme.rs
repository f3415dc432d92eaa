//! What the README promises: its lines are run as a new user would type them.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

/// How the README names the program; nothing else may stand for it.
const CARGO_RUN: &str = "cargo run --release --";
/// The address in the README.
const ADDRESS: &str = "127.0.0.1:7420";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The `sh` blocks, in order.
fn blocks() -> Vec<String> {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let opened = readme.split("```sh\n").skip(1);
    opened.map(|rest| rest.split("\n```").next().unwrap().to_owned()).collect()
}

/// The blocks of the walk: all but the demo and the tests.
fn walk() -> Vec<String> {
    let alone = [format!("{CARGO_RUN} demo"), "cargo test --all-features".to_owned()];
    blocks().into_iter().filter(|block| !alone.contains(block)).collect()
}

#[test]
fn the_readme_names_the_program_in_one_form_only() {
    let commands = ["keygen", "pack", "sign", "verify", "publish", "serve", "demo", "install"];

    for block in blocks() {
        for line in block.replace(CARGO_RUN, "PROGRAM").lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            for pair in words.windows(2) {
                let names_it = commands.contains(&pair[1]);
                let other = pair[0].ends_with("plugboard") || pair[0] == "--";
                assert!(!(names_it && other), "{line}");
            }
        }
    }
}

#[test]
fn the_walk_of_the_readme_leads_to_a_running_extension() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root().join("examples"), folder.path().join("examples")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let mut script = String::from("set -euo pipefail\ntrap 'kill $(jobs -p); wait' EXIT\n");
    for block in walk() {
        script.push_str(&block.replace(CARGO_RUN, env!("CARGO_BIN_EXE_plugboard")));
        script.push_str("\necho\n");
    }

    let output = Command::new("bash")
        .arg("-c")
        .arg(script.replace(ADDRESS, &address))
        .current_dir(folder.path())
        .env("PLUGBOARD_SERVER__LISTEN", &address)
        .env("PLUGBOARD_STORE__MIN_FREE_BYTES", "0")
        .output()
        .unwrap();

    let (text, notes) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{notes}");
    assert!(text.contains(r#""greeting":"Hello, Ada""#), "{text}\n{notes}");
    assert!(text.contains("<!doctype html>"), "{text}\n{notes}");
}
