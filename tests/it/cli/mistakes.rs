//! What people get wrong at first, and how they learn it.

use std::fs;
use std::path::Path;

use insta::assert_json_snapshot;

use super::program::Desk;

/// A desk with a key, and the sample packed.
fn desk_with_bundle() -> Desk {
    let desk = Desk::new();
    desk.ok("keygen acme");
    desk.ok("pack hello --out hello.tar.zst");
    desk
}

#[test]
fn a_private_key_is_not_sent_to_be_trusted() {
    let mut desk = Desk::new();
    desk.ok("keygen acme");
    desk.set("PLUGBOARD_TOKEN", "plug_abcdefgh_x");
    // Who tried to reach it would end with 4.
    desk.set("PLUGBOARD_URL", "http://127.0.0.1:9");

    let run = desk.run("trust add acme.key --scope com.example.*");

    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.starts_with("error: acme.key is no public key\n"), "{run:?}");
    assert!(run.stderr.contains("the file ends in .pub"), "{run:?}");
    assert_eq!(desk.run("trust add acme.pub --scope com.example.*").code, Some(4));
}

#[test]
fn a_signature_under_another_name_is_named_when_it_is_published() {
    let desk = desk_with_bundle();

    let beside = desk.ok("sign hello.tar.zst --key acme.key").stdout;
    let elsewhere = desk.ok("sign hello.tar.zst --key acme.key --out hello.dsse.json").stdout;

    let last = |text: &str| text.lines().last().unwrap().to_owned();
    assert_eq!(last(&beside), "Publish it:  plugboard publish hello.tar.zst --install --enable");
    assert_eq!(
        last(&elsewhere),
        "Publish it:  plugboard publish hello.tar.zst --signature hello.dsse.json --install --enable"
    );
}

#[test]
fn a_password_in_an_address_is_refused_and_not_repeated() {
    let mut desk = Desk::new();
    desk.set("PLUGBOARD_URL", "http://ada:S3CRET@plugboard.example.net");
    let without_token = desk.run("list");
    desk.set("PLUGBOARD_TOKEN", "plug_abcdefgh_x");
    let with_token = desk.run("list");

    for run in [without_token, with_token] {
        assert_eq!(run.code, Some(2), "{run:?}");
        let sentence = "error: plugboard.example.net is not the address of an appliance\n";
        assert!(run.stderr.starts_with(sentence), "{run:?}");
        assert!(run.stderr.contains("without user and password"), "{run:?}");
        assert!(!run.stderr.contains("S3CRET"), "{run:?}");
    }
}

#[test]
fn what_is_no_trust_bundle_is_wrong_usage() {
    let desk = desk_with_bundle();
    fs::write(desk.path("words"), "hello\n").unwrap();
    let verify = |file: &str| desk.run(&format!("verify hello.tar.zst --trust-bundle {file}"));

    let missing = verify("nofile");
    let words = verify("words");
    let private = verify("acme.key");

    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(missing.stderr.starts_with("error: cannot read nofile\n"), "{missing:?}");
    for (name, run) in [("words", words), ("acme.key", private)] {
        assert_eq!(run.code, Some(2), "{run:?}");
        let sentence = format!("error: {name} is no usable trust bundle\n");
        assert!(run.stderr.starts_with(&sentence) && run.stdout.is_empty(), "{run:?}");
    }
    assert_eq!(verify("acme.pub").code, Some(3), "usable, and the bundle is unsigned");
}

#[test]
fn a_file_that_a_setting_names_and_that_cannot_be_used_is_wrong_usage() {
    let desk = Desk::new();
    desk.ok("keygen acme");
    let application = "host_callbacks.clients_url=https://app.example.net";
    for (settings, sentence) in [
        ("egress.ca_file=nowhere".to_owned(), "egress.ca_file: nowhere: "),
        (
            format!("host_callbacks.ca_file=acme.pub --set {application}"),
            "host_callbacks.ca_file: acme.pub: it has no PEM certificate",
        ),
        ("server.master_key_file=nowhere".to_owned(), "the master key nowhere cannot be read"),
        (
            "server.tls.cert_file=acme.pub --set server.tls.key_file=acme.key".to_owned(),
            "acme.pub holds no PEM certificate",
        ),
    ] {
        let serve =
            desk.run(&format!("serve --listen 127.0.0.1:0 --data-dir data --set {settings}"));
        let doctor = desk.run(&format!("doctor --data-dir data --set {settings}"));

        assert_eq!((serve.code, doctor.code), (Some(2), Some(2)), "{serve:?} {doctor:?}");
        assert_eq!(serve.stderr.matches(sentence).count(), 1, "{serve:?}");
        assert_eq!(
            serve.stderr.matches("No such file").count(),
            usize::from(sentence.contains("nowhere")),
            "{serve:?}"
        );
        assert!(!serve.stderr.contains("--listen"), "{serve:?}");
        assert!(doctor.stdout.contains(sentence), "{doctor:?}");
    }
}

#[test]
fn another_address_is_proposed_where_one_is_taken_and_nowhere_else() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap();
    let desk = Desk::new();
    let serve = |listen: &str| {
        desk.run(&format!(
            "serve --data-dir data --set server.insecure_http=true --listen {listen}"
        ))
    };

    let busy = serve(&taken.to_string());
    // An address of the documentation (RFC 5737), which no machine has.
    let foreign = serve("192.0.2.1:7420");

    assert_eq!((busy.code, foreign.code), (Some(4), Some(4)), "{busy:?} {foreign:?}");
    assert!(busy.stderr.contains("name another address with --listen"), "{busy:?}");
    assert!(foreign.stderr.contains("cannot listen on 192.0.2.1:7420"), "{foreign:?}");
    assert!(!foreign.stderr.contains("--listen"), "{foreign:?}");
}

#[test]
fn a_folder_is_packed_before_it_is_signed_or_verified() {
    let desk = desk_with_bundle();
    for line in ["sign hello --key acme.key", "verify hello --key acme.pub"] {
        let run = desk.run(line);

        assert_eq!(run.code, Some(2), "{line}");
        assert_eq!(run.stderr, "error: hello is a folder; `plugboard pack` it first\n", "{line}");
    }
}

#[test]
fn a_folder_of_no_extension_is_wrong_usage() {
    let desk = Desk::new();
    fs::create_dir(desk.path("empty")).unwrap();
    for line in ["pack empty", "pack empty --out a.tar.zst", "publish empty"] {
        let run = desk.run(line);

        assert_eq!(run.code, Some(2), "{line}: {run:?}");
        assert!(run.stderr.starts_with("error: empty has no `manifest.json`\n"), "{run:?}");
    }
}

#[test]
fn a_file_for_a_folder_that_is_not_there_is_told_by_its_name_alone() {
    let desk = Desk::new();

    let run = desk.run("pack hello --out none/a.tar.zst");

    assert_eq!(run.code, Some(2));
    assert_eq!(
        run.stderr,
        "error: cannot write none/a.tar.zst\n  because: there is no folder none\n"
    );
}

#[test]
fn a_call_that_is_not_understood_is_an_object_for_machines_too() {
    let desk = Desk::new();

    let run = desk.run("keygen --json --frobnicate");

    assert_eq!(run.code, Some(2));
    assert!(run.stderr.starts_with("error: unexpected argument '--frobnicate' found"), "{run:?}");
    assert_json_snapshot!(run.json(), @r#"
    {
      "error": {
        "causes": [],
        "code": "usage",
        "hint": "`--help` shows examples and every argument",
        "message": "unexpected argument '--frobnicate' found",
        "problem": null
      }
    }
    "#);
    let message = |line: &str| {
        let run = desk.run(line);
        assert_eq!(run.code, Some(2), "{line}: {run:?}");
        run.json()["error"]["message"].as_str().unwrap().to_owned()
    };
    assert!(message("token --json").starts_with("'plugboard token' requires a subcommand"));
    assert_eq!(
        message("sign --json"),
        "the following required arguments were not provided: --key <FILE> <BUNDLE>"
    );
    assert_eq!(desk.run("sign").stdout, "", "nobody asked for it");
    assert!(desk.ok("--help --json").stdout.starts_with("The extension appliance"));
}

#[test]
fn numbers_and_versions_are_refused_in_words() {
    let desk = Desk::new();

    let limit = desk.run("audit --limit 0").stderr;
    let version = desk.run("upgrade com.example.hello --version x").stderr;

    assert!(limit.contains("must be a whole number, 1 or more"), "{limit}");
    assert!(version.contains("`x` is no exact version, as 1.4.0 is"), "{version}");
    for lines in ["0", "1001", "9999", "many"] {
        let run = desk.run(&format!("logs com.example.hello -n {lines}"));
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.stderr.contains("must be a whole number, 1 to 1,000"), "{run:?}");
    }
}

#[test]
fn what_every_install_has_cannot_be_taken_away() {
    let desk = Desk::new();
    for capability in ["cap:context.read", "cap:log.emit", "cap:user.read"] {
        let others = "upgrade com.example.hello --revoke http.fetch --revoke";

        let run = desk.run(&format!("{others} {capability}"));

        assert_eq!(run.code, Some(2), "{run:?}");
        let sentence = format!("error: every install has {capability}; it cannot be taken away\n");
        assert_eq!(run.stderr, sentence);
    }
}

#[test]
fn where_a_command_is_missing_those_for_people_are_named() {
    let desk = Desk::new();

    let run = desk.run("--json");

    assert_eq!(run.code, Some(2), "{run:?}");
    let message = run.json()["error"]["message"].as_str().unwrap().to_owned();
    for text in [&message, &run.stderr] {
        assert!(text.contains("doctor, completions"), "{run:?}");
        assert!(!text.contains("compile-worker"), "{run:?}");
    }
}

#[test]
fn completions_offer_what_help_shows() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = desk.ok(&format!("completions {shell}")).stdout;

        assert!(!script.contains("compile-worker"), "{shell}");
        assert!(script.contains("reset-password") && script.contains("json"), "{shell}");
    }
}

#[test]
fn the_configuration_file_has_one_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let unit = fs::read_to_string(root.join("packaging/plugboard.service")).unwrap();
    let operations = fs::read_to_string(root.join("docs/OPERATIONS.md")).unwrap();
    let desk = Desk::new();
    let commands = ["serve", "doctor", "config show", "config check", "config example"];
    let helps = commands.map(|command| desk.ok(&format!("{command} --help")).stdout);

    assert!(unit.contains("--config /etc/plugboard/plugboard.toml"), "{unit}");
    for text in helps.iter().chain([&operations]) {
        assert!(!text.contains("/config.toml") && !text.contains(" config.toml"), "{text}");
    }
}
