//! What a server that starts again has still got.

use std::fs;
use std::path::PathBuf;

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
