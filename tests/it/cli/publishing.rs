//! From a folder to an extension that answers, and what can come between.

use insta::{assert_json_snapshot, assert_snapshot};

use super::program::mask;
use super::server::Server;

#[test]
fn a_folder_becomes_an_extension_that_answers() {
    let server = Server::ready();

    let run = server.desk.ok("publish hello --key acme.key --install --enable --grant log.emit");

    assert!(run.stdout.contains(&format!("Open it:  {}/admin/open/", server.url)), "{run:?}");
    let (status, body) = server.get("/api/ext/com.example.hello/greeting?name=Ada");
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("Hello, Ada"), "{body}");
    let listed = server.desk.ok("list --json").json();
    assert_eq!(listed["installs"][0]["enabled"], true);
    assert_eq!(listed["versions"][0]["signers"][0]["name"], "acme");
}

#[test]
fn what_is_not_granted_is_one_line_below_the_result() {
    let server = Server::ready();

    server.desk.sample_as("asks", "1.1.0", Some("cap:storage.kv"));
    let file = server.desk.path("asks/manifest.json");
    let manifest = std::fs::read_to_string(&file).unwrap();
    let both = r#""cap:storage.kv","cap:secrets.get""#;
    std::fs::write(&file, manifest.replace(r#""cap:storage.kv""#, both)).unwrap();

    let run = server.desk.ok("publish asks --key acme.key --install");

    let said: Vec<_> = run.stderr.lines().filter(|line| line.contains("ranted")).collect();
    let [line] = said.as_slice() else { panic!("{run:?}") };
    assert!(line.starts_with("Not granted: cap:storage.kv, cap:secrets.get. "), "{line}");
    let later = "--grant-all; now:  plugboard upgrade com.example.hello --version 1.1.0 --grant";
    assert!(line.contains(later), "{line}");
    assert_eq!(run.stderr.lines().last(), Some(*line), "{run:?}");
    let all = server.desk.ok("publish asks --key acme.key --install --grant-all --yes");
    assert!(!all.stderr.contains("Not granted"), "{all:?}");
}

#[test]
fn no_address_is_named_where_none_is_known() {
    let mut server = Server::ready();
    server.desk.set("PLUGBOARD_URL", "");
    server.desk.set("PLUGBOARD_TOKEN_FILE", "");

    let run = server.desk.ok("publish hello --key acme.key --install --enable");

    assert!(run.stdout.ends_with("com.example.hello 1.0.0 is installed and enabled\n"), "{run:?}");
}

#[test]
fn a_token_that_may_only_install_does_so_and_is_not_told_what_is_missing() {
    let mut server = Server::ready();
    server.desk.sample_as("asks", "1.1.0", Some("cap:storage.kv"));
    server.desk.ok("publish asks --key acme.key");
    server.desk.set("PLUGBOARD_URL", "");
    server.desk.set("PLUGBOARD_TOKEN_FILE", "");
    server.desk.ok("token create --name ci --scope install:write --out narrow");
    let as_ci = format!("--url {} --token-file narrow", server.url);

    let run = server.desk.run(&format!("install com.example.hello {as_ci}"));

    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stdout.starts_with("com.example.hello 1.1.0 is installed\n"), "{run:?}");
    assert_eq!(run.stderr, "");
}

#[test]
fn a_bundle_of_an_unknown_signer_waits_until_its_key_is_trusted() {
    let server = Server::ready();
    server.desk.ok("keygen other");

    let run = server.desk.run("publish hello --key other.key");

    assert_eq!(run.code, Some(3));
    assert!(run.stdout.contains("trust the key, then publish again"), "{}", run.stdout);
    let listed = server.desk.ok("quarantine list").stdout;
    assert!(listed.contains("nobody trusts its signer"), "{listed}");
}

#[test]
fn a_packed_and_signed_bundle_is_published_with_the_signature_beside_it() {
    let server = Server::ready();
    server.desk.ok("pack hello --out hello.tar.zst");
    server.desk.ok("sign hello.tar.zst --key acme.key");

    let mut answer = server.desk.ok("publish hello.tar.zst --install --wait --json").json();

    assert_eq!(answer["report"]["verdict"], "verified");
    mask(&mut answer, &["/content_hash", "/report", "/install/id", "/install/content_hash"]);
    mask(&mut answer, &["/install/installed_at", "/install/updated_at"]);
    assert_json_snapshot!(answer, @r#"
    {
      "content_hash": "[content_hash]",
      "install": {
        "content_hash": "[content_hash]",
        "enabled": false,
        "grants": [],
        "id": "[id]",
        "installed_at": "[installed_at]",
        "name": "com.example.hello",
        "previous": null,
        "settings": {},
        "tenant": "default",
        "updated_at": "[updated_at]",
        "version": "1.0.0"
      },
      "name": "com.example.hello",
      "outcome": "created",
      "report": "[report]",
      "version": "1.0.0"
    }
    "#);
}

#[test]
fn publishing_the_same_again_changes_nothing() {
    let server = Server::ready();
    let line = "publish hello --key acme.key --install --enable --grant-all --json";
    let first = server.desk.ok(line).json();

    let second = server.desk.ok(line).json();

    assert_eq!((&first["outcome"], &second["outcome"]), (&"created".into(), &"unchanged".into()));
    assert_eq!(first["install"], second["install"]);
}

#[test]
fn a_bundle_that_nobody_trusted_signed_waits_for_a_person() {
    let server = Server::ready();

    let run = server.desk.run("publish hello --install --enable");

    assert_eq!(run.code, Some(3));
    assert!(run.stdout.contains("is quarantined: a person must decide"), "{}", run.stdout);
    assert!(run.stdout.contains("plugboard quarantine approve"), "{}", run.stdout);
    assert!(run.stdout.contains("plugboard publish hello --key FILE.key"), "{}", run.stdout);
    assert!(!run.stdout.contains("trust the key"), "there is none: {}", run.stdout);
    let waiting = server.desk.ok("quarantine list --json").json();
    let hash = waiting["quarantined"][0]["content_hash"].as_str().unwrap().to_owned();
    let digits = &hash["sha256:".len()..][..12];
    let listed = server.desk.ok("quarantine list").stdout;
    assert!(listed.contains(digits) && listed.contains("nobody signed it"), "{listed}");
    assert!(server.desk.ok(&format!("quarantine show {digits}")).stdout.contains("✘ signature"));
    server.desk.ok(&format!("quarantine approve {digits} --reason reviewed"));
    server.desk.ok("install com.example.hello --enable");
}

#[test]
fn a_signature_can_follow_a_quarantined_bundle() {
    let server = Server::ready();
    server.desk.ok("pack hello --out hello.tar.zst");
    assert_eq!(server.desk.run("publish hello.tar.zst").code, Some(3));
    let hash =
        server.desk.ok("quarantine list --json").json()["quarantined"][0]["content_hash"].clone();
    server.desk.ok("sign hello.tar.zst --key acme.key");

    let attach = format!("quarantine attach {} hello.tar.zst.dsse.json", hash.as_str().unwrap());
    let attached = server.desk.ok(&attach);

    assert_snapshot!(attached.stdout, @r"
    Published com.example.hello 1.0.0
    Install it:  plugboard install com.example.hello@1.0.0
    ");
    assert_eq!(server.desk.ok("quarantine list").stdout, "Nothing is quarantined.\n");
}

#[test]
fn a_refused_bundle_shows_its_report_once() {
    let server = Server::ready();
    std::fs::write(server.desk.path("broken.tar.zst"), "not a bundle").unwrap();

    let run = server.desk.run("publish broken.tar.zst");

    assert_eq!(run.code, Some(1));
    assert_snapshot!(run.stderr, @r"
    Sending broken.tar.zst, 12 B
    error: the bundle is refused: the file does not begin with a zstd frame (invalid_bundle)
    the bundle is rejected
      sha256:6d01f9c1ef60a7048154da2339ec2230c64ce0c07e2f44c3143bf6e1ca0d73bd
      – transport  the sender declared no hash
      ✔ integrity  sha256:6d01f9c1ef60a7048154da2339ec2230c64ce0c07e2f44c3143bf6e1ca0d73bd
      ✘ archive    the file does not begin with a zstd frame (not_zstd)
                   → A bundle is a tar archive compressed with zstd, made by `plugboard pack`.
      – manifest   not reached
      – component  not reached
      – signature  not reached
      – trust      not reached
      – policy     not reached
    ");
    let json = server.desk.run("publish broken.tar.zst --json").json();
    assert_eq!(json["error"]["problem"]["report"]["verdict"], "rejected");
}

#[test]
fn a_token_that_may_not_publish_is_told_before_a_large_upload_ends() {
    let mut server = Server::ready();
    server.desk.set("PLUGBOARD_TOKEN_FILE", "");
    server.desk.set("PLUGBOARD_TOKEN", "plug_abcdefgh_wrong");
    let zeros = std::fs::File::create(server.desk.path("large.tar.zst")).unwrap();
    zeros.set_len(64 * 1024 * 1024).unwrap();

    let run = server.desk.run("publish large.tar.zst --json");

    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(run.json()["error"]["code"], "unauthenticated");
}
