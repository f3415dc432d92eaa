//! Manifests as people and older tools write them.

mod members;
mod schema;
mod settings;

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
fn the_same_json_is_the_same_however_it_is_written() {
    let same = |other: &str| Manifest::is_same_json(br#"{"a":1,"b":[true]}"#, other.as_bytes());

    assert_eq!(same(" { \"b\" : [ true ], \"\\u0061\": 1 } "), Ok(true));
    assert_eq!(same(r#"{"a":1,"b":[false]}"#), Ok(false));
    assert_eq!(same(r#"{"a":1,"b":[true],"c":null}"#), Ok(false));
    assert!(same("{").is_err());
    assert_eq!(same(r#"{"a":2,"a":1,"b":[true]}"#).unwrap_err().code, "duplicate_key");
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
