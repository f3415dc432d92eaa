//! keygen, pack, sign, verify and config need no server.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use insta::{assert_json_snapshot, assert_snapshot};

use super::program::{Desk, copy, mask};

#[test]
fn a_private_key_is_for_its_owner_only() {
    let desk = Desk::new();

    desk.ok("keygen acme");

    let mode = |name| fs::metadata(desk.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("acme.key"), 0o600);
    let again = desk.run("keygen acme");
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("acme.key exists already"), "{again:?}");
}

#[test]
fn the_same_tree_packs_to_the_same_bytes_everywhere() {
    let desk = Desk::new();
    copy(&desk.path("hello"), &desk.path("copy"));
    let old = fs::File::options().append(true).open(desk.path("copy/manifest.json")).unwrap();
    old.set_modified(std::time::UNIX_EPOCH).unwrap();
    fs::set_permissions(desk.path("copy/ui"), fs::Permissions::from_mode(0o700)).unwrap();

    desk.ok("pack hello --out one.tar.zst");
    desk.ok("pack copy --out two.tar.zst");

    assert!(
        fs::read(desk.path("one.tar.zst")).unwrap() == fs::read(desk.path("two.tar.zst")).unwrap()
    );
}

#[test]
fn packing_names_what_it_leaves_out_and_overwrites_nothing() {
    let desk = Desk::new();
    fs::write(desk.path("hello/.env"), "SECRET=1").unwrap();

    let packed = desk.ok("pack hello");

    assert_eq!(packed.stderr, "left out: .env\n");
    assert!(packed.stdout.starts_with("Packed com.example.hello-1.0.0.tar.zst\n  sha256:"));
    assert_eq!(desk.run("pack hello").code, Some(1));
    assert_eq!(desk.run("pack hello --force").code, Some(0));
    let left: Vec<_> = fs::read_dir(desk.path("")).unwrap().collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn everything_wrong_with_a_folder_is_said_at_once() {
    let desk = Desk::new();
    let manifest = r#"{"name": "Bad Name", "version": "1.x", "runtime": "wasm-component@1"}"#;
    fs::write(desk.path("hello/manifest.json"), manifest).unwrap();

    let run = desk.run("pack hello --out bad.tar.zst");

    assert_eq!(run.code, Some(1));
    assert!(run.stderr.matches('✘').count() >= 2, "{}", run.stderr);
    assert!(!desk.path("bad.tar.zst").exists());
}

#[test]
fn a_bundle_is_verified_with_the_key_that_signed_it_and_no_other() {
    let desk = Desk::new();
    desk.ok("keygen acme");
    desk.ok("keygen other");
    desk.ok("pack hello --out hello.tar.zst");
    assert_eq!(desk.run("verify hello.tar.zst --key acme.pub").code, Some(3), "unsigned");

    desk.ok("sign hello.tar.zst --key acme.key");

    assert_eq!(desk.run("verify hello.tar.zst --key acme.pub").code, Some(0));
    assert_eq!(desk.run("verify hello.tar.zst --key other.pub").code, Some(3));
    let expected = format!("sha256:{}", "0".repeat(64));
    let run = desk.run(&format!("verify hello.tar.zst --key acme.pub --expect {expected}"));
    assert_eq!(run.code, Some(1));
}

#[test]
fn a_changed_bundle_is_rejected() {
    let desk = Desk::new();
    desk.ok("keygen acme");
    desk.ok("pack hello --out hello.tar.zst");
    desk.ok("sign hello.tar.zst --key acme.key");
    let mut bytes = fs::read(desk.path("hello.tar.zst")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(desk.path("hello.tar.zst"), bytes).unwrap();

    let run = desk.run("verify hello.tar.zst --key acme.pub --json");

    assert_eq!(run.code, Some(1));
    assert_eq!(run.json()["verdict"], "rejected");
}

#[test]
fn signing_again_changes_nothing_and_replaces_nothing() {
    let desk = Desk::new();
    desk.ok("keygen acme");
    desk.ok("keygen other");
    desk.ok("pack hello --out hello.tar.zst");
    desk.ok("sign hello.tar.zst --key acme.key");

    desk.ok("sign hello.tar.zst --key acme.key");
    let run = desk.run("sign hello.tar.zst --key other.key");

    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("hello.tar.zst.dsse.json exists already"), "{run:?}");
    desk.ok("sign hello.tar.zst --key other.key --out second.dsse.json");
}

#[test]
fn a_file_that_is_not_there_is_wrong_usage() {
    let desk = Desk::new();
    for line in [
        "pack nowhere",
        "sign nothing --key nothing",
        "verify nothing",
        "publish nothing",
        "config check --config nothing",
        "frobnicate",
    ] {
        assert_eq!(desk.run(line).code, Some(2), "{line}");
    }
}

#[test]
fn the_json_of_the_offline_commands_is_the_documented_one() {
    let desk = Desk::new();
    let mut made = desk.ok("keygen acme --json").json();
    let mut packed = desk.ok("pack hello --out hello.tar.zst --json").json();
    let mut signed = desk.ok("sign hello.tar.zst --key acme.key --json").json();

    mask(&mut made, &["/key_id"]);
    assert_json_snapshot!(made, @r#"
    {
      "key_id": "[key_id]",
      "private_key_file": "acme.key",
      "public_key_file": "acme.pub"
    }
    "#);
    packed["files"].as_array_mut().unwrap().truncate(1);
    mask(&mut packed, &["/content_hash", "/size", "/files/0/sha256", "/files/0/size"]);
    assert_json_snapshot!(packed, @r#"
    {
      "content_hash": "[content_hash]",
      "file": "hello.tar.zst",
      "files": [
        {
          "media_type": "application/wasm",
          "path": "dist/main.wasm",
          "sha256": "[sha256]",
          "size": "[size]"
        }
      ],
      "left_out": [],
      "size": "[size]",
      "warnings": []
    }
    "#);
    mask(&mut signed, &["/content_hash", "/key_id"]);
    assert_json_snapshot!(signed, @r#"
    {
      "content_hash": "[content_hash]",
      "file": "hello.tar.zst.dsse.json",
      "key_id": "[key_id]",
      "name": "com.example.hello",
      "version": "1.0.0"
    }
    "#);
}

#[test]
fn the_json_of_a_verification_is_the_report() {
    let desk = Desk::new();
    desk.ok("keygen acme");
    desk.ok("pack hello --out hello.tar.zst");
    desk.ok("sign hello.tar.zst --key acme.key");

    let mut report = desk.ok("verify hello.tar.zst --key acme.pub --json").json();

    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let rows = report["checks"].as_array().unwrap().iter();
    let words = rows.map(|row| ["check", "status", "code"].map(|name| text(&row[name])).join(" "));
    assert_snapshot!(words.collect::<Vec<_>>().join("\n"), @r"
    transport skipped hash_not_declared
    integrity pass ok
    archive pass ok
    manifest pass ok
    component pass ok
    signature pass ok
    trust pass ok
    policy pass ok
    policy skipped registry_not_consulted
    ");
    mask(&mut report, &["/content_hash"]);
    report["checks"].as_array_mut().unwrap().truncate(1);
    assert_json_snapshot!(report, @r#"
    {
      "checks": [
        {
          "check": "transport",
          "code": "hash_not_declared",
          "expected": null,
          "found": "the sender declared no hash",
          "hint": null,
          "status": "skipped"
        }
      ],
      "content_hash": "[content_hash]",
      "extension": {
        "name": "com.example.hello",
        "version": "1.0.0"
      },
      "verdict": "verified"
    }
    "#);
}

#[test]
fn every_problem_of_a_configuration_is_named_with_its_source() {
    let mut desk = Desk::new();
    fs::write(desk.path("plugboard.toml"), "[server]\nlisten = \"0.0.0.0:80\"\n").unwrap();
    desk.set("PLUGBOARD_GATEWAY__TIMEOUT_MS", "soon");

    let run = desk.run("config check --config plugboard.toml --set runner.slotz=1");

    assert_eq!(run.code, Some(2));
    assert_snapshot!(run.stdout, @r"
    ✘ gateway.timeout_ms  (from PLUGBOARD_GATEWAY__TIMEOUT_MS)
        must be a whole number, not `soon`
    ✘ runner.slotz  (from command line)
        is not a setting: did you mean runner.slots?
    ✘ server.listen  (from plugboard.toml)
        other machines can reach 0.0.0.0:80, and it would speak plain HTTP. Three ways out: give it a certificate (server.tls.cert_file and server.tls.key_file); or name the proxy that ends TLS (server.trusted_proxies) and the origin browsers see (server.public_origin); or accept plain HTTP (server.insecure_http = true)
    ");
    let json = desk.run("config check --config plugboard.toml --set runner.slotz=1 --json").json();
    assert_eq!(json["problems"].as_array().unwrap().len(), 3);
    assert_json_snapshot!(json["problems"][0], @r#"
    {
      "key": "gateway.timeout_ms",
      "message": "must be a whole number, not `soon`",
      "source": "PLUGBOARD_GATEWAY__TIMEOUT_MS"
    }
    "#);
}

#[test]
fn the_configuration_is_shown_without_secrets() {
    let mut desk = Desk::new();
    desk.set("STORAGE_S3_SECRET_KEY", "hunter2");
    desk.set("STORAGE_S3_ACCESS_KEY", "me");

    let run = desk.ok("config show --json");

    assert!(!run.stdout.contains("hunter2"));
    let settings = run.json()["settings"].clone();
    let is_secret = |row: &&serde_json::Value| row["key"] == "store.s3.secret_key";
    let secret = settings.as_array().unwrap().iter().find(is_secret).unwrap();
    assert_json_snapshot!(secret, @r#"
    {
      "comment": "`STORAGE_S3_SECRET_KEY`, or the credential `store.s3.secret_key`. Never shown.",
      "default": "\"\"",
      "key": "store.s3.secret_key",
      "source": "STORAGE_S3_SECRET_KEY",
      "value": "(set, not shown)"
    }
    "#);
}

#[test]
fn the_example_configuration_can_be_used() {
    let desk = Desk::new();
    fs::write(desk.path("example.toml"), desk.ok("config example").stdout).unwrap();

    assert_eq!(desk.run("config check --config example.toml").code, Some(0));
}

#[test]
fn help_has_its_examples_first_and_completions_know_every_shell() {
    let desk = Desk::new();

    let help = desk.ok("publish --help").stdout;

    assert!(help.find("Examples:").unwrap() < help.find("Usage:").unwrap());
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(desk.ok(&format!("completions {shell}")).stdout.contains("plugboard"), "{shell}");
    }
}

#[test]
fn every_command_is_in_the_documents() {
    let help = Desk::new().ok("--help").stdout;
    let documents =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/COMMANDS.md")).unwrap();

    let listed = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = listed.lines().filter_map(|line| line.split_whitespace().next());
    let unknown: Vec<_> =
        names.filter(|name| *name != "help" && !documents.contains(&format!("`{name}`"))).collect();

    assert_eq!(unknown, Vec::<&str>::new());
}

#[test]
fn a_closed_pipe_is_no_error() {
    let desk = Desk::new();
    let mut command = desk.command("config example");
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();

    drop(child.stdout.take());

    assert!(child.wait().unwrap().success());
}
