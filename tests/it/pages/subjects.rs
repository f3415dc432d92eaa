//! The extension, install and frame that the samples are about.

use jiff::Timestamp;
use plugboard::model::{ContentHash, ExtensionVersion, Install};
use plugboard::web::pages::Chrome;
use serde_json::{Value, json};

/// Would run, were it not escaped.
pub(super) const HOSTILE: &str = "<img src=x onerror=alert(1)>";

pub(super) fn now() -> Timestamp {
    "2026-03-04T15:22:00Z".parse().unwrap()
}

pub(super) fn nobody() -> Chrome {
    Chrome {
        csrf_token: "csrf-sample".to_owned(),
        asset_version: "0123abcd".to_owned(),
        ..Chrome::default()
    }
}

pub(super) fn chrome(current: &'static str) -> Chrome {
    Chrome { operator: Some("robin".to_owned()), current, ..nobody() }
}

pub(super) fn hash(byte: u8) -> ContentHash {
    ContentHash::from([byte; 32])
}

pub(super) fn manifest(version: &str, capabilities: &[&str]) -> Value {
    json!({
        "name": "com.example.hello",
        "publisher": "Example Corp",
        "version": version,
        "runtime": "wasm-js@1",
        "display_name": "Hello board",
        "description": format!("Greets whoever opens it, and counts how often. {HOSTILE}"),
        "homepage": "https://example.com/hello",
        "license": "MIT",
        "capabilities": capabilities,
        "ui": {"entry": "index.html"},
        "endpoints": [
            {"method": "GET", "path": "/api/greeting", "handler": "greet", "summary": "The greeting of the day"},
            {"method": "POST", "path": "/api/greetings/:id/read", "handler": "read", "auth": "token", "summary": HOSTILE},
            {"method": "GET", "path": "/api/health", "handler": "health", "auth": "public"},
        ],
        "settings": schema(),
        "egress": ["api.example.com", "*.example.net"],
    })
}

pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "required": ["greeting", "limit"],
        "properties": {
            "greeting": {"type": "string", "title": "Greeting", "description": "The first word of the page.", "default": "Hello"},
            "letter": {"type": "string", "maxLength": 4000, "title": "Letter", "description": HOSTILE},
            "limit": {"type": "integer", "title": "Greetings in an hour", "default": 60},
            "mode": {"enum": ["quiet", "loud"], "title": "Mode", "default": "quiet"},
            "ratio": {"type": "number", "title": "Ratio"},
            "rooms": {"type": "array", "title": "Rooms", "description": "A list of room names."},
            "verbose": {"type": "boolean", "title": "Write a log line for every greeting"},
        },
    })
}

pub(super) fn version(number: &str, capabilities: &[&str]) -> ExtensionVersion {
    let file = |path: &str, size: u64, media_type: &str| json!({"path": path, "size": size, "sha256": "9f".repeat(32), "media_type": media_type});
    serde_json::from_value(json!({
        "name": "com.example.hello",
        "version": number,
        "content_hash": hash(0x9f),
        "size": 48_213,
        "manifest": manifest(number, capabilities),
        "world": "alga:extension/runner",
        "signers": [{"key_id": format!("sha256:{}", "4f1a".repeat(16)), "name": "Example release key"}],
        "approved_because": null,
        "files": [
            file("dist/main.wasm", 41_822, "application/wasm"),
            file("manifest.json", 1_402, "application/json"),
            file("ui/assets/a-file-with-a-rather-long-name-as-bundlers-make-them.4f1a9c.js", 20_480, "text/javascript; charset=utf-8"),
            file("ui/index.html", 912, "text/html; charset=utf-8"),
        ],
        "published_at": "2026-03-04T12:00:00Z",
        "published_by": "operator robin",
    }))
    .unwrap()
}

pub(super) fn install(enabled: bool) -> Install {
    serde_json::from_value(json!({
        "id": "6f3f1f5e-9c1c-4a59-9c57-1f6f5a3f7b11",
        "tenant": "default",
        "name": "com.example.hello",
        "version": "1.4.0",
        "content_hash": hash(0x9f),
        "enabled": enabled,
        "grants": ["cap:storage.kv", "cap:ui.proxy"],
        "settings": {"greeting": "Good day", "limit": 60},
        "previous": {
            "version": "1.3.2", "content_hash": hash(0x13), "grants": ["cap:storage.kv", "cap:http.fetch"],
            "replaced_at": "2026-03-04T13:00:00Z",
        },
        "installed_at": "2026-02-04T12:00:00Z",
        "updated_at": "2026-03-04T13:00:00Z",
    }))
    .unwrap()
}

pub(super) const ASKED: &[&str] = &["cap:log.emit", "cap:storage.kv", "cap:http.fetch"];
