//! Data folders that cannot be used: what a start and a command of the host say.

use std::fs;

use super::program::Desk;
use super::server::Server;

const PASSWORD: &str = "correct horse battery staple\n";

/// A data folder that no server runs on.
fn desk_with_folder() -> Desk {
    let mut desk = Desk::new();
    desk.set("PLUGBOARD_SERVER__DATA_DIR", "data");
    desk.set("PLUGBOARD_STORE__MIN_FREE_BYTES", "1048576");
    let created = desk.run_with_input("operator create ada", PASSWORD);
    assert_eq!(created.code, Some(0), "{created:?}");
    desk
}

#[test]
fn a_damaged_registry_is_refused_to_commands_of_the_host_too() {
    let desk = desk_with_folder();
    fs::write(desk.path("data/registry.redb"), "no registry").unwrap();

    let run = desk.run("operator list --json");

    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(run.json()["error"]["code"], "refused");
}

#[test]
fn a_registry_in_use_is_worth_another_try() {
    let server = Server::start();
    fs::remove_file(server.desk.path("data/admin.sock")).unwrap();

    let run = server.desk.run("operator create ada --password-file nowhere");
    let list = server.desk.run("operator list");

    for run in [run, list] {
        assert_eq!(run.code, Some(4), "{run:?}");
        assert!(run.stderr.contains("is in use by another process"), "{run:?}");
    }
}
