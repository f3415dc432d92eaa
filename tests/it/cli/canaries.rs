//! A canary at every door: what a secret is, no route says, however it is asked.
//!
//! `PLUGBOARD_TEST_ROUNDS=20` sets 60 canaries and asks every route about each.

use std::fs;

use http::Method;
use plugboard::web::routes::table;
use serde_json::{Value, json};

use super::confiding::{Browser, NAME, all_files, ask, confiding, guest};
use super::server::Server;
use crate::support::{note, rounds};

/// An install that is not there: what would change one ends at the look for it.
const NO_INSTALL: &str = "6f1e4a3c-0d55-4c39-9d0e-2f4b8a1c7e90";

/// A server with an extension that reads a secret, and all that was heard of it.
struct Aviary {
    server: Server,
    install: String,
    token: String,
    heard: Vec<(String, String)>,
}

impl Aviary {
    fn new() -> Self {
        let server = confiding(&[
            ("PLUGBOARD_TELEMETRY__LOG_LEVEL", "trace"),
            ("PLUGBOARD_RUNNER__BREAKER_FAILURES", "100000"),
        ]);
        let installs: Value = serde_json::from_str(&server.get("/api/v1/installs").1).unwrap();
        let install = installs["installs"][0]["id"].as_str().unwrap().to_owned();
        let token = fs::read_to_string(server.desk.path("token")).unwrap().trim().to_owned();
        Self { server, install, token, heard: Vec::new() }
    }

    fn hear(&mut self, what: &str, text: String) {
        self.heard.push((what.to_owned(), text));
    }

    fn ask(&mut self, method: &str, path: &str, headers: &str, body: &str) {
        let answer = ask(&self.server, method, path, headers, body);
        self.hear(&format!("{method} {path}"), answer);
    }

    fn bearer(&self) -> String {
        format!("authorization: Bearer {}\r\ncontent-type: application/json\r\n", self.token)
    }

    /// By the command, the API and the page; each time the extension reads it.
    fn set(&mut self, canary: &str, way: usize) {
        let path = format!("/api/v1/installs/{}/secrets/api_key", self.install);
        match way {
            0 => {
                let line = format!("secret set {NAME} api_key --json");
                let run = self.server.desk.run_with_input(&line, canary);
                assert_eq!(run.code, Some(0), "{run:?}");
                self.hear(&line, format!("{run:?}"));
            }
            1 => {
                let body = json!({ "value": canary }).to_string();
                self.ask("PUT", &path, &self.bearer(), &body);
            }
            _ => {
                let browser = Browser::sign_in(&self.server);
                let path = format!("/admin/installs/{}/secrets", self.install);
                let fields = format!("key=api_key&value={canary}&expires=");
                let page = browser.submit(&path, &fields);
                self.hear(&path, page);
            }
        }
        assert_eq!(guest(&self.server, "a"), (200, canary.to_owned()), "{way}");
        // Its own caller may hear it from the extension; the log that it writes must not have it.
        assert_eq!(guest(&self.server, "l").0, 200);
        for does in ["e", "h"] {
            let (_, answer) = guest(&self.server, does);
            self.hear(does, answer);
        }
    }

    /// Bodies with the canary in them that are refused: a message must not quote them.
    fn send_what_is_refused(&mut self, canary: &str) {
        let path = format!("/api/v1/installs/{}/secrets/api_key", self.install);
        let bodies = [
            format!("{{\"value\": \"{canary}\""),
            format!("\"{canary}\""),
            json!({ "valeu": canary }).to_string(),
            json!({ canary: "value" }).to_string(),
            json!({ "value": [canary] }).to_string(),
            json!({ "value": canary, "expires_at": canary }).to_string(),
            json!({ "value": canary, "expires_at": "2020-01-01T00:00:00Z" }).to_string(),
            json!({ "value": canary.repeat(1_000) }).to_string(),
        ];
        let refused = |answer: &str| !answer.starts_with("HTTP/1.1 2");
        for body in bodies {
            let answer = ask(&self.server, "PUT", &path, &self.bearer(), &body);
            assert!(refused(&answer), "{body}: {answer}");
            // A name that nobody knows may be quoted: it is no value that was sent as one.
            if !body.starts_with(&format!("{{\"{canary}")) {
                self.hear(&body[..8], answer);
            }
        }
    }

    /// Every route, asked by nobody, by a token and by a session; what would change something
    /// is asked about an install that is not there.
    fn ask_at_every_route(&mut self) -> usize {
        let cookie = Browser::sign_in(&self.server).cookie;
        let headers = [String::new(), self.bearer(), format!("cookie: {cookie}\r\n")];
        let mut asked = 0;
        for route in table() {
            let method = if route.method == "*" { "GET" } else { route.method };
            let is_safe = [Method::GET.as_str(), Method::OPTIONS.as_str()].contains(&method);
            let path = filled(route.path, if is_safe { &self.install } else { NO_INSTALL });
            // Whoever signs out or in is another afterwards.
            if !is_safe && route.path.contains("sign-") {
                continue;
            }
            for headers in &headers {
                self.ask(method, &path, headers, if is_safe { "" } else { "{}" });
                asked += 1;
            }
        }
        asked
    }
}

/// A path of the table with something in each of its places.
fn filled(path: &str, install: &str) -> String {
    let parts = path.split('/').map(|part| match part {
        "{id}" | "{install}" => install,
        "{name}" | "{extension}" => NAME,
        "{version}" => "1.0.0",
        "{key}" => "api_key",
        "{*path}" => "n",
        other if other.starts_with('{') => "x",
        other => other,
    });
    parts.collect::<Vec<_>>().join("/")
}

#[test]
fn no_route_no_log_and_no_file_says_what_a_secret_is() {
    let mut aviary = Aviary::new();
    let (mut canaries, mut asked) = (Vec::new(), 0);
    for round in 0..rounds() {
        for way in 0..3 {
            let canary = format!("CANARY-{round}-{way}-{}", uuid::Uuid::new_v4());
            aviary.set(&canary, way);
            aviary.send_what_is_refused(&canary);
            canaries.push(canary);
        }
        asked += aviary.ask_at_every_route();
        // A server that starts begins its log anew.
        let log = aviary.server.desk.path("server.log");
        fs::copy(log, aviary.server.desk.path(&format!("{round}.log"))).unwrap();
        aviary.server.restart_in_order();
        let now = aviary.server.url.clone();
        aviary.server.desk.set("PLUGBOARD_URL", &now);
        assert_eq!(guest(&aviary.server, "a").1, canaries[canaries.len() - 1], "it is kept");
    }
    let Aviary { server, heard, .. } = aviary;
    let desk = server.stop();

    let files = all_files(&desk.path("."));
    assert!(files.iter().any(|file| file.ends_with("state.redb")), "{files:?}");
    let mut bytes = 0;
    for file in &files {
        let content = fs::read(file).unwrap();
        bytes += content.len();
        for canary in &canaries {
            let found = memchr::memmem::find(&content, canary.as_bytes());
            assert_eq!(found, None, "{}", file.display());
        }
    }
    for (what, text) in &heard {
        for canary in &canaries {
            assert!(!text.contains(canary.as_str()), "{what}: {text}");
        }
    }
    note(&format!(
        "{} canaries, {asked} requests at every route, {} answers, {} files of {} KiB: in none",
        canaries.len(),
        heard.len(),
        files.len(),
        bytes / 1024
    ));
}
