//! The published JSON Schema of manifests beside the parser.

use super::*;

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
