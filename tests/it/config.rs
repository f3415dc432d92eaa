//! Loading the configuration: what wins, what is refused, what is said.

use std::{fs, path::Path};

use plugboard::config::{
    Config, ConfigProblems, Environment, LoadRequest, Loaded, Origin, StoreConfig,
};
use tempfile::TempDir;

/// A configuration with nothing set.
#[derive(Default)]
struct Given {
    folder: Option<TempDir>,
    request: LoadRequest,
    variables: Vec<(String, String)>,
}

impl Given {
    fn file(mut self, text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plugboard.toml");
        fs::write(&file, text).unwrap();
        self.request.file = Some(file);
        self.folder = Some(folder);
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn flag(mut self, key: &str, value: &str) -> Self {
        self.request.flags.push((key.to_owned(), value.to_owned()));
        self
    }

    fn load(mut self) -> Result<Loaded, ConfigProblems> {
        self.request.environment = Environment::from_iter(self.variables);
        Config::load(&self.request)
    }

    fn config(self) -> Config {
        self.load().unwrap().config
    }

    fn notices(self) -> String {
        self.load().unwrap().notices.join("\n")
    }

    /// `key (source): message`, one a line; the temporary folder left out.
    fn problems(self) -> Vec<String> {
        let folder = self.folder.as_ref().map(|folder| format!("{}/", folder.path().display()));
        let folder = folder.unwrap_or_else(|| "(no folder)".to_owned());
        // Kept until the configuration is loaded.
        let Self { folder: _kept, request, variables } = self;
        let given = Self { folder: None, request, variables };
        let problems = given.load().unwrap_err().0;
        problems.iter().map(|problem| problem.to_string().replace(&folder, "")).collect()
    }
}

fn given() -> Given {
    Given::default()
}

#[test]
fn without_anything_set_every_key_is_at_its_default() {
    assert_eq!(given().config(), Config::default());
}

#[test]
fn a_flag_wins_over_a_variable_over_the_file() {
    const KEY: &str = "gateway.timeout_ms";
    let file = || given().file("[gateway]\ntimeout_ms = 1000");
    let with_variable = || file().variable("PLUGBOARD_GATEWAY__TIMEOUT_MS", "2000");

    assert_eq!(file().config().gateway.timeout_ms, 1000);
    assert_eq!(with_variable().config().gateway.timeout_ms, 2000);
    assert_eq!(with_variable().flag(KEY, "3000").config().gateway.timeout_ms, 3000);
    let deployed = file().variable("EXT_GATEWAY_TIMEOUT_MS", "4000");
    assert_eq!(deployed.config().gateway.timeout_ms, 4000);
}

#[test]
fn every_deployment_name_sets_its_key() {
    let config = given()
        .variable("STORAGE_S3_ENDPOINT", "http://minio:9000")
        .variable("STORAGE_S3_ACCESS_KEY", "0123456789")
        .variable("STORAGE_S3_SECRET_KEY", "secret")
        .variable("STORAGE_S3_REGION", "eu-north-1")
        .variable("STORAGE_S3_BUCKET", "files")
        .variable("STORAGE_S3_BUNDLE_BUCKET", "bundles")
        .variable("STORAGE_S3_FORCE_PATH_STYLE", "false")
        .variable("BUNDLE_STORE_BASE", "extensions/sha256/")
        .variable("RUNNER_BASE_URL", "http://runner:8080")
        .variable("RUNNER_PUBLIC_BASE", "https://ext.example.net")
        .variable("EXT_GATEWAY_TIMEOUT_MS", "5000")
        .variable("SIGNING_TRUST_BUNDLE", "/etc/plugboard/trust.pem")
        .variable("EXT_EGRESS_ALLOWLIST", "example.com")
        .config();

    let s3 = &config.store.s3;
    assert_eq!(s3.endpoint, "http://minio:9000");
    assert_eq!((s3.access_key.expose(), s3.secret_key.expose()), ("0123456789", "secret"));
    assert_eq!((&*s3.region, &*s3.bucket, &*s3.bundle_bucket), ("eu-north-1", "files", "bundles"));
    assert!(!s3.force_path_style);
    assert_eq!(config.store.base, "extensions/sha256/");
    assert_eq!(config.runner.base_url, "http://runner:8080");
    assert_eq!(config.ext_ui.public_base, Some("https://ext.example.net".parse().unwrap()));
    assert_eq!(config.gateway.timeout_ms, 5000);
    assert_eq!(config.signing.trust_bundle, "/etc/plugboard/trust.pem");
    assert_eq!(config.egress.allowlist.len(), 4);
}

#[test]
fn the_region_of_the_machine_counts_where_nothing_else_names_one() {
    let region = |given: Given| given.config().store.s3.region;
    let both =
        || given().variable("AWS_DEFAULT_REGION", "eu-west-1").variable("AWS_REGION", "eu-north-1");

    assert_eq!(region(given()), "us-east-1");
    assert_eq!(region(given().variable("AWS_DEFAULT_REGION", "eu-west-1")), "eu-west-1");
    assert_eq!(region(both()), "eu-north-1");
    assert_eq!(region(both().variable("AWS_REGION", "")), "eu-west-1");
    assert_eq!(region(both().file("[store.s3]\nregion = \"garage\"")), "garage");
    assert_eq!(region(both().variable("STORAGE_S3_REGION", "auto")), "auto");
}

#[test]
fn a_public_endpoint_is_a_server_alone_and_needs_one_behind_it() {
    let with = |text: &str| {
        let keys = "endpoint = \"http://127.0.0.1:9000\"\nbucket = \"b\"\naccess_key = \"a\"\nsecret_key = \"s\"";
        given().file(&format!("[store.s3]\n{keys}\n{text}"))
    };

    assert_eq!(
        given().file("[store.s3]\npublic_endpoint = \"https://s3.example.net\"").problems(),
        ["store.s3.public_endpoint (plugboard.toml): needs store.s3.endpoint: there is no server \
          that senders could reach"]
    );
    for endpoint in ["s3.example.net", "https://s3.example.net/bucket", "ftp://a", "https://a?b"] {
        assert_eq!(
            with(&format!("public_endpoint = \"{endpoint}\"")).problems(),
            ["store.s3.public_endpoint (plugboard.toml): must be the server alone, as \
              `https://s3.example.net`"]
        );
    }
    assert_eq!(
        with("redirect_downloads = true").problems(),
        [
            "store.s3.redirect_downloads (plugboard.toml): needs store.s3.public_endpoint: an address \
          there is what it answers with"
        ]
    );
    let public = with("public_endpoint = \"https://s3.example.net:443/\"").config();
    let location = public.store.s3_public_location().unwrap();
    assert_eq!((&*location.endpoint, &*location.bucket), ("https://s3.example.net", "b"));
}

#[test]
fn a_public_endpoint_without_tls_is_worth_a_notice() {
    let notices = |endpoint: &str| {
        let keys = "endpoint = \"http://127.0.0.1:9000\"\nbucket = \"b\"\naccess_key = \"a\"\nsecret_key = \"s\"";
        given().file(&format!("[store.s3]\n{keys}\npublic_endpoint = \"{endpoint}\"")).notices()
    };

    assert!(notices("http://s3.example.net").contains("store.s3.public_endpoint"));
    assert!(!notices("https://s3.example.net").contains("store.s3.public_endpoint"));
    assert!(!notices("http://localhost:9000").contains("store.s3.public_endpoint"));
}

#[test]
fn an_empty_deployment_name_is_not_set_but_an_empty_allowlist_allows_nothing() {
    let config = given()
        .file("[gateway]\ntimeout_ms = 1000\n[egress]\nallowlist = [\"example.com\"]")
        .variable("EXT_GATEWAY_TIMEOUT_MS", "")
        .variable("EXT_EGRESS_ALLOWLIST", "")
        .config();

    assert_eq!(config.gateway.timeout_ms, 1000);
    assert!(config.egress.allowlist.is_empty());
}

#[test]
fn two_names_of_one_key_must_agree() {
    let both = |prefixed: &str| {
        given()
            .variable("EXT_GATEWAY_TIMEOUT_MS", "5000")
            .variable("PLUGBOARD_GATEWAY__TIMEOUT_MS", prefixed)
    };

    assert_eq!(both("5000").config().gateway.timeout_ms, 5000);
    assert_eq!(
        both("6000").problems(),
        ["gateway.timeout_ms (EXT_GATEWAY_TIMEOUT_MS and PLUGBOARD_GATEWAY__TIMEOUT_MS): \
             both names are set, to different values: remove one"]
    );
}

#[test]
fn variables_of_the_client_and_of_tests_are_no_settings() {
    let config = given()
        .variable("PLUGBOARD_URL", "http://127.0.0.1:7420")
        .variable("PLUGBOARD_TOKEN", "plug_x")
        .variable("PLUGBOARD_TOKEN_FILE", "/run/token")
        .variable("PLUGBOARD__FAIL_POINT", "publish")
        .variable("HOME", "/root")
        .config();

    assert_eq!(config, Config::default());
}

#[test]
fn a_setting_with_one_underscore_too_many_is_a_problem() {
    let problems = given().variable("PLUGBOARD__SERVER__LISTEN", "127.0.0.1:1").problems();

    assert_eq!(
        problems,
        ["PLUGBOARD__SERVER__LISTEN (environment): is no variable of Plugboard: \
             did you mean PLUGBOARD_SERVER__LISTEN?"]
    );
}

#[test]
fn all_problems_are_reported_at_once_with_key_and_source() {
    let problems = given()
        .file(
            "sever = 1\n[server]\nlisten = \"localhost\"\ninsecure_http = \"yes\"\n\
             [server.tls]\ncertfile = \"a\"\n[store]\nmax_entries = -1\nbase = 5\n\
             [egress]\nallowlist = [\"*\"]\n[signing]\npolicy = \"none\"\n[telemetry]\n\
             log_level = \"a=b=c\"\n",
        )
        .variable("PLUGBOARD_SERVER_LISTEN", "127.0.0.1:1")
        .variable("PLUGBOARD_GATEWAY__TIMEOUT_MS", "soon")
        .variable("PLUGBOARD_RUNNER__SLOT", "1")
        .variable("EXT_EGRESS_ALLOWLIST", "example.com:443")
        .flag("auth.token_max_days", "400")
        .flag("server", "x")
        .problems();

    insta::assert_snapshot!(problems.join("\n"), @r##"
    egress.allowlist (EXT_EGRESS_ALLOWLIST): `example.com:443`: an entry is `host`, `*.host` or an address, with `http://` and `:port` if needed; this list has names only
    gateway.timeout_ms (PLUGBOARD_GATEWAY__TIMEOUT_MS): must be a whole number, not `soon`
    runner.slot (PLUGBOARD_RUNNER__SLOT): is not a setting: did you mean runner.slots?
    PLUGBOARD_SERVER_LISTEN (environment): is no variable of Plugboard: did you mean PLUGBOARD_SERVER__LISTEN?
    server (command line): is a table: set the keys in it
    egress.allowlist (plugboard.toml): `*`: `*` would allow everything, which is not supported: name the hosts
    server.insecure_http (plugboard.toml): must be true or false
    server.listen (plugboard.toml): must be an IP address and a port, as `127.0.0.1:7420`, not `localhost`
    server.tls.certfile (plugboard.toml): is not a setting: did you mean server.tls.cert_file?
    sever (plugboard.toml): is not a setting: did you mean server?
    signing.policy (plugboard.toml): must be require or allow-unsigned, not `none`
    store.base (plugboard.toml): must be a text in quotes
    store.max_entries (plugboard.toml): must be a whole number, zero or above
    auth.token_max_days (command line): must be 1 to 365, not 400
    telemetry.log_level (plugboard.toml): is not a tracing filter: error parsing level filter: expected one of "off", "error", "warn", "info", "debug", "trace", or a number 0-5
    "##);
}

#[test]
fn a_file_that_cannot_be_used_is_a_problem_without_an_excerpt() {
    let torn = given().file("[store.s3]\nsecret_key = \"hunter2\n").problems();
    assert_eq!(torn.len(), 1);
    assert!(torn[0].starts_with("file (plugboard.toml): is not TOML: line 2: "), "{torn:?}");
    assert!(!torn[0].contains("hunter2"), "{torn:?}");

    let file = Some("/nowhere/plugboard.toml".into());
    let request = LoadRequest { file, ..LoadRequest::default() };
    let missing = Config::load(&request).unwrap_err().to_string();
    assert!(missing.contains("/nowhere/plugboard.toml): cannot be read"), "{missing}");
}

#[test]
fn a_list_is_written_with_commas_or_as_toml() {
    const NAME: &str = "PLUGBOARD_EGRESS__ALLOWLIST";
    let rules =
        |text: &str| format!("{:?}", given().variable(NAME, text).config().egress.allowlist);

    assert_eq!(rules("a.example, http://b.example"), "[https://a.example, http://b.example]");
    assert_eq!(rules("[\"a.example\"]"), "[https://a.example]");
}

#[test]
fn secrets_come_from_files_and_credentials_and_are_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    fs::write(&file, "hunter2\n").unwrap();
    fs::write(folder.path().join("store.s3.secret_key"), "hunter3\n").unwrap();

    let loaded = given()
        .file(&format!(
            "[store.s3]\nendpoint = \"https://s3.example.net\"\nbucket = \"b\"\naccess_key_file = {:?}",
            file.display()
        ))
        .variable("CREDENTIALS_DIRECTORY", folder.path().to_str().unwrap())
        .load()
        .unwrap();

    let s3 = &loaded.config.store.s3;
    assert_eq!((s3.access_key.expose(), s3.secret_key.expose()), ("hunter2", "hunter3"));
    let shown = format!("{:?} {:?}", loaded.config, loaded.settings);
    assert!(!shown.contains("hunter"), "{shown}");
    let setting = |key| loaded.settings.iter().find(|setting| setting.key == key).unwrap();
    let access_key = setting("store.s3.access_key");
    assert_eq!(access_key.value, "(set, not shown)");
    assert_eq!(Path::new(&access_key.source), file);
    assert_eq!(setting("store.s3.secret_key").source, "$CREDENTIALS_DIRECTORY/store.s3.secret_key");
}

#[test]
fn a_secret_and_its_file_are_not_both_set() {
    let problems = given()
        .file("[store.s3]\nsecret_key = \"a\"\nsecret_key_file = \"b\"\naccess_key_file = \"/nowhere\"")
        .problems();

    assert_eq!(
        problems,
        [
            "store.s3.access_key_file (plugboard.toml): /nowhere cannot be read: \
             No such file or directory (os error 2)",
            "store.s3.secret_key_file (plugboard.toml): store.s3.secret_key is set too: \
             keep one of them",
        ]
    );
}

#[test]
fn credentials_that_are_files_give_their_path() {
    let folder = tempfile::tempdir().unwrap();
    let name = "signing.trust_bundle";
    fs::write(folder.path().join(name), "-----BEGIN PUBLIC KEY-----").unwrap();
    let keys = ["server.master_key_file", "server.previous_master_key_file"];
    let [key, previous] = keys.map(|name| folder.path().join(name));
    fs::write(&key, [1; 32]).unwrap();
    fs::write(&previous, [2; 32]).unwrap();

    let config =
        given().variable("CREDENTIALS_DIRECTORY", folder.path().to_str().unwrap()).config();

    assert_eq!(Path::new(&config.signing.trust_bundle), folder.path().join(name));
    assert_eq!(config.server.master_key_file, key);
    assert_eq!(config.server.previous_master_key_file, previous);
}

#[test]
fn plain_http_that_others_can_reach_is_refused_with_the_three_ways_out() {
    let problems = given().flag("server.listen", "0.0.0.0:7420").problems();

    assert_eq!(problems.len(), 1);
    for way in ["server.tls.cert_file", "server.trusted_proxies", "server.public_origin"] {
        assert!(problems[0].contains(way), "{problems:?}");
    }
    assert!(problems[0].contains("server.insecure_http = true"), "{problems:?}");
    let second = given().flag("server.ext_ui_listen", "192.0.2.1:8444").problems();
    assert!(second[0].starts_with("server.ext_ui_listen (command line)"), "{second:?}");
}

#[test]
fn each_way_out_lets_a_reachable_address_start() {
    let folder = tempfile::tempdir().unwrap();
    let pem = folder.path().join("pem");
    fs::write(&pem, "read at start").unwrap();
    let pem = pem.to_str().unwrap();
    let open = || given().flag("server.listen", "[::]:7420");

    let proxied = open().flag("server.trusted_proxies", "10.0.0.0/8");
    assert_eq!(proxied.problems().len(), 1, "the origin is missing");
    let proxied = open().flag("server.trusted_proxies", "10.0.0.0/8");
    let proxied = proxied.flag("server.public_origin", "https://plugboard.example.net").config();
    assert!(!proxied.server.is_exposed_plainly());
    let tls = open().flag("server.tls.cert_file", pem).flag("server.tls.key_file", pem).config();
    assert!(tls.server.public_origin().is_https());
    let plain = open().flag("server.insecure_http", "true");
    assert!(plain.notices().contains("unencrypted"));
    assert!(open().flag("server.insecure_http", "true").config().server.is_exposed_plainly());
}

#[test]
fn browsers_are_not_told_an_address_of_their_own_in_silence() {
    let folder = tempfile::tempdir().unwrap();
    let pem = folder.path().join("pem");
    fs::write(&pem, "read at start").unwrap();
    let pem = pem.to_str().unwrap();
    let listens = |at| {
        let tls = given().flag("server.tls.cert_file", pem).flag("server.tls.key_file", pem);
        tls.flag("server.listen", at)
    };
    let notice = "browsers are told https://127.0.0.1:8443,";

    assert!(listens("0.0.0.0:8443").notices().contains(notice));
    let named = listens("0.0.0.0:8443").flag("server.public_origin", "https://plugboard.example");
    assert!(!named.notices().contains("browsers are told"));
    assert!(!listens("192.0.2.1:8443").notices().contains("browsers are told"));
}

#[test]
fn a_public_origin_fits_how_the_appliance_is_reached() {
    let origin = |origin: &str| given().flag("server.public_origin", origin);

    assert_eq!(origin("http://plugboard.example.net").problems().len(), 1);
    assert_eq!(origin("https://plugboard.example.net/admin").problems().len(), 1);
    assert!(origin("http://localhost:7420").load().is_ok());
    assert!(origin("https://plugboard.example.net").load().is_ok());
}

#[test]
fn tls_needs_both_files_and_can_read_them() {
    assert_eq!(
        given().flag("server.tls.cert_file", "/nowhere/cert.pem").problems(),
        [
            "server.tls.cert_file (command line): /nowhere/cert.pem cannot be read: \
             No such file or directory (os error 2)",
            "server.tls.key_file (default): must be set too: HTTPS needs both files",
        ]
    );
}

#[test]
fn extension_pages_are_linked_at_the_second_listener_or_the_public_origin() {
    let base = |given: Given| {
        let config = given.config();
        config.ext_ui.base(&config.server).to_string()
    };
    let proxied = || given().flag("server.public_origin", "https://plugboard.example.net");

    assert_eq!(base(given()), "http://127.0.0.1:7420");
    assert_eq!(
        base(given().flag("server.ext_ui_listen", "127.0.0.1:8444")),
        "http://127.0.0.1:8444"
    );
    assert_eq!(base(proxied()), "https://plugboard.example.net");
    let other = proxied().flag("ext_ui.public_base", "https://ext.example.org/");
    assert_eq!(base(other), "https://ext.example.org");
}

#[test]
fn extension_pages_that_browsers_would_not_load_are_refused() {
    let proxied = || given().flag("server.public_origin", "https://plugboard.example.net");

    let guessed = proxied().flag("server.ext_ui_listen", "127.0.0.1:8444").problems();
    assert!(guessed[0].starts_with("ext_ui.public_base (default): must be set"), "{guessed:?}");
    let mixed = proxied().flag("ext_ui.public_base", "http://ext.example.org").problems();
    assert!(mixed[0].contains("must begin with https://"), "{mixed:?}");
    let same = given().flag("server.ext_ui_listen", "127.0.0.1:7420").problems();
    assert!(same[0].contains("must differ from server.listen"), "{same:?}");
}

#[test]
fn values_that_contradict_each_other_are_refused() {
    let refused = [
        ("runner.slots_per_tenant", "129"),
        ("runner.slots_per_install", "33"),
        ("auth.session_idle_s", "43201"),
        ("auth.token_default_days", "366"),
        ("store.max_file_bytes", "1073741825"),
        ("store.max_staged_bytes", "104857600"),
        ("server.max_connections_per_ip", "5000"),
        ("server.data_dir", ""),
        ("server.previous_master_key_file", "old.key"),
        ("gateway.timeout_ms", "60001"),
        ("gateway.stream_timeout_ms", "29999"),
        ("runner.base_url", "runner"),
        ("store.base", "../outside/"),
        ("store.base", "sha256"),
        ("store.base", "http://minio:9000/"),
        ("store.s3.endpoint", "minio:9000"),
    ];
    for (key, value) in refused {
        let problems = given().flag(key, value).problems();
        assert!(problems[0].starts_with(key), "{key} = {value}: {problems:?}");
    }
}

#[test]
fn a_store_base_with_a_scheme_names_server_bucket_and_prefix() {
    let base = || {
        given()
            .variable("BUNDLE_STORE_BASE", "http://minio:9000/extensions/sha256/")
            .variable("STORAGE_S3_ACCESS_KEY", "a")
            .variable("STORAGE_S3_SECRET_KEY", "b")
    };

    let location = base().load().unwrap().config.store.s3_location().unwrap();
    assert_eq!(location.endpoint, "http://minio:9000");
    assert_eq!((&*location.bucket, &*location.prefix), ("extensions", "sha256"));
    assert!(base().notices().contains("without TLS"));
    let server = base().variable("STORAGE_S3_ENDPOINT", "http://other:9000").problems();
    assert!(server[0].contains("names another server"), "{server:?}");
    let bucket = base().variable("STORAGE_S3_BUNDLE_BUCKET", "other").problems();
    assert!(bucket[0].contains("names another bucket"), "{bucket:?}");
    let keys = given().variable("STORAGE_S3_ENDPOINT", "http://minio:9000").problems();
    assert_eq!(keys.len(), 3, "{keys:?}");
}

#[test]
fn a_bucket_without_a_server_is_a_problem_and_not_the_disk() {
    let problems = given().variable("STORAGE_S3_BUCKET", "bundles").problems();

    assert!(problems[0].contains("store.s3.bucket"), "{problems:?}");
    assert!(problems[0].contains("needs store.s3.endpoint"), "{problems:?}");
}

#[test]
fn an_endpoint_with_a_password_is_refused_and_not_repeated() {
    let problems = given().variable("STORAGE_S3_ENDPOINT", "http://ada:hunter2@minio:9000");

    let problems = problems.problems().join("\n");

    let must = "must be a URL without user, query and fragment, as `https://s3.example.net`";
    assert!(problems.contains(must), "{problems}");
    assert!(!problems.contains("hunter2"), "{problems}");
}

#[test]
fn an_endpoint_with_a_path_is_refused() {
    let problems = given()
        .variable("STORAGE_S3_ENDPOINT", "http://minio:9000/bundles")
        .variable("STORAGE_S3_ACCESS_KEY", "a")
        .variable("STORAGE_S3_SECRET_KEY", "b")
        .variable("STORAGE_S3_BUCKET", "bundles")
        .problems();

    assert!(problems[0].contains("must be the server alone"), "{problems:?}");
}

#[test]
fn settings_without_effect_say_so_at_start() {
    let notices = given()
        .variable("RUNNER_BASE_URL", "http://runner:8080")
        .variable("EXT_EGRESS_ALLOWLIST", "example.com")
        .flag("signing.policy", "allow-unsigned")
        .notices();

    insta::assert_snapshot!(notices, @r##"
    EXT_EGRESS_ALLOWLIST is read as egress.allowlist = ["https://example.com", "http://example.com", "https://*.example.com", "http://*.example.com"]
    runner.base_url has no effect: extensions run inside this process
    signing.policy = "allow-unsigned": anybody who may publish can publish unsigned bundles; this is for development
    "##);
    assert_eq!(given().notices(), "");
}

#[test]
fn names_of_deployments_without_effect_are_told_and_their_values_are_not() {
    let notices = given()
        .variable("EXT_UI_FRAME_ANCESTORS", "https://CANARY.example.net")
        .variable("ALGA_AUTH_KEY", "CANARY")
        .variable("RUNNER_CACHE_DIR", "")
        .notices();

    insta::assert_snapshot!(notices, @"
    EXT_UI_FRAME_ANCESTORS has no effect: server.public_origin is the setting here
    ALGA_AUTH_KEY has no effect: registry, gateway and runner are one process
    ");
}

#[test]
fn names_that_a_machine_has_for_other_programs_are_passed_over() {
    let others = ["PORT", "RUST_LOG", "REDIS_HOST", "VAULT_ADDR", "TEMPORAL_ADDRESS"];
    let set = |given: Given| others.iter().fold(given, |given, name| given.variable(name, "x"));

    assert_eq!(set(given()).variable("S3_ACCESS_KEY", "x").notices(), "");
}

#[test]
fn names_for_s3_are_told_where_bundles_are_on_an_s3_server() {
    let notices = given()
        .variable("STORAGE_S3_ENDPOINT", "https://s3.example.net")
        .variable("STORAGE_S3_BUCKET", "bundles")
        .variable("STORAGE_S3_ACCESS_KEY", "a")
        .variable("STORAGE_S3_SECRET_KEY", "b")
        .variable("MINIO_SECRET_KEY", "CANARY")
        .notices();

    assert_eq!(notices, "MINIO_SECRET_KEY has no effect: store.s3.secret_key is the setting here");
}

#[test]
fn every_setting_is_listed_with_its_source() {
    let loaded = given().file("[gateway]\ntimeout_ms = 1000").load().unwrap();

    let setting = |key| loaded.settings.iter().find(|setting| setting.key == key).unwrap();
    let timeout = setting("gateway.timeout_ms");
    assert_eq!((&*timeout.default, &*timeout.value), ("30000", "1000"));
    assert!(timeout.source.ends_with("plugboard.toml"), "{timeout:?}");
    assert_eq!(setting("server.listen").source, "default");
    assert_eq!(setting("server.listen").value, "\"127.0.0.1:7420\"");
}

#[test]
fn the_origin_of_the_appliance_is_configured_or_made_from_its_address() {
    let made: Origin =
        given().flag("server.listen", "127.0.0.1:80").config().server.public_origin();
    assert_eq!(made.as_str(), "http://127.0.0.1");
}

#[test]
fn the_application_of_the_operator_has_bases_and_a_token() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("host_callbacks.token"), "hunter2\n").unwrap();
    let own = folder.path().join("own");
    fs::write(&own, "hunter3\n").unwrap();
    let file = format!(
        "[host_callbacks]\nclients_url = \"https://app.example.net/clients\"\n\
         [host_callbacks.tenants.acme]\nservices_url = \"http://10.0.0.1/\"\ntoken_file = {own:?}"
    );

    let loaded = given()
        .file(&file)
        .variable("CREDENTIALS_DIRECTORY", folder.path().to_str().unwrap())
        .variable("UI_PROXY_BASE_URL", "http://127.0.0.1:3000")
        .variable("UI_PROXY_TIMEOUT_MS", "2500")
        .load()
        .unwrap();

    let callbacks = &loaded.config.host_callbacks;
    assert_eq!(callbacks.ui_proxy_base_url, "http://127.0.0.1:3000");
    assert_eq!((callbacks.ui_proxy_timeout_ms, callbacks.timeout_ms), (2_500, 30_000));
    let acme = &callbacks.tenants[&"acme".parse().unwrap()];
    assert_eq!((callbacks.token.expose(), acme.token.expose()), ("hunter2", "hunter3"));
    assert_eq!((&*acme.clients_url, &*acme.services_url), ("", "http://10.0.0.1/"));
    let shown = format!("{:?} {:?}", loaded.config, loaded.settings);
    assert!(!shown.contains("hunter"), "{shown}");
    let [notice] = &loaded.notices[..] else { panic!("{:?}", loaded.notices) };
    assert!(notice.starts_with("host_callbacks: http://10.0.0.1 is reached"), "{notice}");
}

#[test]
fn an_application_that_cannot_be_called_is_refused_without_its_token() {
    let must = "must be a URL without user, query and fragment, as \
                `https://app.example.net/api/internal/ext-clients`";
    let one_line = "must be letters, digits and signs in one line, without a space";
    let file = "[host_callbacks]\ninvoicing_url = \"https://a:b@app.example.net\"\ntoken = \"a b\"\n\
                [host_callbacks.tenants.acme]\nclients_url = \"app.example.net\"\ntoken = \"hunter2 \"";
    let at = |key: &str, message: &str| format!("host_callbacks.{key} (plugboard.toml): {message}");
    assert_eq!(
        given().file(file).problems(),
        [
            at("invoicing_url", must),
            at("token", one_line),
            at("tenants", &format!("acme.clients_url {must}")),
            at("tenants", &format!("acme.token {one_line}")),
        ]
    );
    for (tables, message) in [
        ("tenants = 7", "is a table: write [host_callbacks.tenants.NAME]"),
        ("tenants.acme = 7", "is a table: write [host_callbacks.tenants.NAME]"),
        (
            "tenants.Acme.token = \"hunter2\"",
            "`Acme`: a tenant id is 1 to 63 of `a-z`, `0-9` and `-` and begins with a letter or a \
             digit",
        ),
        (
            "tenants.acme.tokn = \"hunter2\"",
            "acme.tokn is not a setting: there are ui_proxy_base_url, invoicing_url, clients_url, \
             services_url, token, token_file",
        ),
        ("tenants.acme.token = 7", "acme: each of its settings must be a text in quotes"),
    ] {
        let problems = given().file(&format!("[host_callbacks]\n{tables}")).problems();
        assert_eq!(problems, [at("tenants", message)], "{tables}");
    }
    let problems =
        given().file("[host_callbacks.tenants.acme]\ntoken_file = \"/nowhere\"").problems();
    assert_eq!(
        problems,
        [at(
            "tenants",
            "acme.token_file: /nowhere cannot be read: No such file or directory (os error 2)"
        )]
    );
}

#[test]
fn a_collector_is_set_by_the_names_that_everybody_has_for_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("telemetry.otlp.headers"), "x-scope=hunter4\n").unwrap();
    let base = || {
        given()
            .variable("OTEL_EXPORTER_OTLP_ENDPOINT", "http://10.0.0.1:4317")
            .variable("OTEL_SERVICE_NAME", "mine")
            .variable("OTEL_TRACES_SAMPLER_ARG", "0.25")
    };

    let loaded = base().variable("OTEL_EXPORTER_OTLP_HEADERS", "authorization=hunter3").load();

    let loaded = loaded.unwrap();
    let otlp = &loaded.config.telemetry.otlp;
    assert!(
        otlp.is_set() && otlp.endpoint == "http://10.0.0.1:4317" && otlp.service_name == "mine"
    );
    assert!((otlp.sample_ratio - 0.25).abs() < f64::EPSILON);
    assert_eq!(otlp.header_pairs().unwrap().len(), 1);
    let shown = format!("{:?} {:?}", loaded.config, loaded.settings);
    assert!(!shown.contains("hunter"), "{shown}");
    let [plain, grpc] = &loaded.notices[..] else { panic!("{:?}", loaded.notices) };
    assert!(
        plain.starts_with("telemetry.otlp: http://10.0.0.1:4317 is reached without"),
        "{plain}"
    );
    assert!(grpc.contains("is the port for gRPC"), "{grpc}");

    let credential =
        base().variable("CREDENTIALS_DIRECTORY", folder.path().to_str().unwrap()).config();
    assert_eq!(credential.telemetry.otlp.headers.expose(), "x-scope=hunter4");
    assert!(!given().config().telemetry.otlp.is_set());
}

#[test]
fn a_part_is_a_number_in_every_source() {
    let ratio = |given: Given| given.config().telemetry.otlp.sample_ratio.to_string();

    assert_eq!(ratio(given().file("[telemetry.otlp]\nsample_ratio = 0.125")), "0.125");
    assert_eq!(ratio(given().file("[telemetry.otlp]\nsample_ratio = 0")), "0");
    assert_eq!(ratio(given().flag("telemetry.otlp.sample_ratio", "1e-3")), "0.001");
    let at = |message: &str| [format!("telemetry.otlp.sample_ratio (plugboard.toml): {message}")];
    let file = |value: &str| given().file(&format!("[telemetry.otlp]\nsample_ratio = {value}"));
    assert_eq!(file("\"all\"").problems(), at("must be a number"));
    for wrong in ["1.1", "-0.1", "nan", "inf", "7"] {
        assert_eq!(file(wrong).problems(), at("must be 0 to 1"), "{wrong}");
    }
    let settings = file("0.5").load().unwrap().settings;
    let shown = settings.iter().find(|setting| setting.key.ends_with("sample_ratio")).unwrap();
    assert_eq!((shown.value.as_str(), shown.default.as_str()), ("0.5", "1.0"));
}

#[test]
fn a_collector_that_cannot_be_reached_is_refused_without_what_may_be_secret() {
    let file = "[telemetry.otlp]\nendpoint = \"https://u:hunter2@otel.example.net\"\n\
                headers = \"hunter3\"\nservice_name = \"\"\nheaders_file = \"/nowhere\"";

    let problems = given().file(file).problems();

    let at = |key: &str, message: &str| format!("telemetry.otlp.{key} (plugboard.toml): {message}");
    assert_eq!(
        problems,
        [
            at("headers_file", "telemetry.otlp.headers is set too: keep one of them"),
            at(
                "endpoint",
                "must be a URL without user, query and fragment, as `http://127.0.0.1:4318`"
            ),
            at(
                "headers",
                "must be `name=value`, several with commas between them, as \
                 `authorization=Bearer%20…`"
            ),
            at("service_name", "must not be empty: traces are found by it"),
        ]
    );
}

#[test]
fn every_server_that_the_appliance_uses_itself_is_its_own() {
    let given = Given::default().file(
        r#"
        [store.s3]
        endpoint = "http://minio:9000"
        public_endpoint = "https://Bundles.example.net./"
        bucket = "bundles"
        access_key = "a"
        secret_key = "b"
        [telemetry.otlp]
        endpoint = "http://[fd00::5]:4318"
        [host_callbacks]
        clients_url = "https://app.example.net/clients"
        [host_callbacks.tenants.acme]
        services_url = "https://acme.example.net:8443/services"
        "#,
    );
    let by_base = Config {
        store: StoreConfig {
            base: "http://10.0.0.9:9000/bundles/".to_owned(),
            ..StoreConfig::default()
        },
        ..Config::default()
    };

    assert_eq!(
        given.config().own_hosts(),
        ["[fd00::5]", "acme.example.net", "app.example.net", "bundles.example.net", "minio"]
    );
    assert_eq!(by_base.own_hosts(), ["10.0.0.9"]);
    assert!(Config::default().own_hosts().is_empty());
}

#[test]
fn no_part_of_the_calls_at_once_is_more_than_the_whole() {
    let egress = |settings: &str| given().file(&format!("[egress]\n{settings}"));

    assert_eq!(
        egress("parallel = 16").problems(),
        ["egress.parallel_per_tenant (default): is more than egress.parallel (16), which is for \
          all installs"]
    );
    assert_eq!(
        egress("parallel_per_install = 33").problems(),
        ["egress.parallel_per_install (plugboard.toml): is more than egress.parallel_per_tenant \
          (32), which is for all installs of one tenant"]
    );
    egress("parallel = 4\nparallel_per_tenant = 4\nparallel_per_install = 4").config();
}
