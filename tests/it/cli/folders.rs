//! Data folders that cannot be used: a start, a command of the host and the doctor agree on them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use redb::{Database, TableDefinition};

use super::program::{Desk, Run};
use super::server::Server;

const PASSWORD: &str = "correct horse battery staple\n";
const SERVE: &str = "serve --set server.listen=127.0.0.1:0";
/// Where the registry and the state have the number of their format.
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");

/// A data folder that no server runs on.
fn desk_with_folder() -> Desk {
    let mut desk = Desk::new();
    desk.set("PLUGBOARD_SERVER__DATA_DIR", "data");
    desk.set("PLUGBOARD_STORE__MIN_FREE_BYTES", "1048576");
    let created = desk.run_with_input("operator create ada", PASSWORD);
    assert_eq!(created.code, Some(0), "{created:?}");
    desk
}

/// The line of the doctor's answer about this.
fn line<'a>(run: &'a Run, check: &str) -> &'a str {
    let named = |line: &&str| line.split_whitespace().nth(1) == Some(check);
    run.stdout.lines().find(named).unwrap_or_else(|| panic!("{run:?}"))
}

fn has_line(run: &Run, check: &str) -> bool {
    run.stdout.lines().any(|line| line.split_whitespace().nth(1) == Some(check))
}

fn make_newer(file: &Path) {
    let db = Database::open(file).unwrap();
    let txn = db.begin_write().unwrap();
    txn.open_table(META).unwrap().insert("format", 77).unwrap();
    txn.commit().unwrap();
}

fn cut_in_half(file: &Path) {
    let length = fs::metadata(file).unwrap().len();
    fs::File::options().write(true).open(file).unwrap().set_len(length / 2).unwrap();
}

type Spoil = fn(&Path);

#[test]
fn what_no_second_try_mends_is_refused_and_the_doctor_says_the_same() {
    let cases: [(&str, Spoil, &str); 6] = [
        ("registry.redb", |file| fs::remove_file(file).unwrap(), "its registry.redb is gone"),
        ("registry.redb", |file| fs::write(file, "no registry").unwrap(), "is damaged"),
        ("registry.redb", cut_in_half, "is damaged"),
        ("registry.redb", make_newer, "has format 77, and this program knows formats up to"),
        ("state.redb", make_newer, "has format 77, and this program knows formats up to"),
        ("master.key", |file| fs::write(file, [7; 31]).unwrap(), "has 31 bytes; it must have 32"),
    ];
    for (name, spoil, sentence) in cases {
        let desk = desk_with_folder();
        spoil(&desk.path("data").join(name));

        let runs = [desk.run("doctor"), desk.run(SERVE)];

        assert_eq!(runs.each_ref().map(|run| run.code), [Some(1); 2], "{name}: {runs:?}");
        let [doctor, serve] = &runs;
        assert!(line(doctor, "data").starts_with('✘'), "{doctor:?}");
        assert!(line(doctor, "data").contains(sentence), "{doctor:?}");
        assert!(serve.stderr.contains(sentence), "{serve:?}");
    }
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

#[test]
fn a_file_in_the_place_of_the_folder_is_a_wrong_setting() {
    let desk = Desk::new();
    fs::write(desk.path("file"), "").unwrap();
    for folder in ["file", "file/below"] {
        for command in [SERVE, "doctor", "operator list", "list"] {
            let run = desk.run(&format!("{command} --data-dir {folder}"));

            assert_eq!(run.code, Some(2), "{command}: {run:?}");
            assert!(!has_line(&run, "disk"), "{run:?}");
        }
    }
    let doctor = desk.run("doctor --data-dir file");
    assert!(line(&doctor, "data").contains("file is to be the data folder"), "{doctor:?}");
}

#[test]
fn where_no_folder_can_be_made_no_disk_is_called_full() {
    let desk = Desk::new();

    let serve = desk.run(&format!("{SERVE} --data-dir /proc/plugboard"));
    let doctor = desk.run("doctor --data-dir /proc/plugboard");

    assert_eq!((serve.code, doctor.code), (Some(2), Some(1)), "{serve:?} {doctor:?}");
    assert!(serve.stderr.contains("cannot make the data folder /proc/plugboard\n"), "{serve:?}");
    assert!(line(&doctor, "staging").starts_with('✘'), "{doctor:?}");
    assert!(!has_line(&doctor, "disk"), "{doctor:?}");
}

#[test]
fn the_doctor_looks_at_a_folder_beside_its_server_and_after_a_kill() {
    let server = Server::ready();
    let open = server.desk.run("doctor");
    let desk = server.stop();
    let files = ["registry.redb", "state.redb"].map(|name| desk.path("data").join(name));
    let bytes = || files.each_ref().map(|file| fs::read(file).unwrap());
    let before = bytes();

    let killed = desk.run("doctor");

    assert!(line(&open, "data").starts_with("✔"), "{open:?}");
    assert!(line(&open, "data").contains("has data open"), "{open:?}");
    assert!(line(&killed, "data").ends_with("A start can use what is in data."), "{killed:?}");
    assert!(bytes() == before, "a file was changed");
}

#[test]
fn a_folder_that_lost_its_master_key_needs_a_person() {
    let mut desk = desk_with_folder();
    assert!(desk.ok("doctor").stdout.contains("A start can use"), "nothing is wrong yet");
    fs::rename(desk.path("data/master.key"), desk.path("key")).unwrap();

    let lost = desk.run("doctor");
    fs::set_permissions(desk.path("key"), fs::Permissions::from_mode(0o600)).unwrap();
    desk.set("PLUGBOARD_SERVER__MASTER_KEY_FILE", "key");
    let given = desk.run("doctor");

    assert_eq!((lost.code, given.code), (Some(1), Some(0)), "{lost:?} {given:?}");
    assert!(line(&lost, "data").contains("no master.key is in data"), "{lost:?}");
    assert!(!desk.path("data/master.key").exists());
}

#[test]
fn a_folder_without_an_appliance_is_not_checked() {
    let desk = Desk::new();
    fs::create_dir(desk.path("empty")).unwrap();
    for (folder, sentence) in [("none", "Not made yet"), ("empty", "No appliance is in empty")] {
        let doctor = desk.run(&format!("doctor --data-dir {folder}"));

        assert!(line(&doctor, "data").starts_with('–'), "{doctor:?}");
        assert!(line(&doctor, "data").contains(sentence), "{doctor:?}");
        assert!(fs::read_dir(desk.path("empty")).unwrap().next().is_none());
        assert!(!desk.path("none").exists());
    }
}
