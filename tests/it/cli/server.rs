//! A server of the program under test, ended when it is dropped.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use super::program::Desk;
use crate::support::bundle_builder::BundleBuilder;

/// Every scope that publishing and calling needs.
const SCOPES: &str = "--scope bundle:publish --scope install:write --scope install:read \
                      --scope ext:invoke --scope trust:write";

/// A running server, and the desk next to it.
pub(super) struct Server {
    child: Child,
    pub(super) desk: Desk,
    pub(super) url: String,
}

impl Server {
    /// Starts a server on a fresh data folder. Commands at its desk use the
    /// admin socket.
    pub(super) fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with more variables.
    fn start_with(variables: &[(&str, &str)]) -> Self {
        let mut desk = Desk::new();
        for (name, value) in variables {
            desk.set(name, value);
        }
        desk.set("PLUGBOARD_SERVER__DATA_DIR", "data");
        desk.set("PLUGBOARD_STORE__MIN_FREE_BYTES", "1048576");
        let (child, first_line) = spawn(&desk);
        let url = first_line.trim_end().trim_end_matches("setup").trim_end_matches('/').to_owned();
        Self { child, desk, url }
    }

    /// Starts a server that is set up, with a key that it trusts and a token;
    /// commands at its desk use HTTP.
    pub(super) fn ready() -> Self {
        Self::ready_with(&[])
    }

    /// The same with more variables.
    pub(super) fn ready_with(variables: &[(&str, &str)]) -> Self {
        let mut server = Self::start_with(variables);
        let created =
            server.desk.run_with_input("operator create ada", "correct horse battery staple\n");
        assert_eq!(created.code, Some(0), "{created:?}");
        server.desk.ok(&format!("token create --name test {SCOPES} --out token"));
        server.desk.ok("keygen acme");
        server.desk.ok("trust add acme.pub --scope com.example.*");
        let url = server.url.clone();
        server.desk.set("PLUGBOARD_URL", &url);
        server.desk.set("PLUGBOARD_TOKEN_FILE", "token");
        server
    }

    /// Publishes a component under the manifest of `bundle`, installs and enables it.
    pub(super) fn install(&self, bundle: &BundleBuilder, component: &[u8]) {
        let folder = self.desk.path("made");
        fs::create_dir_all(folder.join("dist")).unwrap();
        fs::write(folder.join("dist/main.wasm"), component).unwrap();
        fs::write(folder.join("manifest.json"), bundle.manifest_json()).unwrap();
        self.desk.ok("publish made --key acme.key --install --enable --grant-all");
    }

    /// Stops it; the data folder stays.
    pub(super) fn stop(mut self) -> Desk {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::mem::replace(&mut self.desk, Desk::new())
    }

    /// Kills it as a power cut would, and starts it again on the same folder.
    pub(super) fn restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let (child, first_line) = spawn(&self.desk);
        self.child = child;
        first_line.trim().trim_end_matches('/').clone_into(&mut self.url);
    }

    /// What its process is said to be like in `/proc`.
    pub(super) fn process_file(&self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.child.id().to_string()).join(name)
    }

    /// Calls an endpoint of an extension: status and body.
    pub(super) fn get(&self, path: &str) -> (u16, String) {
        self.call(|client| client.get(format!("{}{path}", self.url)))
    }

    /// Sends a request with the token: status and body.
    pub(super) fn call(
        &self,
        request: impl FnOnce(reqwest::Client) -> reqwest::RequestBuilder,
    ) -> (u16, String) {
        // The client has TLS in it, which wants to know whose.
        rustls::crypto::ring::default_provider().install_default().ok();
        let token = fs::read_to_string(self.desk.path("token")).unwrap();
        let request = request(reqwest::Client::new()).bearer_auth(token.trim()).send();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let response = request.await.unwrap();
            (response.status().as_u16(), response.text().await.unwrap())
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already when it was stopped.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Waits for the first line, which is the address to open.
fn spawn(desk: &Desk) -> (Child, String) {
    let mut command = desk.command("serve --set server.listen=127.0.0.1:0");
    let log = fs::File::create(desk.path("server.log")).unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line)
}
