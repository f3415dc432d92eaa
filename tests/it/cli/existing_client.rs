//! The published client of the AlgaPSA extension system, unchanged, against this program.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use super::server::Server;
use crate::support::npm;

const NAME: &str = "com.example.hello";
const GREETING: &str = "/api/ext/com.example.hello/greeting?name=Ada";

/// What a run of the client came to.
#[derive(Debug)]
struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// The script of `@alga-psa/cli`.
fn client() -> PathBuf {
    npm::modules_of("tests/clients/alga").join("@alga-psa/cli/dist/cli.js")
}

/// `alga extension publish`, with the settings of a user's environment.
fn publish(server: &Server, what: &str, more: &[&str]) -> Run {
    let token = fs::read_to_string(server.desk.path("token")).unwrap();
    let mut command = Command::new("node");
    command.arg(client()).args(["extension", "publish"]).arg(server.desk.path(what)).args(more);
    command.env("ALGA_API_KEY", token.trim()).env("ALGA_TENANT_ID", "default");
    let output = command.env("ALGA_API_BASE_URL", &server.url).output().expect("node is needed");
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The sample in `ext/`, at a version that need not be one.
fn extension(server: &Server, version: &str) {
    server.desk.sample_as("ext", "1.0.0", None);
    let file = server.desk.path("ext/manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    manifest["version"] = version.into();
    fs::write(file, manifest.to_string()).unwrap();
}

fn accepting_unsigned() -> Server {
    let mut server = Server::ready();
    server.desk.set("PLUGBOARD_SIGNING__POLICY", "allow-unsigned");
    server.restart();
    let url = server.url.clone();
    server.desk.set("PLUGBOARD_URL", &url);
    server
}

/// The lines of the server's log about the three requests of the client.
fn requests(server: &Server) -> Vec<String> {
    let log = fs::read_to_string(server.desk.path("server.log")).unwrap();
    let asked = |line: &&str| {
        line.contains("POST /api/ext-bundles/") || line.contains("POST /api/v1/extensions/")
    };
    log.lines().filter(asked).map(str::to_owned).collect()
}

#[test]
fn it_publishes_and_installs_and_hears_of_a_repeat() {
    let server = accepting_unsigned();
    extension(&server, "1.0.0");

    let first = publish(&server, "ext", &[]);

    assert_eq!(first.code, Some(0), "{first:?}");
    assert!(first.stdout.contains("Extension installed (ID: "), "{first:?}");
    assert_eq!(requests(&server).len(), 3);
    let (status, greeting) = server.get(GREETING);
    assert_eq!(status, 200, "{greeting}");

    let again = publish(&server, "ext", &["--force"]);

    assert_eq!(again.code, Some(1), "{again:?}");
    let said = format!("{}{}", again.stdout, again.stderr);
    assert!(said.contains("409") && said.contains("EXTENSION_VERSION_ALREADY_EXISTS"), "{said}");
}

#[test]
fn its_stars_become_versions_and_are_installed() {
    let server = accepting_unsigned();
    extension(&server, "1.2.*");

    let first = publish(&server, "ext", &[]);
    // Something must differ: the client's archives of one second are the same.
    fs::write(server.desk.path("ext/ui/more.css"), "a {}").unwrap();
    let second = publish(&server, "ext", &["--force"]);

    assert_eq!((first.code, second.code), (Some(0), Some(0)), "{first:?} {second:?}");
    let (_, versions) = server.get(&format!("/api/v1/extensions/{NAME}"));
    assert!(versions.contains("\"1.2.0\"") && versions.contains("\"1.2.1\""), "{versions}");
    let (_, installs) = server.get("/api/v1/installs");
    let installs: Value = serde_json::from_str(&installs).unwrap();
    assert_eq!(installs["installs"][0]["version"], "1.2.1");
    assert_eq!(installs["installs"][0]["enabled"], json!(true));
}

#[test]
fn it_is_told_what_to_do_and_succeeds_once_a_person_has_approved() {
    let server = Server::ready();
    extension(&server, "1.0.0");

    let refused = publish(&server, "ext", &[]);

    assert_eq!(refused.code, Some(1), "{refused:?}");
    let said = format!("{}{}", refused.stdout, refused.stderr);
    assert!(said.contains("403") && said.contains("SIGNATURE_REQUIRED"), "{said}");
    assert!(said.contains("approve this hash"), "{said}");
    let kept = server.desk.ok("quarantine list --json").json();
    let hash = kept["quarantined"][0]["content_hash"].as_str().unwrap().to_owned();

    server.desk.ok(&format!("quarantine approve {hash} --reason reviewed"));
    // It packs a folder anew, with new times: the approved bytes are the file's.
    fs::copy(server.desk.path("ext/manifest.json"), server.desk.path("ext/dist/manifest.json"))
        .unwrap();
    let accepted = publish(&server, "ext/dist/bundle.tar.zst", &[]);

    assert_eq!(accepted.code, Some(0), "{accepted:?}");
    assert!(accepted.stdout.contains("Extension installed (ID: "), "{accepted:?}");
    let (status, greeting) = server.get(GREETING);
    assert_eq!(status, 200, "{greeting}");
}
