//! Makes valid bundles in memory.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::raw_tar::{RawTar, zstd};

/// A bundle in the making: a manifest that is valid from the start, and files.
#[derive(Clone, Debug)]
pub(crate) struct BundleBuilder {
    manifest: Map<String, Value>,
    endpoints: Vec<Value>,
    files: BTreeMap<String, Vec<u8>>,
}

impl BundleBuilder {
    /// A bundle with nothing but a manifest.
    pub(crate) fn new(name: &str, version: &str) -> Self {
        let manifest = json!({
            "name": name,
            "publisher": "Example",
            "version": version,
            "runtime": "wasm-js@1",
        });
        let manifest = manifest.as_object().unwrap().clone();
        Self { manifest, endpoints: Vec::new(), files: BTreeMap::new() }
    }

    /// Adds a file.
    pub(crate) fn file(mut self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.files.insert(path.to_owned(), bytes.as_ref().to_vec());
        self
    }

    /// Adds `ui/index.html` and names it in the manifest.
    pub(crate) fn page(self, html: &str) -> Self {
        let ui = json!({ "type": "iframe", "entry": "ui/index.html" });
        self.file("ui/index.html", html).manifest("ui", ui)
    }

    /// Adds the component.
    pub(crate) fn component(self, wasm: impl AsRef<[u8]>) -> Self {
        self.file("dist/main.wasm", wasm)
    }

    /// Declares an endpoint with the default `auth`.
    pub(crate) fn endpoint(self, method: &str, path: &str) -> Self {
        self.endpoint_with(method, path, &json!({}))
    }

    /// Declares an endpoint with more members, as `{"auth": "public"}`.
    pub(crate) fn endpoint_with(mut self, method: &str, path: &str, members: &Value) -> Self {
        let mut endpoint = json!({ "method": method, "path": path, "handler": "dist/main" });
        endpoint.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        self.endpoints.push(endpoint);
        self
    }

    /// Asks for capabilities.
    pub(crate) fn capabilities(self, names: &[&str]) -> Self {
        self.manifest("capabilities", json!(names))
    }

    /// Sets any member of the manifest.
    pub(crate) fn manifest(mut self, key: &str, value: Value) -> Self {
        self.manifest.insert(key.to_owned(), value);
        self
    }

    /// The bytes of the manifest.
    pub(crate) fn manifest_json(&self) -> Vec<u8> {
        let mut manifest = self.manifest.clone();
        if !self.endpoints.is_empty() {
            manifest.insert("api".to_owned(), json!({ "endpoints": self.endpoints }));
        }
        serde_json::to_vec_pretty(&manifest).unwrap()
    }

    /// The bytes of the bundle.
    pub(crate) fn build(&self) -> Vec<u8> {
        let mut tar = RawTar::new().file("manifest.json", &self.manifest_json());
        for (path, bytes) in &self.files {
            tar = tar.file(path, bytes);
        }
        zstd(&tar.end())
    }
}
