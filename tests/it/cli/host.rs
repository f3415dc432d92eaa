//! What works on the host: over the admin socket, and with no server running.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use insta::assert_json_snapshot;

use super::program::{Desk, mask};
use super::server::Server;

const PASSWORD: &str = "correct horse battery staple\n";

/// A data folder that no server ever ran on.
fn desk_without_server() -> Desk {
    let mut desk = Desk::new();
    desk.set("PLUGBOARD_SERVER__DATA_DIR", "data");
    desk
}

#[test]
fn operators_and_tokens_are_made_with_no_server_running() {
    let desk = desk_without_server();
    let created = desk.run_with_input("operator create ada --json", PASSWORD);
    assert_eq!(created.code, Some(0), "{created:?}");
    desk.ok("tenant create acme");
    desk.ok("token create --name ci --scope bundle:publish --tenant acme --out token");

    let mut created = created.json();
    mask(&mut created, &["/created_at", "/password_changed_at"]);
    assert_json_snapshot!(created, @r#"
    {
      "created_at": "[created_at]",
      "name": "ada",
      "password_changed_at": "[password_changed_at]"
    }
    "#);
    let token = desk.ok("token list --json").json()["tokens"][0].clone();
    assert_eq!((&token["name"], &token["tenant"]), (&"ci".into(), &"acme".into()));
    desk.ok(&format!("token revoke {}", token["id"].as_str().unwrap()));
    assert_eq!(desk.ok("token list --json").json()["tokens"], serde_json::json!([]));
    assert_eq!(desk.run_with_input("operator create ada", PASSWORD).code, Some(1));
    assert_eq!(desk.run_with_input("operator reset-password ada", PASSWORD).code, Some(0));
    let nobody = desk.run("operator reset-password eve");
    assert_eq!(nobody.code, Some(1), "known before a password is asked for: {nobody:?}");
    assert!(nobody.stderr.contains("there is no operator eve"), "{nobody:?}");
}

#[test]
fn an_appliance_is_made_by_its_first_operator_alone_and_where_it_was_named() {
    let desk = Desk::new();
    let made = desk.run_with_input("operator create ada --data-dir new", PASSWORD);
    let unnamed = desk.run_with_input("operator create ada", PASSWORD);

    let new = fs::canonicalize(desk.path("new")).unwrap();
    assert_eq!(made.code, Some(0), "{made:?}");
    let note = format!("No server is running: making a new appliance in {}\n", new.display());
    assert_eq!(made.stderr, note);
    assert_eq!(unnamed.code, Some(1));
    assert!(unnamed.stderr.contains("there is no appliance in /"), "{unnamed:?}");
    assert!(!desk.path("plugboard-data").exists());
}

#[test]
fn a_folder_that_is_misspelt_does_not_become_an_appliance() {
    let desk = Desk::new();
    let nodir = desk.path("nodir");
    for (line, code) in [
        ("audit", 1),
        ("tenant list", 1),
        ("tenant create acme", 1),
        ("token list", 1),
        ("token create --name a --scope ext:invoke", 1),
        ("trust list", 1),
        ("secret list com.example.hello", 1),
        ("logs com.example.hello", 1),
        ("operator list", 1),
        ("operator reset-password ada", 1),
        // A server that starts may be about to make it.
        ("list", 4),
        ("publish hello", 4),
    ] {
        let run = desk.run(&format!("{line} --data-dir nodir"));

        assert_eq!(run.code, Some(code), "{line}: {run:?}");
        let sentence = run.stderr.lines().find(|line| line.starts_with("error: ")).unwrap();
        assert!(sentence.starts_with("error: there is no appliance in /"), "{run:?}");
        assert!(sentence.ends_with("/nodir"), "{run:?}");
        assert!(!nodir.exists(), "{line}");
    }
}

#[test]
fn commands_that_need_a_server_say_that_none_is_running() {
    let desk = desk_without_server();
    assert_eq!(desk.run_with_input("operator create ada", PASSWORD).code, Some(0));
    for line in ["list", "publish hello", "install a", "enable a", "quarantine list"] {
        let run = desk.run(line);
        assert_eq!(run.code, Some(4), "{line}");
        assert!(run.stderr.contains("no server is running on the data folder data"), "{run:?}");
    }
}

#[test]
fn no_second_master_key_is_made_where_the_server_is_given_one() {
    const KEY: &str = "PLUGBOARD_SERVER__MASTER_KEY_FILE";
    let mut desk = desk_without_server();
    fs::write(desk.path("key"), [7; 32]).unwrap();
    fs::set_permissions(desk.path("key"), fs::Permissions::from_mode(0o600)).unwrap();
    desk.set(KEY, "key");
    assert_eq!(desk.run_with_input("operator create ada", PASSWORD).code, Some(0));

    desk.set(KEY, "");
    for line in ["operator list", "token list", "secret list com.example.hello", "audit"] {
        let run = desk.run(line);
        assert_eq!(run.code, Some(2), "{line}: {run:?}");
        assert!(run.stderr.contains(KEY), "{run:?}");
    }

    assert!(!desk.path("data/master.key").exists());
    desk.set(KEY, "key");
    assert!(desk.ok("operator list").stdout.contains("ada"));
}

#[test]
fn the_admin_socket_serves_the_same_commands() {
    let server = Server::start();

    assert_eq!(server.desk.run_with_input("operator create ada", PASSWORD).code, Some(0));

    let listed = server.desk.ok("operator list --json").json();
    assert_eq!(listed["operators"][0]["name"], "ada");
    assert!(server.desk.ok("token list").stdout.contains("There is no token yet."));
}

#[test]
fn what_was_made_on_the_host_outlives_the_server() {
    let server = Server::ready();

    let mut desk = server.stop();

    desk.set("PLUGBOARD_URL", "");
    desk.set("PLUGBOARD_TOKEN_FILE", "");
    let run = desk.ok("trust list --json");
    assert_eq!(run.stderr, "No server is running: opening data\n");
    let mut keys = run.json();
    mask(&mut keys, &["/keys/0/id", "/keys/0/public_key", "/keys/0/added_at", "/keys/0/added_by"]);
    assert_json_snapshot!(keys, @r#"
    {
      "keys": [
        {
          "added_at": "[added_at]",
          "added_by": "[added_by]",
          "id": "[id]",
          "name": "acme",
          "public_key": "[public_key]",
          "scopes": [
            "com.example.*"
          ],
          "status": "active"
        }
      ]
    }
    "#);
}

#[test]
fn who_names_a_key_that_is_not_there_is_told_where_they_are() {
    let desk = desk_without_server();
    assert_eq!(desk.run_with_input("operator create ada", PASSWORD).code, Some(0));

    let run = desk.run("trust remove 4f1a2b3c");

    assert_eq!(run.code, Some(1), "{run:?}");
    let said = "error: nothing here begins with 4f1a2b3c\n  \
                hint: `plugboard trust list` shows what is there\n";
    assert!(run.stderr.ends_with(said), "{run:?}");
}

#[test]
fn a_weak_password_is_refused_with_a_hint() {
    let desk = desk_without_server();

    let run = desk.run_with_input("operator create ada --json", "short\n");

    assert_eq!(run.code, Some(1));
    assert_eq!(run.json()["error"]["code"], "weak_password");
    assert_eq!(run.stderr.matches("hint:").count(), 1, "{run:?}");
}

#[test]
fn a_wrong_token_is_refused_and_a_missing_one_is_wrong_usage() {
    let mut server = Server::ready();
    let url = server.url.clone();

    assert_eq!(server.desk.run("list").code, Some(0));
    server.desk.set("PLUGBOARD_TOKEN_FILE", "");
    assert_eq!(server.desk.run(&format!("list --url {url}")).code, Some(2));
    server.desk.set("PLUGBOARD_TOKEN", "not a token");
    assert_eq!(server.desk.run("list").code, Some(2));
    server.desk.set("PLUGBOARD_TOKEN", "plug_abcdefgh_wrong");
    let run = server.desk.run("list --json");
    assert_eq!(run.code, Some(1));
    assert_eq!(run.json()["error"]["code"], "unauthenticated");
}

#[test]
fn a_token_that_keeps_a_command_from_the_host_is_named() {
    let server = Server::ready();
    for line in ["tenant list", "operator list", "secret rotate-keys"] {
        let run = server.desk.run(line);

        assert_eq!(run.code, Some(1), "{line}: {run:?}");
        assert!(run.stderr.contains("unset PLUGBOARD_TOKEN, "), "{run:?}");
    }
}

#[test]
fn an_address_with_tls_where_there_is_none_is_told() {
    let server = Server::ready();
    let url = server.url.replace("http://", "https://");

    let run = server.desk.run(&format!("list --url {url}"));

    assert_eq!(run.code, Some(4), "{run:?}");
    assert!(run.stderr.contains("it speaks plain HTTP: write http://"), "{run:?}");
}

#[test]
fn an_unreachable_appliance_is_safe_to_try_again() {
    let mut desk = Desk::new();
    desk.set("PLUGBOARD_TOKEN", "plug_abcdefgh_x");

    // The discard port: nobody listens there.
    let run = desk.run("list --url http://127.0.0.1:9 --json");

    assert_eq!(run.code, Some(4));
    assert_json_snapshot!(run.json(), @r#"
    {
      "error": {
        "causes": [
          "Connection refused (os error 111)"
        ],
        "code": "unfinished",
        "hint": "is it running, and is the address right?",
        "message": "could not reach the appliance at http://127.0.0.1:9",
        "problem": null
      }
    }
    "#);
}
