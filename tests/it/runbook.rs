//! The lines of docs/OPERATIONS.md, typed as an operator would, and the unit beside them.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use plugboard::config::{Config, LoadRequest};

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The `sh` blocks below a heading, in order.
fn blocks_below(heading: &str) -> Vec<String> {
    let text = file("docs/OPERATIONS.md");
    let section = text.split(&format!("\n{heading}\n")).nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let opened = section.split("```sh\n").skip(1);
    opened.map(|rest| rest.split("\n```").next().unwrap().to_owned()).collect()
}

/// Types lines in a folder that stands for the root of a machine. Who runs tests can neither
/// stop a service nor give a file to somebody else.
fn type_in(folder: &Path, lines: &str) {
    let lines = lines.replace("/var/lib", "var/lib");
    let pretended = "systemctl() { :; }; chown() { :; }";
    let script = format!("set -euo pipefail\numask 022\n{pretended}\n{lines}\n");

    let output = Command::new("bash").arg("-c").arg(script).current_dir(folder).output().unwrap();

    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The rights that others have on a file.
fn rights_of_others(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o077
}

/// The files in an archive.
fn names_in(archive: &Path) -> BTreeSet<String> {
    let output = Command::new("tar").arg("-tzf").arg(archive).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).unwrap();
    names.lines().filter(|name| !name.ends_with('/')).map(str::to_owned).collect()
}

#[test]
fn a_backup_is_for_its_owner_alone_has_no_key_and_comes_back() {
    let machine = tempfile::tempdir().unwrap();
    let data = machine.path().join("var/lib/plugboard");
    let kept = ["registry.redb", "state.redb", "store/sha256/ab/bundle.tar.zst"];
    let left_out = ["cache/unpacked/ab/index.html", "store/sha256/_staging/1/bundle.tar.zst"];
    for name in kept.iter().chain(&left_out).chain(&["master.key"]) {
        let path = data.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, name).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }
    let blocks = blocks_below("## Backup and restore");
    let [backup, restore] = &blocks[..] else { panic!("{blocks:?}") };

    type_in(machine.path(), backup);
    let archive = machine.path().join("plugboard-backup.tar.gz");
    let key = machine.path().join("plugboard-key/master.key");
    let private = [&archive, &key, &machine.path().join("plugboard-key")];
    assert_eq!(private.map(|path| rights_of_others(path)), [0, 0, 0]);
    assert_eq!(names_in(&archive), BTreeSet::from(kept.map(|name| format!("plugboard/{name}"))));

    fs::write(data.join("registry.redb"), "damaged").unwrap();
    type_in(machine.path(), restore);
    for name in kept.iter().chain(&["master.key"]) {
        assert_eq!(fs::read_to_string(data.join(name)).unwrap(), *name);
        assert_eq!(rights_of_others(&data.join(name)), 0, "{name}");
    }
    assert!(left_out.iter().all(|name| !data.join(name).exists()));
}

#[test]
fn the_installed_settings_name_the_data_folder_of_the_unit() {
    let machine = tempfile::tempdir().unwrap();
    let settings = machine.path().join("plugboard.toml");
    fs::write(&settings, file("config.example.toml")).unwrap();
    let blocks = blocks_below("### As a service");
    let step = blocks[0].lines().find(|line| line.starts_with("sed -i ")).unwrap();

    let status = Command::new("bash")
        .arg("-c")
        .arg(step.replace("/etc/plugboard", machine.path().to_str().unwrap()))
        .status();

    assert!(status.unwrap().success());
    let request = LoadRequest { file: Some(settings), ..LoadRequest::default() };
    let data_dir = Config::load(&request).unwrap().config.server.data_dir;
    let variable = format!("Environment=PLUGBOARD_SERVER__DATA_DIR={}", data_dir.display());
    assert!(file("packaging/plugboard.service").lines().any(|line| line == variable), "{variable}");
}

#[test]
fn a_command_that_runs_as_the_service_has_its_credentials() {
    let machine = tempfile::tempdir().unwrap();
    let unit = file("packaging/plugboard.service").replace("#LoadCredential=", "LoadCredential=");
    fs::write(machine.path().join("unit"), unit).unwrap();
    let blocks = blocks_below("### Commands for the host");
    let pretended = "systemctl() { cat unit; }; systemd-run() { printf '%s\n' \"$@\" >> typed; }";

    type_in(machine.path(), &format!("{pretended}\n{}", blocks[1]));

    let typed = fs::read_to_string(machine.path().join("typed")).unwrap();
    let credential = "-p\nLoadCredential=store.s3.access_key:/etc/plugboard/s3-access-key\n";
    let command = "/usr/local/bin/plugboard\ndoctor\n--config\n/etc/plugboard/plugboard.toml\n";
    assert!(typed.contains(credential) && typed.ends_with(command), "{typed}");
}

#[test]
fn the_unit_starts_once_the_clock_is_right() {
    let unit = file("packaging/plugboard.service");

    for key in ["After=", "Wants="] {
        let targets = unit.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        assert!(targets.split(' ').any(|target| target == "time-sync.target"), "{key}{targets}");
    }
}
