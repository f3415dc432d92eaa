//! The life of an install after the first day.

use insta::assert_snapshot;

use super::server::Server;

/// A server with `hello` 1.0.0 installed and enabled, and 1.1.0 published,
/// which asks for more.
fn server_with_two_versions() -> Server {
    let server = Server::ready();
    server.desk.ok("publish hello --key acme.key --install --enable");
    server.desk.sample_as("next", "1.1.0", Some("cap:http.fetch"));
    server.desk.ok("publish next --key acme.key");
    server
}

#[test]
fn an_install_moves_forth_and_back_is_disabled_and_goes() {
    let server = server_with_two_versions();
    let version = |server: &Server| {
        server.desk.ok("list --json").json()["installs"][0]["version"].as_str().unwrap().to_owned()
    };

    server.desk.ok("upgrade com.example.hello");
    assert_eq!(version(&server), "1.1.0");
    server.desk.ok("upgrade com.example.hello --back");
    assert_eq!(version(&server), "1.0.0");
    assert_eq!(server.get("/api/ext/com.example.hello/health").0, 200);
    server.desk.ok("disable com.example.hello");
    assert_eq!(server.get("/api/ext/com.example.hello/health").0, 404);
    let unsure = server.desk.run("uninstall com.example.hello");
    assert_eq!(unsure.code, Some(2));
    assert!(unsure.stderr.contains("--yes"), "{unsure:?}");
    server.desk.ok("uninstall com.example.hello --yes");
    assert_eq!(server.desk.ok("list --json").json()["installs"], serde_json::json!([]));
}

#[test]
fn growing_grants_need_a_yes() {
    let server = server_with_two_versions();

    let run = server.desk.run("upgrade com.example.hello --grant cap:http.fetch");

    assert_eq!(run.code, Some(1));
    assert_snapshot!(run.stderr, @r"
    error: com.example.hello 1.1.0 would also be allowed cap:http.fetch
      hint: agree to it with --yes
    ");
    let upgraded = server.desk.ok("upgrade com.example.hello --grant http.fetch --yes --json");
    assert_eq!(upgraded.json()["grants"], serde_json::json!(["cap:http.fetch"]));
    let revoked = server.desk.ok("upgrade com.example.hello --revoke http.fetch --json");
    assert_eq!(revoked.json()["grants"], serde_json::json!([]));
}

#[test]
fn publishing_a_new_version_upgrades_only_when_told_to() {
    let server = server_with_two_versions();

    let run = server.desk.run("publish next --key acme.key --install");

    assert_eq!(run.code, Some(1));
    assert_snapshot!(run.stderr.lines().skip(2).collect::<Vec<_>>().join("\n"), @r"
    error: 1.1.0 is published, but com.example.hello is installed at 1.0.0
      hint: add --upgrade, or run `plugboard upgrade com.example.hello --version 1.1.0`
    ");
    server.desk.ok("publish next --key acme.key --install --upgrade");
    let listed = server.desk.ok("list").stdout;
    assert!(listed.contains("1.1.0    ● enabled"), "{listed}");
}

#[test]
fn settings_have_the_types_of_the_manifest() {
    let server = server_with_two_versions();

    let set = server.desk.ok("configure com.example.hello --set greeting=Servus --json");

    assert_eq!(set.json()["settings"], serde_json::json!({"greeting": "Servus"}));
    assert_snapshot!(server.desk.ok("configure com.example.hello").stdout, @r"
    SETTING   VALUE   DEFAULT  MEANING
    greeting  Servus  Hello    The word before the name.
    ");
    let wrong = server.desk.run("configure com.example.hello --set greetin=Servus");
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.stderr.contains("✘"), "{wrong:?}");
    let unset = server.desk.ok("configure com.example.hello --unset greeting --json");
    assert_eq!(unset.json()["settings"], serde_json::json!({}));
}

#[test]
fn a_name_that_is_not_installed_is_met_with_a_guess() {
    let server = server_with_two_versions();

    let run = server.desk.run("enable com.example.helo");

    assert_eq!(run.code, Some(1));
    assert_snapshot!(run.stderr, @r"
    error: com.example.helo is not installed
      hint: did you mean com.example.hello?
    ");
}

#[test]
fn installing_again_grants_nothing_and_says_so() {
    let server = Server::ready();
    let file = server.desk.path("asks/manifest.json");
    server.desk.sample_as("asks", "1.1.0", Some("cap:http.fetch"));
    let manifest = std::fs::read_to_string(&file).unwrap();
    let both = r#""cap:http.fetch","cap:storage.kv""#;
    std::fs::write(&file, manifest.replace(r#""cap:http.fetch""#, both)).unwrap();
    server.desk.ok("publish asks --key acme.key --install");

    let all = server.desk.run("install com.example.hello --grant-all --enable");
    let one = server.desk.run("install com.example.hello@1.1.0 --grant http.fetch --grant log");

    assert_eq!((all.code, one.code), (Some(1), Some(1)), "{all:?} {one:?}");
    assert_snapshot!(all.stderr, @r"
    error: com.example.hello 1.1.0 is installed already, without cap:http.fetch, cap:storage.kv
      hint: plugboard upgrade com.example.hello --version 1.1.0 --grant cap:http.fetch --grant cap:storage.kv
    ");
    assert!(one.stderr.contains("without cap:http.fetch\n"), "{one:?}");
    assert_eq!(server.desk.ok("list --json").json()["installs"][0]["enabled"], false);
    let grants = "--grant cap:http.fetch --grant cap:storage.kv";
    server.desk.ok(&format!("upgrade com.example.hello --version 1.1.0 {grants} --yes"));
    server.desk.ok("install com.example.hello --grant-all --enable");
}

#[test]
fn another_version_is_not_installed_over_an_install() {
    let server = server_with_two_versions();

    let run = server.desk.run("install com.example.hello@1.1.0 --json");

    assert_eq!(run.code, Some(1));
    assert_eq!(run.json()["error"]["code"], "already_installed");
    server.desk.ok("install com.example.hello@1.0.0");
}
