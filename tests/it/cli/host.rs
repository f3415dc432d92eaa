//! What works on the host: over the admin socket, and with no server running.

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
    assert_eq!(desk.run_with_input("operator reset-password eve", PASSWORD).code, Some(1));
}

#[test]
fn a_registry_is_not_made_where_a_wrong_folder_is_likely() {
    let desk = Desk::new();

    let run = desk.run("token list");

    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("there is no registry in plugboard-data"), "{run:?}");
    assert!(!desk.path("plugboard-data").exists());
}

#[test]
fn commands_that_need_a_server_say_that_none_is_running() {
    let desk = desk_without_server();
    for line in ["list", "publish hello", "install a", "enable a", "quarantine list"] {
        let run = desk.run(line);
        assert_eq!(run.code, Some(4), "{line}");
        assert!(run.stderr.contains("no server is running on the data folder data"), "{run:?}");
    }
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
