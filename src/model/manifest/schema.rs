//! The manifest as publishers write it, for editors: a JSON Schema.
#![expect(dead_code, reason = "the types are only ever described, never read into")]

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, generate::SchemaSettings, transform::RecursiveTransform};
use serde_json::Value;

use crate::model::EndpointAuth;

/// The manifest of an extension bundle, version 2.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("patternProperties" = { "^x-": {} }))]
struct WireManifest {
    /// The name of this schema, for editors.
    #[schemars(rename = "$schema")]
    schema: Option<String>,
    /// Who the extension is: a reversed domain name, and its id in every URL.
    #[schemars(length(max = 128), regex(pattern = r"^[a-z0-9]([a-z0-9_-]|\.[^.]|\.$)*$"))]
    name: String,
    /// Who publishes it.
    #[schemars(length(min = 1, max = 128))]
    publisher: Option<String>,
    /// One exact semantic version.
    #[schemars(
        length(max = 128),
        regex(pattern = r"^\d+\.\d+\.\d+(-[A-Za-z0-9.-]+)?(\+[A-Za-z0-9.-]+)?$")
    )]
    version: String,
    /// What runs the component: `wasm-js@1`.
    #[schemars(length(max = 64), regex(pattern = "[@-]"))]
    runtime: String,
    /// The name that people see.
    #[schemars(length(min = 1, max = 100))]
    display_name: Option<String>,
    /// The older spelling of `display_name`.
    #[schemars(rename = "displayName", length(min = 1, max = 100))]
    old_display_name: Option<String>,
    /// What it is for, in a few sentences.
    #[schemars(length(min = 1, max = 4000))]
    description: Option<String>,
    /// The path of a PNG or WebP picture in the bundle.
    #[schemars(regex(pattern = r"\.([pP][nN][gG]|[wW][eE][bB][pP])$"))]
    icon: Option<String>,
    /// Where to read more.
    #[schemars(length(max = 2000), regex(pattern = "^https://"))]
    homepage: Option<String>,
    /// An SPDX license expression.
    #[schemars(length(min = 1, max = 200))]
    license: Option<String>,
    /// Host abilities it asks for, as `cap:storage.kv`.
    #[schemars(length(max = 64))]
    capabilities: Option<Vec<String>>,
    /// Its pages.
    ui: Option<WireUi>,
    /// Its API.
    api: Option<WireApi>,
    /// A JSON Schema for the settings of an install.
    settings: Option<BTreeMap<String, Value>>,
    /// Hosts it wants to call: `[scheme://]host[:port]`, `*.example.com` for sub-domains.
    #[schemars(length(max = 100))]
    egress: Option<Vec<String>>,
    /// Without effect.
    assets: Option<Vec<String>>,
    /// Without effect: code is compiled by the appliance only.
    precompiled: Option<BTreeMap<String, String>>,
    /// Without effect.
    entry: Option<Value>,
    /// Without effect.
    events: Option<Value>,
    /// Without effect.
    sbom: Option<Value>,
}

/// The pages of an extension, shown in a frame.
#[derive(JsonSchema)]
struct WireUi {
    /// The only kind there is.
    #[schemars(rename = "type")]
    kind: FrameKind,
    /// The first page, as `ui/index.html`.
    #[schemars(length(min = 1, max = 256))]
    entry: String,
    /// Where a host application shows it.
    hooks: Option<WireHooks>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum FrameKind {
    Iframe,
}

/// Places in a host application.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
struct WireHooks {
    app_menu: Option<WireHook>,
    client_portal_menu: Option<WireHook>,
}

/// One place in a host application.
#[derive(JsonSchema)]
struct WireHook {
    /// The text of the menu item.
    #[schemars(length(min = 1, max = 64))]
    label: String,
}

/// The calls an extension answers.
#[derive(JsonSchema)]
struct WireApi {
    #[schemars(length(max = 1000))]
    endpoints: Vec<WireEndpoint>,
}

/// One call.
#[derive(JsonSchema)]
struct WireEndpoint {
    /// The HTTP method.
    #[schemars(regex(
        pattern = "^([gG][eE][tT]|[pP][oO][sS][tT]|[pP][uU][tT]|[pP][aA][tT][cC][hH]|[dD][eE][lL][eE][tT][eE]|[oO][pP][tT][iI][oO][nN][sS]|[hH][eE][aA][dD])$"
    ))]
    method: String,
    /// The path below the extension, with `:name` for a segment that varies.
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^\S+$"))]
    path: String,
    /// Where the code is, for readers: `dist/main`.
    #[schemars(length(min = 1, max = 256))]
    handler: String,
    /// Who may call it; `session` if not said.
    auth: Option<EndpointAuth>,
    /// What it does, in one line.
    #[schemars(length(min = 1, max = 200))]
    summary: Option<String>,
    /// Milliseconds it may take; can only lower the appliance's own limit.
    #[schemars(range(min = 1, max = 86_400_000))]
    timeout_ms: Option<u64>,
    /// The largest request body; can only lower the appliance's own limit.
    #[schemars(range(max = 1_073_741_824))]
    max_body_bytes: Option<u64>,
    /// Whether it can be called on a schedule.
    schedulable: Option<bool>,
}

pub(super) fn json_schema() -> Value {
    SchemaSettings::draft2020_12()
        .with_transform(RecursiveTransform(remove_null))
        .into_generator()
        .into_root_schema_for::<WireManifest>()
        .to_value()
}

/// A member that is not required may be left out; it may not be `null`.
fn remove_null(schema: &mut Schema) {
    if let Some(Value::Array(kinds)) = schema.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [kind] = &kinds[..] {
            let kind = kind.clone();
            schema.insert("type".to_owned(), kind);
        }
    }
    let only = match schema.get_mut("anyOf") {
        Some(Value::Array(choices)) => {
            choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
            if let [only] = &choices[..] { only.as_object().cloned() } else { None }
        }
        _ => None,
    };
    if let Some(only) = only {
        schema.remove("anyOf");
        schema.ensure_object().extend(only);
    }
}
