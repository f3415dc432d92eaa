//! Manifests as people and older tools write them.

use serde_json::json;

use super::*;
use crate::model::{EndpointAuth, EndpointMethod, FileDigest};

fn minimal() -> Value {
    json!({ "name": "com.example.a", "version": "1.0.0", "runtime": "wasm-js@1" })
}

/// A minimal manifest with `members` added or replaced; `null` removes one.
fn with(members: &Value) -> Value {
    let mut manifest = minimal();
    for (key, value) in members.as_object().unwrap() {
        manifest[key] = value.clone();
    }
    manifest.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    manifest
}

fn parse(manifest: &Value) -> Result<(Manifest, Vec<ManifestWarning>), ManifestProblems> {
    Manifest::parse(manifest.to_string().as_bytes())
}

fn parsed(members: &Value) -> Manifest {
    parse(&with(members)).unwrap().0
}

/// `path code` of every problem.
fn problems(members: &Value) -> Vec<String> {
    let Err(problems) = parse(&with(members)) else { return Vec::new() };
    problems.0.iter().map(|p| format!("{} {}", p.path, p.code)).collect()
}

/// `path code` of every warning.
fn warnings(members: &Value) -> Vec<String> {
    let (_, warnings) = parse(&with(members)).unwrap();
    warnings.iter().map(|w| format!("{} {}", w.path, w.code)).collect()
}

fn api(endpoints: &Value) -> Value {
    json!({ "api": { "endpoints": endpoints } })
}

fn endpoint(members: &Value) -> Value {
    let mut endpoint = json!({ "method": "GET", "path": "/", "handler": "dist/main" });
    endpoint.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    endpoint
}

#[test]
fn everything_a_manifest_can_say_is_read() {
    let manifest = parsed(&json!({
        "publisher": " Example ",
        "display_name": "Reports",
        "description": "Makes\nreports.",
        "icon": "ui/icon.png",
        "homepage": "https://example.com/reports",
        "license": "MIT",
        "capabilities": ["cap:storage.kv", "log", "storage.kv"],
        "ui": {
            "type": "iframe",
            "entry": "ui/index.html",
            "hooks": { "appMenu": { "label": " Reports " } },
        },
        "api": { "endpoints": [{
            "method": "post", "path": "api//reports/", "handler": "./dist//main", "auth": "public",
            "summary": "Makes one", "timeout_ms": 500, "max_body_bytes": 0, "schedulable": true,
        }] },
        "settings": { "type": "object" },
        "egress": ["api.example.com"],
        "x-anything": { "goes": [1, null] },
    }));

    assert_eq!(manifest.publisher.as_deref(), Some("Example"));
    assert_eq!(manifest.capabilities, [Capability::StorageKv, Capability::LogEmit]);
    let ui = manifest.ui.unwrap();
    assert_eq!(ui.entry.as_str(), "index.html");
    assert_eq!(ui.app_menu.unwrap().label, "Reports");
    let endpoint = &manifest.endpoints[0];
    assert_eq!((endpoint.method, endpoint.path.as_str()), (EndpointMethod::Post, "/api/reports/"));
    assert_eq!((endpoint.handler.as_str(), endpoint.auth), ("dist/main", EndpointAuth::Public));
    assert_eq!((endpoint.timeout_ms, endpoint.max_body_bytes), (Some(500), Some(0)));
    assert!(endpoint.schedulable);
}

#[test]
fn what_is_not_said_has_a_default() {
    let manifest = parsed(&api(&json!([endpoint(&json!({}))])));

    let endpoint = &manifest.endpoints[0];
    assert_eq!(endpoint.auth, EndpointAuth::Session);
    assert_eq!((&endpoint.summary, endpoint.timeout_ms), (&None, None));
    assert!(!endpoint.schedulable);
    assert_eq!((manifest.ui, manifest.settings, manifest.publisher), (None, None, None));
}

#[test]
fn a_manifest_survives_the_registry() {
    let manifest = parsed(&api(&json!([endpoint(&json!({ "auth": "token" }))])));

    let stored = serde_json::to_vec(&manifest).unwrap();

    assert_eq!(serde_json::from_slice::<Manifest>(&stored).unwrap(), manifest);
}

#[test]
fn all_problems_are_found_at_once() {
    let found = problems(&json!({
        "name": "Com.Example",
        "version": "1.2.*",
        "runtime": "wasm",
        "homepage": "http://example.com",
        "ui": { "type": "page", "entry": "../x", "hooks": { "appMenu": {} } },
        "api": { "endpoints": [
            { "method": "TRACE", "path": "/a b", "handler": "../main", "auth": "root", "timeout_ms": 0 },
            7,
        ] },
        "unknown": 1,
    }));

    assert_eq!(
        found,
        [
            "name name_invalid",
            "version version_not_exact",
            "runtime runtime_invalid",
            "homepage homepage_invalid",
            "ui.type ui_type",
            "ui.entry ui_entry_invalid",
            "ui.hooks.appMenu.label missing",
            "api.endpoints[0].method method_invalid",
            "api.endpoints[0].path path_invalid",
            "api.endpoints[0].handler handler_invalid",
            "api.endpoints[0].auth auth_invalid",
            "api.endpoints[0].timeout_ms number_invalid",
            "api.endpoints[1] wrong_type",
            "unknown unknown_key",
        ]
    );
}

#[test]
fn required_members_are_required() {
    for key in ["name", "version", "runtime"] {
        assert_eq!(problems(&json!({ key: null })), [format!("{key} missing")]);
        assert_eq!(problems(&json!({ key: 1 })), [format!("{key} wrong_type")]);
        assert_eq!(problems(&json!({ key: " " })), [format!("{key} blank")]);
    }
}

#[test]
fn a_version_is_one_version() {
    for (version, code) in [
        ("1.2.*", "version_not_exact"),
        ("10.0.*", "version_not_exact"),
        ("1.*", "version_invalid"),
        ("*", "version_invalid"),
        ("1.*.*", "version_invalid"),
        ("1.2", "version_invalid"),
        ("v1.2.3", "version_invalid"),
        ("01.2.3", "version_invalid"),
        ("1.2.3.4", "version_invalid"),
        ("1.2.99999999999999999999", "version_invalid"),
        ("^1.2.3", "version_invalid"),
    ] {
        let found = problems(&json!({ "version": version }));
        assert_eq!(found, [format!("version {code}")], "{version}");
    }
    assert_eq!(parsed(&json!({ "version": " 1.2.3-rc.1+5 " })).version.to_string(), "1.2.3-rc.1+5");
}

#[test]
fn a_star_is_a_version_only_where_one_may_be() {
    let json = json!({ "name": "com.example.a", "version": " 1.2.* ", "runtime": "wasm-js@1" });
    let json = json.to_string();

    let read = Manifest::read(json.as_bytes(), Stars::Allowed).unwrap();

    assert_eq!(read.star, Some(StarVersion { major: 1, minor: 2 }));
    assert_eq!(read.manifest.version, Version::new(1, 2, 0));
    assert!(Manifest::read(json.as_bytes(), Stars::Refused).is_err());
    let exact = json.replace(" 1.2.* ", "1.2.3");
    assert_eq!(Manifest::read(exact.as_bytes(), Stars::Allowed).unwrap().star, None);
}

#[test]
fn the_same_json_is_the_same_however_it_is_written() {
    let same = |other: &str| Manifest::is_same_json(br#"{"a":1,"b":[true]}"#, other.as_bytes());

    assert_eq!(same(" { \"b\" : [ true ], \"\\u0061\": 1 } "), Ok(true));
    assert_eq!(same(r#"{"a":1,"b":[false]}"#), Ok(false));
    assert_eq!(same(r#"{"a":1,"b":[true],"c":null}"#), Ok(false));
    assert!(same("{").is_err());
    assert_eq!(same(r#"{"a":2,"a":1,"b":[true]}"#).unwrap_err().code, "duplicate_key");
}

#[test]
fn a_name_that_is_no_domain_is_only_warned_of() {
    for name in ["reports", "com.example_x.a", "1com.example", "com.-a"] {
        assert_eq!(warnings(&json!({ "name": name })), ["name name_not_reverse_dns"], "{name}");
    }
    assert_eq!(warnings(&json!({ "name": "com.example.a-1" })), [""; 0]);
}

#[test]
fn older_manifests_are_accepted() {
    let found = warnings(&json!({
        "$schema": "https://example.com/schema.json",
        "publisher": "Example",
        "displayName": "Old",
        "entry": "dist/main.wasm#handle",
        "events": [{ "topic": "a", "handler": "b" }],
        "sbom": "sbom.spdx.json",
        "assets": ["ui/**/*"],
        "precompiled": { "x86_64-linux-gnu": "precompiled/a.cwasm" },
        "capabilities": ["http.fetch", "metrics", "cap:context.read"],
        "ui": { "type": "iframe", "entry": "ui/index.html", "routes": [], "hooks": { "tabs": {} } },
    }));

    assert_eq!(
        found,
        [
            "capabilities[1] unknown_capability",
            "ui.hooks.tabs ignored_key",
            "ui.routes ignored_key",
            "entry unused_key",
            "events unused_key",
            "precompiled unused_key",
            "sbom unused_key",
        ]
    );
    assert_eq!(parsed(&json!({ "displayName": "Old" })).display_name.as_deref(), Some("Old"));
}

#[test]
fn two_names_for_people_are_one_too_many() {
    let both = json!({ "displayName": "A", "display_name": "B" });

    assert_eq!(problems(&both), ["displayName duplicate_key"]);
}

#[test]
fn unused_members_must_still_be_what_they_were() {
    assert_eq!(problems(&json!({ "assets": ["a", 1] })), ["assets[1] wrong_type"]);
    assert_eq!(problems(&json!({ "precompiled": { "a": "" } })), ["precompiled.a blank"]);
    assert_eq!(problems(&json!({ "precompiled": [] })), ["precompiled wrong_type"]);
}

#[test]
fn a_homepage_is_a_plain_https_address() {
    for bad in [
        "http://example.com",
        "javascript:alert(1)",
        "data:text/html,x",
        "example.com",
        "https://user@example.com",
        "https://:secret@example.com",
        "//example.com",
        "https://",
    ] {
        assert_eq!(problems(&json!({ "homepage": bad })), ["homepage homepage_invalid"], "{bad}");
    }
}

#[test]
fn an_icon_is_a_picture_in_the_bundle() {
    for bad in
        ["icon.svg", "icon", "../icon.png", "https://example.com/icon.png", "icon.png/", "png"]
    {
        assert_eq!(problems(&json!({ "icon": bad })), ["icon icon_invalid"], "{bad}");
    }
    assert_eq!(parsed(&json!({ "icon": "./ui/A.WebP" })).icon.unwrap().as_str(), "ui/A.WebP");
}

#[test]
fn text_is_bounded() {
    for (key, max) in
        [("publisher", 128), ("display_name", 100), ("license", 200), ("description", 4000)]
    {
        assert_eq!(problems(&json!({ key: "é".repeat(max) })), [""; 0]);
        assert_eq!(problems(&json!({ key: "é".repeat(max + 1) })), [format!("{key} too_long")]);
        assert_eq!(problems(&json!({ key: "a\u{202e}b" })), [format!("{key} forbidden_character")]);
    }
}

#[test]
fn lists_are_bounded() {
    let endpoints: Vec<_> =
        (0..1001).map(|n| endpoint(&json!({ "path": format!("/{n}") }))).collect();

    assert_eq!(problems(&json!({ "capabilities": vec!["log"; 65] })), ["capabilities too_many"]);
    assert_eq!(problems(&json!({ "egress": vec!["a.example"; 101] })), ["egress too_many"]);
    assert_eq!(problems(&api(&json!(endpoints[..1000]))), [""; 0]);
    assert_eq!(problems(&api(&json!(endpoints))), ["api.endpoints too_many"]);
}

#[test]
fn two_endpoints_never_answer_the_same_request() {
    for (first, second) in [("/a", "/a"), ("/a", "a/"), ("/a/:x", "/a/:y"), ("/", "//")] {
        let both = [endpoint(&json!({ "path": first })), endpoint(&json!({ "path": second }))];
        let found = problems(&api(&json!(both)));
        assert_eq!(found, ["api.endpoints[1] duplicate_endpoint"], "{first} {second}");
    }
    let other = [endpoint(&json!({})), endpoint(&json!({ "method": "POST" }))];
    assert_eq!(problems(&api(&json!(other))), [""; 0]);
}

#[test]
fn numbers_of_an_endpoint_are_whole_and_in_range() {
    for bad in [json!(0), json!(-1), json!(1.5), json!("1"), json!(1e30), json!(null)] {
        let found = problems(&api(&json!([endpoint(&json!({ "timeout_ms": bad }))])));
        assert_eq!(found, ["api.endpoints[0].timeout_ms number_invalid"], "{bad}");
    }
    let found = problems(&api(&json!([endpoint(&json!({ "schedulable": "yes" }))])));
    assert_eq!(found, ["api.endpoints[0].schedulable wrong_type"]);
}

#[test]
fn keys_that_nothing_reads_are_warned_of() {
    let found = warnings(&api(&json!([endpoint(&json!({ "timeoutMs": 5 }))])));

    assert_eq!(found, ["api.endpoints[0].timeoutMs ignored_key"]);
}

#[test]
fn egress_entries_have_one_reading() {
    let found =
        |entry: &str| problems(&json!({ "egress": [entry], "capabilities": ["http.fetch"] }));
    for good in [
        "api.example.com",
        "API.example.com",
        "*.example.com",
        "https://api.example.com:8443",
        "http://localhost:8080",
        "192.0.2.1",
        "192.0.2.1:443",
        "[2001:db8::1]",
        "https://[2001:db8::1]:8443",
        "xn--bcher-kva.example",
    ] {
        assert_eq!(found(good), [""; 0], "{good}");
    }
    for bad in [
        "*",
        "*.com",
        "*.*.com",
        "a.*.com",
        "*example.com",
        "ftp://example.com",
        "https://example.com/path",
        "user@example.com",
        "example.com.",
        "example..com",
        "-a.example",
        "bücher.example",
        "example.com:0",
        "example.com:65536",
        "example.com:",
        "example.com:80:80",
        "127.1",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "1.2.3.4.5",
        "[::1",
        "[::g]",
        "[::1]x",
        "[fe80::1%25eth0]",
        "::1",
        "https://",
    ] {
        assert_eq!(found(bad), ["egress[0] egress_invalid"], "{bad}");
    }
    let without = warnings(&json!({ "egress": ["example.com"] }));
    assert_eq!(without, ["egress egress_without_capability"]);
}

#[test]
fn settings_are_a_plain_json_schema() {
    let found = |schema: Value| problems(&json!({ "settings": schema }));
    let defined = json!({
        "$defs": { "name": { "type": "string" } },
        "properties": { "$ref": { "$ref": "#/$defs/name" }, "id": { "type": "string" } },
    });
    assert_eq!(found(defined), [""; 0]);
    assert_eq!(found(json!(true)), ["settings wrong_type"]);
    assert_eq!(found(json!({ "type": "thing" })), ["settings settings_schema"]);
    assert_eq!(found(json!({ "pattern": "(" })), ["settings settings_schema"]);
    assert_eq!(found(json!({ "pattern": "(?=a)" })), ["settings settings_schema"]);
    assert_eq!(found(json!({ "pattern": "(a{1000}){1000}" })), ["settings settings_schema"]);
    assert_eq!(found(json!({ "default": "x".repeat(40_000) })), ["settings too_large"]);
    for reference in [
        json!({ "$ref": "https://example.com/schema" }),
        json!({ "$ref": "file:///etc/passwd" }),
        json!({ "$ref": "#" }),
        json!({ "$ref": "#/$defs/a/properties/b" }),
        json!({ "$id": "https://example.com/" }),
        json!({ "$dynamicRef": "#a" }),
        json!({ "$defs": { "a": { "$ref": "#/$defs/a" } }, "$ref": "#/$defs/a" }),
    ] {
        assert_eq!(found(reference.clone()), ["settings settings_reference"], "{reference}");
    }
}

#[test]
fn settings_of_an_install_are_held_against_the_schema() {
    let manifest = parsed(&json!({ "settings": {
        "type": "object",
        "properties": { "limit": { "type": "integer", "minimum": 1 } },
        "required": ["limit"],
        "additionalProperties": false,
    } }));
    let check = |settings: Value| manifest.check_settings(settings.as_object().unwrap());

    assert_eq!(check(json!({ "limit": 3 })), Ok(()));
    let faults = check(json!({ "limit": 0, "more": 1 })).unwrap_err();
    let found: Vec<_> = faults.iter().map(|f| format!("{} {}", f.path, f.code)).collect();
    assert_eq!(found, ["/limit settings_invalid", "$ settings_invalid"]);
    let none = parsed(&json!({}));
    assert_eq!(none.check_settings(&Map::new()), Ok(()));
    assert!(none.check_settings(json!({ "a": 1 }).as_object().unwrap()).is_err());
}

#[test]
fn an_alias_is_fit_for_a_path() {
    let alias = |publisher: &str| parsed(&json!({ "publisher": publisher })).alias();

    assert_eq!(alias("Example"), Some("example.com.example.a".to_owned()));
    assert_eq!(alias("Example Inc."), None);
    assert_eq!(parsed(&json!({})).alias(), None);
}

#[test]
fn grants_are_a_subset_of_what_is_asked_for() {
    let manifest = parsed(&json!({ "capabilities": ["cap:storage.kv"] }));
    let check = |grants: &[Capability]| manifest.check_grants(&grants.iter().copied().collect());

    assert_eq!(check(&[Capability::StorageKv, Capability::LogEmit]), Ok(()));
    let unwanted = check(&[Capability::StorageKv, Capability::HttpFetch]);
    assert_eq!(unwanted, Err(vec![Capability::HttpFetch]));
}

#[test]
fn missing_files_are_named() {
    let manifest = parsed(&json!({
        "icon": "icon.png",
        "ui": { "type": "iframe", "entry": "ui/index.html" },
        "api": { "endpoints": [endpoint(&json!({}))] },
    }));
    let file = |path: &str| FileEntry {
        path: path.parse().unwrap(),
        size: 0,
        sha256: FileDigest::from([0; 32]),
        media_type: String::new(),
    };

    let codes = |files: &[FileEntry]| -> Vec<_> {
        manifest.check_files(files).into_iter().map(|warning| warning.code).collect()
    };

    assert_eq!(codes(&[]), ["ui_entry_missing", "icon_missing", "component_missing"]);
    assert_eq!(codes(&[file("ui/index.html"), file("icon.png"), file("dist/main.wasm")]), [""; 0]);
}

#[test]
fn the_schema_and_the_parser_agree() {
    let schema = jsonschema::validator_for(&Manifest::json_schema()).unwrap();
    let ui = |entry: &str| json!({ "ui": { "type": "iframe", "entry": entry } });
    for members in [
        json!({}),
        json!({ "x-own": 1, "$schema": "./manifest.schema.json", "entry": 1 }),
        json!({ "unknown": 1 }),
        json!({ "name": null }),
        json!({ "name": "Upper" }),
        json!({ "name": "a..b" }),
        json!({ "name": "a." }),
        json!({ "name": "a.b." }),
        json!({ "name": "a".repeat(129) }),
        json!({ "version": "1.2" }),
        json!({ "version": "1.2.*" }),
        json!({ "version": "1.2.3-a.1+b" }),
        json!({ "runtime": "wasm" }),
        json!({ "publisher": "" }),
        json!({ "publisher": 1 }),
        json!({ "description": "x".repeat(4001) }),
        json!({ "homepage": "http://example.com" }),
        json!({ "homepage": "https://example.com" }),
        json!({ "icon": "icon.svg" }),
        json!({ "icon": "icon.PNG" }),
        json!({ "capabilities": "log" }),
        json!({ "settings": [] }),
        json!({ "egress": [1] }),
        ui("ui/index.html"),
        ui(""),
        json!({ "ui": { "type": "page", "entry": "ui/x" } }),
        json!({ "ui": { "type": "iframe" } }),
        json!({ "ui": { "type": "iframe", "entry": "x", "hooks": { "appMenu": { "label": "" } } } }),
        json!({ "api": {} }),
        json!({ "api": { "endpoints": [] } }),
        api(&json!([endpoint(&json!({ "method": "pAtCh" }))])),
        api(&json!([endpoint(&json!({ "method": "TRACE" }))])),
        api(&json!([endpoint(&json!({ "path": "a b" }))])),
        api(&json!([endpoint(&json!({ "auth": "root" }))])),
        api(&json!([endpoint(&json!({ "auth": "public" }))])),
        api(&json!([endpoint(&json!({ "timeout_ms": 0 }))])),
        api(&json!([endpoint(&json!({ "max_body_bytes": 1.5 }))])),
        api(&json!([endpoint(&json!({ "summary": null }))])),
    ] {
        let manifest = with(&members);
        assert_eq!(schema.is_valid(&manifest), parse(&manifest).is_ok(), "{members}");
    }
}
