//! What a server that starts again has still got.

use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::confiding::{NAME, confiding, guest};
use super::server::Server;

/// How often this process compiled, loaded and refused, as `/metrics` says.
fn prepared(server: &Server) -> [u64; 3] {
    let (status, metrics) = server.get("/metrics");
    assert_eq!(status, 200);
    ["compiled", "loaded", "refused"].map(|outcome| {
        let name = format!("components_prepared_total{{outcome=\"{outcome}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
        line.unwrap_or_else(|| panic!("{outcome}: {metrics}")).parse().unwrap()
    })
}

fn compiled_files(server: &Server) -> Vec<PathBuf> {
    let folder = server.desk.path("data/cache/compiled");
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn answers(server: &Server) -> bool {
    server.get("/api/ext/com.example.hello/health").0 == 200
}

#[test]
fn a_restart_compiles_nothing_again_but_what_was_changed() {
    let mut server = Server::ready();
    server.desk.ok("publish hello --key acme.key --install --enable");
    assert_eq!(prepared(&server), [1, 0, 0]);

    server.restart();
    assert!(answers(&server));
    assert_eq!(prepared(&server), [0, 1, 0]);

    let [file] = compiled_files(&server).try_into().unwrap();
    let mut content = fs::read(&file).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    fs::write(&file, content).unwrap();
    server.restart();
    assert!(answers(&server));
    assert_eq!(prepared(&server), [1, 0, 1]);

    server.restart();
    assert!(answers(&server));
    assert_eq!(prepared(&server), [0, 1, 0], "it was compiled and kept anew");
}

#[test]
fn without_room_for_them_no_compiled_components_are_kept() {
    let mut server = Server::ready_with(&[("PLUGBOARD_RUNNER__COMPILED_BYTES", "0")]);
    server.desk.ok("publish hello --key acme.key --install --enable");

    server.restart();

    assert!(answers(&server));
    assert_eq!(prepared(&server), [1, 0, 0]);
    assert!(!server.desk.path("data/cache/compiled").exists());
}

/// Waits for what a server prepares beside answering.
fn until_prepared(server: &Server, expected: [u64; 3]) {
    let started = Instant::now();
    while prepared(server) != expected {
        assert!(started.elapsed() < Duration::from_mins(1), "{:?}", prepared(server));
        sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_start_loads_what_was_called_last_and_the_rest_at_its_first_call() {
    // One of the two has room.
    let mut server = Server::ready_with(&[("PLUGBOARD_RUNNER__PRELOAD_BYTES", "60000")]);
    server.desk.sample_named("last", "com.example.last");
    server.desk.ok("publish hello --key acme.key --install --enable");
    server.desk.ok("publish last --key acme.key --install --enable");
    let health = |server: &Server| server.get("/api/ext/com.example.last/health").0;
    assert_eq!(health(&server), 200);

    server.restart_in_order();

    until_prepared(&server, [0, 1, 0]);
    assert_eq!(health(&server), 200);
    assert_eq!(prepared(&server), [0, 1, 0], "it was not the one that is loaded");
    assert!(answers(&server));
    assert_eq!(prepared(&server), [0, 2, 0]);
}

#[test]
fn what_is_not_loaded_at_a_start_is_compiled_all_the_same_if_it_has_to_be() {
    let mut server = Server::ready_with(&[("PLUGBOARD_RUNNER__PRELOAD_BYTES", "0")]);
    server.desk.ok("publish hello --key acme.key --install --enable");
    let [file] = compiled_files(&server).try_into().unwrap();
    fs::remove_file(&file).unwrap();

    server.restart();

    until_prepared(&server, [1, 0, 0]);
    assert!(answers(&server));
    assert_eq!(prepared(&server), [1, 1, 0], "a call loads what was compiled for it");
}

#[test]
fn a_start_does_not_compile_more_than_is_kept() {
    let mut server = Server::ready_with(&[("PLUGBOARD_RUNNER__PRELOAD_BYTES", "0")]);
    for number in 1..=3 {
        let (folder, name) = (format!("e{number}"), format!("com.example.e{number}"));
        server.desk.sample_named(&folder, &name);
        server.desk.ok(&format!("publish {folder} --key acme.key --install --enable"));
    }
    server.desk.set("PLUGBOARD_RUNNER__COMPILED_BYTES", "60000");
    fs::remove_dir_all(server.desk.path("data/cache/compiled")).unwrap();

    server.restart();
    until_prepared(&server, [2, 0, 0]);
    sleep(Duration::from_millis(500));

    assert_eq!(prepared(&server), [2, 0, 0], "one was removed for another");
}

#[test]
fn a_start_loads_no_more_than_it_may_where_nothing_is_kept() {
    let mut server = Server::ready_with(&[
        ("PLUGBOARD_RUNNER__COMPILED_BYTES", "0"),
        ("PLUGBOARD_RUNNER__PRELOAD_BYTES", "1"),
    ]);
    for number in 1..=3 {
        let (folder, name) = (format!("e{number}"), format!("com.example.e{number}"));
        server.desk.sample_named(&folder, &name);
        server.desk.ok(&format!("publish {folder} --key acme.key --install --enable"));
    }

    server.restart();
    until_prepared(&server, [1, 0, 0]);
    sleep(Duration::from_millis(500));

    assert_eq!(prepared(&server), [1, 0, 0], "the first took all that there is");
    let (_, metrics) = server.get("/metrics");
    assert!(metrics.contains("plugboard_components_loaded_bytes 0\n"), "{metrics}");
    assert_eq!(server.get("/api/ext/com.example.e1/health").0, 200);
}

#[test]
fn a_folder_that_lost_its_registry_is_left_as_it_is() {
    let mut server = confiding(&[]);
    let set = server.desk.run_with_input(&format!("secret set {NAME} api_key"), "hunter2");
    assert_eq!(set.code, Some(0), "{set:?}");
    let (registry, aside) =
        (server.desk.path("data/registry.redb"), server.desk.path("registry.redb"));
    fs::rename(&registry, &aside).unwrap();

    server.restart();
    assert!(!registry.exists(), "an empty one was made");
    let refused = server.desk.run("serve --set server.listen=127.0.0.1:0");

    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("its registry.redb is gone\n"), "{refused:?}");
    assert!(!registry.exists());
    fs::rename(&aside, &registry).unwrap();
    server.restart();
    assert_eq!(guest(&server, "a").1, "hunter2");
}
