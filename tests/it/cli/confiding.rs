//! Secrets at the desk, and a canary that sings nowhere but in its cage.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::server::Server;
use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;

pub(super) const NAME: &str = "com.example.confides";
const PASSWORD: &str = "correct horse battery staple";

pub(super) fn confiding(variables: &[(&str, &str)]) -> Server {
    let server = Server::ready_with(variables);
    let bundle = BundleBuilder::new(NAME, "1.0.0").capabilities(&["cap:secrets.get"]);
    let bundle = ["a", "n", "l", "e", "h"]
        .iter()
        .fold(bundle, |bundle, does| bundle.endpoint("GET", &format!("/{does}")));
    server.install(&bundle, &guests::wasi_extension("confides"));
    server
}

pub(super) fn guest(server: &Server, does: &str) -> (u16, String) {
    server.get(&format!("/api/ext/{NAME}/{does}"))
}

#[test]
fn a_secret_comes_from_standard_input_or_a_file_and_is_listed_without_its_value() {
    let server = confiding(&[]);
    let desk = &server.desk;
    fs::write(desk.path("value"), "from a file\n").unwrap();

    let typed = desk.run_with_input(&format!("secret set {NAME} api_key"), "from a pipe\n");
    assert_eq!(typed.code, Some(0), "{typed:?}");
    assert_eq!(guest(&server, "a").1, "from a pipe");
    desk.ok(&format!("secret set {NAME} api_key --file value --expires 2099-01-31"));
    assert_eq!(guest(&server, "a").1, "from a file");

    let listed = desk.ok(&format!("secret list {NAME}")).stdout;
    assert!(listed.contains("api_key") && listed.contains("2099-01-31"), "{listed}");
    assert!(!listed.contains("from a"), "{listed}");
    let json = desk.ok(&format!("secret list {NAME} --json")).json();
    assert_eq!(json["secrets"][0]["version"], 2, "{json}");
    let removed = desk.ok(&format!("secret remove {NAME} api_key --json")).json();
    assert_eq!(removed, json!({"outcome": "removed", "name": "api_key"}));
    assert!(desk.ok(&format!("secret list {NAME}")).stdout.contains("has no secret"));
}

#[test]
fn what_cannot_be_a_secret_is_refused_at_the_desk() {
    let server = confiding(&[]);
    let set = |line: &str, input: &str| {
        server.desk.run_with_input(&format!("secret set {NAME} {line}"), input)
    };

    for (line, input, code, part) in [
        ("-- -key", "x", 2, "1 to 128"),
        ("key", "\n", 2, "no value was given"),
        ("key value", "x", 2, "unexpected argument"),
        ("key --expires tomorrow", "x", 2, "is no date"),
        ("key --expires 2020-01-01", "x", 1, "cannot expire"),
        ("key --file none", "x", 2, "cannot read none"),
    ] {
        let run = set(line, input);
        assert_eq!(run.code, Some(code), "{line}: {run:?}");
        assert!(run.stderr.contains(part), "{line}: {run:?}");
    }
    let large = set("key", &"x".repeat(16 * 1024 + 1));
    assert!(large.stderr.contains("16384 bytes"), "{large:?}");
    let removed = server.desk.run(&format!("secret remove {NAME} key"));
    assert_eq!(removed.code, Some(1), "{removed:?}");
}

#[test]
fn the_master_key_is_changed_on_the_host_and_holds_through_a_restart() {
    let mut server = confiding(&[]);
    server.desk.run_with_input(&format!("secret set {NAME} api_key"), "hunter2");
    let by_token = server.desk.run("secret rotate-keys");
    assert_eq!(by_token.code, Some(1), "no token may: {by_token:?}");
    server.desk.set("PLUGBOARD_URL", "");
    server.desk.set("PLUGBOARD_TOKEN_FILE", "");
    let before = fs::read(server.desk.path("data/master.key")).unwrap();

    let rotated = server.desk.ok("secret rotate-keys --json").json();

    assert_eq!(rotated["data_keys"], 1, "{rotated}");
    let again = server.desk.ok("secret rotate-keys").stdout;
    assert!(again.contains("; 1 data key is sealed with it\n"), "{again}");
    assert_ne!(fs::read(server.desk.path("data/master.key")).unwrap(), before);
    assert_eq!(guest(&server, "a").1, "hunter2");
    server.restart();
    assert_eq!(guest(&server, "a").1, "hunter2");
}

/// Everything below a folder.
pub(super) fn all_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(all_files(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found
}

/// A page as a signed-in browser sees it, and a form as it sends it.
pub(super) struct Browser<'a> {
    server: &'a Server,
    pub(super) cookie: String,
}

impl<'a> Browser<'a> {
    pub(super) fn sign_in(server: &'a Server) -> Self {
        let form = format!("name=ada&password={}", PASSWORD.replace(' ', "+"));
        let answer = send(server, "POST", "/sign-in", "", &form);
        let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
        Self { server, cookie: cookie.split(';').next().unwrap().to_owned() }
    }

    pub(super) fn submit(&self, path: &str, fields: &str) -> String {
        let session = self.cookie.split_once('=').unwrap().1;
        let token = plugboard::app::sign_in::csrf_token(session);
        let form = format!("csrf_token={token}&{fields}");
        send(self.server, "POST", path, &self.cookie, &form)
    }

    fn open(&self, path: &str) -> String {
        send(self.server, "GET", path, &self.cookie, "")
    }
}

/// One request of a form on a connection of its own: the answer, head and body.
fn send(server: &Server, method: &str, path: &str, cookie: &str, form: &str) -> String {
    let headers = format!(
        "cookie: {cookie}\r\nsec-fetch-site: same-origin\r\norigin: {}\r\n\
         content-type: application/x-www-form-urlencoded\r\n",
        server.url,
    );
    ask(server, method, path, &headers, form)
}

/// One request on a connection of its own: the answer, head and body, or what came of it
/// until nothing more did.
pub(super) fn ask(server: &Server, method: &str, path: &str, headers: &str, body: &str) -> String {
    use std::io::{Read, Write};
    let host = server.url.strip_prefix("http://").unwrap();
    let mut connection = std::net::TcpStream::connect(host).unwrap();
    connection.set_read_timeout(Some(std::time::Duration::from_secs(2))).unwrap();
    write!(
        connection,
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}\
         content-length: {}\r\n\r\n{body}",
        body.len(),
    )
    .unwrap();
    let mut answer = Vec::new();
    // A stream of events does not end by itself.
    connection.read_to_end(&mut answer).ok();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_canary_is_in_no_log_no_answer_no_metric_and_no_file() {
    let mut server = confiding(&[
        ("PLUGBOARD_TELEMETRY__LOG_LEVEL", "trace"),
        ("PLUGBOARD_RUNNER__BREAKER_FAILURES", "100"),
    ]);
    let canary = |way: &str| format!("CANARY-{way}-{}", uuid::Uuid::new_v4());
    let canaries = ["desk", "api", "page"].map(canary);
    let installs: serde_json::Value =
        serde_json::from_str(&server.get("/api/v1/installs").1).unwrap();
    let id = installs["installs"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/installs/{id}/secrets");
    let browser = Browser::sign_in(&server);
    let mut heard = Vec::new();

    for (way, canary) in ["desk", "api", "page"].iter().zip(&canaries) {
        heard.push(match *way {
            "desk" => {
                let line = format!("secret set {NAME} api_key --json");
                format!("{:?}", server.desk.run_with_input(&line, canary))
            }
            "api" => {
                let url = format!("{}{path}/api_key", server.url);
                let body = json!({"value": canary}).to_string();
                let put = |client: reqwest::Client| client.put(url).body(body);
                server.call(|client| put(client).header("content-type", "application/json")).1
            }
            _ => browser.submit(
                &format!("/admin/installs/{id}/secrets"),
                &format!("key=api_key&value={canary}&expires="),
            ),
        });
        assert_eq!(guest(&server, "a"), (200, canary.clone()), "{way}: {heard:?}");
        assert_eq!(guest(&server, "l").0, 200);
        for does in ["e", "h"] {
            let (status, answer) = guest(&server, does);
            assert_eq!(status, 502, "{does}: {answer}");
            heard.push(answer);
        }
    }
    for path in ["/api/v1/installs", &path, &format!("/api/v1/installs/{id}/usage"), "/metrics"] {
        heard.push(server.get(path).1);
    }
    let page = browser.open(&format!("/admin/extensions/{NAME}/secrets"));
    assert!(page.contains("<code>api_key</code>"), "{page}");
    heard.push(page);
    heard.push(format!("{:?}", server.desk.ok(&format!("secret list {NAME} --json"))));
    drop(browser);
    // A server that starts begins its log anew.
    fs::copy(server.desk.path("server.log"), server.desk.path("first.log")).unwrap();
    server.restart_in_order();
    assert_eq!(guest(&server, "a").1, canaries[2], "it is kept");
    let desk = server.stop();

    let log = fs::read_to_string(desk.path("first.log")).unwrap();
    assert!(log.matches("[secret]").count() >= 9, "it was tried: {log}");
    let files = all_files(&desk.path("."));
    assert!(files.iter().any(|file| file.ends_with("state.redb")), "{files:?}");
    for canary in &canaries {
        for text in &heard {
            assert!(!text.contains(canary.as_str()), "{text}");
        }
        for file in &files {
            let found = memchr::memmem::find(&fs::read(file).unwrap(), canary.as_bytes());
            assert_eq!(found, None, "{}", file.display());
        }
    }
}
