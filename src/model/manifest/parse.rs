//! From the bytes of a `manifest.json` to a [`Manifest`].

use semver::Version;
use serde_json::Value;
use url::Url;

use super::findings::{Findings, Object, check_text, shown};
use super::text::TextRule;
use super::{Manifest, ManifestProblem, ManifestProblems, ReadManifest, Stars};
use super::{api, egress, json, settings, ui};
use crate::model::{AssetPath, Capability, ExtensionName, StarVersion};

/// Members with a meaning.
const KNOWN: [&str; 17] = [
    "api",
    "assets",
    "capabilities",
    "description",
    "displayName",
    "display_name",
    "egress",
    "homepage",
    "icon",
    "license",
    "name",
    "publisher",
    "runtime",
    "settings",
    "ui",
    "version",
    "$schema",
];
/// Members that manifests in the wild have and no host of theirs uses.
const UNUSED: [&str; 4] = ["entry", "events", "precompiled", "sbom"];

/// The longest of the lists, far beyond what anyone writes by hand.
const MAX_ITEMS: usize = 1000;
/// More capabilities than there are.
const MAX_CAPABILITIES: usize = 64;

pub(super) fn parse(json: &[u8], stars: Stars) -> Result<ReadManifest, ManifestProblems> {
    let value = json::parse(json).map_err(|problem| ManifestProblems(vec![problem]))?;
    let Value::Object(members) = &value else {
        let (path, code) = ("$".to_owned(), "wrong_type".to_owned());
        let message = "the manifest must be an object".to_owned();
        return Err(ManifestProblems(vec![ManifestProblem { path, code, message }]));
    };
    let mut findings = Findings::default();
    let root = Object::root(members);
    let star = star(&root, stars);
    let manifest = read(&root, star, &mut findings);
    match manifest {
        Some(manifest) if findings.problems.is_empty() => {
            Ok(ReadManifest { manifest, star, warnings: findings.warnings })
        }
        _ => Err(ManifestProblems(findings.problems)),
    }
}

/// Every member is looked at, so that every problem is found; `None` when one needed is not there.
fn read(root: &Object<'_>, star: Option<StarVersion>, findings: &mut Findings) -> Option<Manifest> {
    let name = name(root, findings);
    let version = match star {
        Some(star) => Some(star.first()),
        None => version(root, findings),
    };
    let runtime = runtime(root, findings);
    let owned = |text: Option<&str>| text.map(|text| text.trim().to_owned());
    let publisher = owned(root.text("publisher", TextRule::line(128), findings));
    let display_name = owned(display_name(root, findings));
    let description = owned(root.text("description", TextRule::lines(4000), findings));
    let license = owned(root.text("license", TextRule::line(200), findings));
    let homepage = homepage(root, findings);
    let icon = icon(root, findings);
    let capabilities = capabilities(root, findings);
    let ui = root.object("ui", findings).and_then(|ui| ui::read(&ui, findings));
    let endpoints = root.object("api", findings).map(|api| api::read(&api, findings));
    let endpoints = endpoints.unwrap_or_default();
    let settings = root.get("settings").and_then(|schema| settings::read(schema, findings));
    let egress = egress::read(root, &capabilities, findings);
    check_unused(root, findings);
    check_keys(root, findings);
    Some(Manifest {
        name: name?,
        publisher,
        version: version?,
        runtime: runtime?,
        display_name,
        description,
        icon,
        homepage,
        license,
        capabilities,
        ui,
        endpoints,
        settings,
        egress,
    })
}

fn name(root: &Object<'_>, findings: &mut Findings) -> Option<ExtensionName> {
    let text = root.required_text("name", TextRule::line(256), findings)?;
    match text.parse::<ExtensionName>() {
        Ok(name) => {
            if !is_reverse_dns(text) {
                let message = format!(
                    "`{text}` is not a reversed domain name like `com.example.reports`: others \
                     may choose the same"
                );
                findings.warn("name", "name_not_reverse_dns", message);
            }
            Some(name)
        }
        Err(error) => {
            findings.problem(
                "name",
                "name_invalid",
                format!("`name` is `{}`: {error}", shown(text)),
            );
            None
        }
    }
}

fn is_reverse_dns(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && !label.contains('_')
    };
    let starts_with_letter = name.starts_with(|c: char| c.is_ascii_lowercase());
    starts_with_letter && name.contains('.') && name.split('.').all(label)
}

/// The star that the version is, where one may be.
fn star(root: &Object<'_>, stars: Stars) -> Option<StarVersion> {
    match (stars, root.get("version")) {
        (Stars::Allowed, Some(Value::String(text))) => text.trim().parse().ok(),
        _ => None,
    }
}

fn version(root: &Object<'_>, findings: &mut Findings) -> Option<Version> {
    let text = root.required_text("version", TextRule::line(128), findings)?.trim();
    match Version::parse(text) {
        Ok(version) => Some(version),
        // What a version means must not depend on what was published before.
        Err(_) if text.parse::<StarVersion>().is_ok() => {
            let message = format!("`version` is `{text}`, which is many: write one, as `1.2.3`");
            findings.problem("version", "version_not_exact", message);
            None
        }
        Err(error) => {
            let message = format!("`version` is `{}`, no semantic version: {error}", shown(text));
            findings.problem("version", "version_invalid", message);
            None
        }
    }
}

fn runtime(root: &Object<'_>, findings: &mut Findings) -> Option<String> {
    let text = root.required_text("runtime", TextRule::line(64), findings)?.trim();
    if !text.contains(['@', '-']) {
        let message = format!("`runtime` is `{}`; write `wasm-js@1`", shown(text));
        findings.problem("runtime", "runtime_invalid", message);
    }
    Some(text.to_owned())
}

/// Ours is `display_name`, older manifests have `displayName`.
fn display_name<'v>(root: &Object<'v>, findings: &mut Findings) -> Option<&'v str> {
    let rule = TextRule::line(100);
    let old = root.text("displayName", rule, findings);
    let new = root.text("display_name", rule, findings);
    if root.get("displayName").is_some() && root.get("display_name").is_some() {
        let message = "`display_name` and `displayName` are the same: write only one";
        findings.problem("displayName", "duplicate_key", message);
    }
    new.or(old)
}

fn homepage(root: &Object<'_>, findings: &mut Findings) -> Option<String> {
    let text = root.text("homepage", TextRule::line(2000), findings)?;
    // Anything else could run script or show credentials where it is linked.
    let is_fine = |url: &Url| url.scheme() == "https" && url.username().is_empty();
    let url = Url::parse(text).ok().filter(|url| is_fine(url) && url.password().is_none());
    if url.is_none() {
        let message = "`homepage` must be an `https://` address without a user name";
        findings.problem("homepage", "homepage_invalid", message);
    }
    url.map(String::from)
}

fn icon(root: &Object<'_>, findings: &mut Findings) -> Option<AssetPath> {
    let text = root.text("icon", TextRule::line(256), findings)?;
    let path: Option<AssetPath> = text.strip_prefix("./").unwrap_or(text).parse().ok();
    // Pictures that can hold script (SVG) are not shown on our own pages.
    let is_picture = |path: &AssetPath| matches!(path.extension().as_deref(), Some("png" | "webp"));
    let icon = path.filter(is_picture);
    if icon.is_none() {
        let message = "`icon` must be the path of a `.png` or `.webp` file in the bundle";
        findings.problem("icon", "icon_invalid", message);
    }
    icon
}

fn capabilities(root: &Object<'_>, findings: &mut Findings) -> Vec<Capability> {
    let mut capabilities = Vec::new();
    for (path, value) in root.list("capabilities", MAX_CAPABILITIES, findings) {
        let Some(text) = check_text(value, &path, TextRule::line(100), findings) else { continue };
        match text.parse() {
            Ok(capability) if capabilities.contains(&capability) => {}
            Ok(capability) => capabilities.push(capability),
            Err(_) => {
                let message = format!("this appliance has no capability `{}`", shown(text));
                findings.warn(&path, "unknown_capability", message);
            }
        }
    }
    capabilities
}

/// Members without effect must still be what they were meant to be.
fn check_unused(root: &Object<'_>, findings: &mut Findings) {
    for (path, value) in root.list("assets", MAX_ITEMS, findings) {
        check_text(value, &path, TextRule::line(512), findings);
    }
    if let Some(precompiled) = root.object("precompiled", findings) {
        for key in precompiled.keys() {
            precompiled.text(key, TextRule::line(512), findings);
        }
    }
    for key in UNUSED.into_iter().filter(|key| root.get(key).is_some()) {
        findings.warn(key, "unused_key", format!("`{key}` has no effect on this appliance"));
    }
}

fn check_keys(root: &Object<'_>, findings: &mut Findings) {
    let known = |key: &str| KNOWN.contains(&key) || UNUSED.contains(&key) || key.starts_with("x-");
    for key in root.keys().filter(|key| !known(key)) {
        let path = root.at(key);
        let message =
            format!("`{path}` is not a member of a manifest; own members begin with `x-`");
        findings.problem(&path, "unknown_key", message);
    }
}
