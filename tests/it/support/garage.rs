//! Garage: a real S3 server of one node or of three, with its data in a folder of its own.
//!
//! `PLUGBOARD_TEST_GARAGE` names the program. `.ci/soak garage` builds it once.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::real_server::RealServer;

const ACCESS_KEY: &str = "GK0123456789abcdef01234567";
const SECRET_KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const RPC_SECRET: &str = SECRET_KEY;
const BUCKET: &str = "bundles";
/// How often, and how long apart, something is tried that a starting node refuses.
const TRIES: u32 = 150;
const PAUSE: Duration = Duration::from_millis(200);

/// A cluster; its nodes are killed when it is dropped.
pub(crate) struct Garage {
    program: String,
    folder: TempDir,
    nodes: Vec<Node>,
}

struct Node {
    config: PathBuf,
    s3_port: u16,
    /// `None` while it is stopped.
    child: Option<Child>,
}

impl Garage {
    /// Starts as many nodes, each with a copy of everything, and makes a bucket.
    pub(crate) fn start(nodes: usize) -> Self {
        let mut garage =
            Self { program: program(), folder: tempfile::tempdir().unwrap(), nodes: Vec::new() };
        for number in 0..nodes {
            garage.add_node(number, nodes);
        }
        garage.join();
        garage.make_bucket();
        garage
    }

    /// Where the first node answers.
    pub(crate) fn server(&self) -> RealServer {
        RealServer {
            endpoint: format!("http://127.0.0.1:{}", self.nodes[0].s3_port),
            region: "garage".to_owned(),
            bucket: BUCKET.to_owned(),
            access_key: ACCESS_KEY.to_owned(),
            secret_key: SECRET_KEY.to_owned(),
        }
    }

    /// Kills a node: the others are told nothing.
    pub(crate) fn stop(&mut self, number: usize) {
        let mut child = self.nodes[number].child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Starts a stopped node again, on the data it had.
    pub(crate) fn restart(&mut self, number: usize) {
        self.nodes[number].child = Some(self.spawn(number));
    }

    fn add_node(&mut self, number: usize, copies: usize) {
        let folder = self.folder.path().join(number.to_string());
        fs::create_dir(&folder).unwrap();
        let [rpc_port, s3_port, admin_port] = free_ports();
        let text = format!(
            "metadata_dir = \"{folder}/meta\"\n\
             data_dir = \"{folder}/data\"\n\
             db_engine = \"sqlite\"\n\
             replication_factor = {copies}\n\
             rpc_bind_addr = \"127.0.0.1:{rpc_port}\"\n\
             rpc_public_addr = \"127.0.0.1:{rpc_port}\"\n\
             rpc_secret = \"{RPC_SECRET}\"\n\
             [s3_api]\n\
             s3_region = \"garage\"\n\
             api_bind_addr = \"127.0.0.1:{s3_port}\"\n\
             [admin]\n\
             api_bind_addr = \"127.0.0.1:{admin_port}\"\n",
            folder = folder.display(),
        );
        let config = folder.join("garage.toml");
        fs::write(&config, text).unwrap();
        self.nodes.push(Node { config, s3_port, child: None });
        self.restart(number);
    }

    fn spawn(&self, number: usize) -> Child {
        let config = &self.nodes[number].config;
        let log = config.with_file_name("log");
        let log = File::options().append(true).create(true).open(log).unwrap();
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(config).arg("server").env("RUST_LOG", "garage=info");
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        command.spawn().unwrap()
    }

    /// Makes the nodes known to each other and gives each all of the data.
    fn join(&self) {
        let ids: Vec<_> =
            (0..self.nodes.len()).map(|node| self.until_ok(node, &["node", "id", "-q"])).collect();
        for id in &ids[1..] {
            self.until_ok(0, &["node", "connect", id]);
        }
        for id in &ids {
            let id = id.split('@').next().unwrap();
            self.until_ok(0, &["layout", "assign", "-z", "here", "-c", "1G", id]);
        }
        self.until_ok(0, &["layout", "apply", "--version", "1"]);
    }

    fn make_bucket(&self) {
        self.until_ok(0, &["key", "import", "--yes", "-n", "test", ACCESS_KEY, SECRET_KEY]);
        self.until_ok(0, &["bucket", "create", BUCKET]);
        let allow = ["bucket", "allow", "--read", "--write", BUCKET, "--key", ACCESS_KEY];
        self.until_ok(0, &allow);
    }

    /// Runs a command of the node's command line until it works; says what it printed.
    fn until_ok(&self, number: usize, words: &[&str]) -> String {
        let mut said = String::new();
        for _ in 0..TRIES {
            let mut command = Command::new(&self.program);
            command.arg("-c").arg(&self.nodes[number].config).args(words);
            let output = command.env("RUST_LOG", "warn").output().unwrap();
            if output.status.success() {
                return String::from_utf8(output.stdout).unwrap().trim().to_owned();
            }
            said = String::from_utf8_lossy(&output.stderr).into_owned();
            std::thread::sleep(PAUSE);
        }
        panic!("garage {words:?}: {said}");
    }
}

impl Drop for Garage {
    fn drop(&mut self) {
        for child in self.nodes.iter_mut().filter_map(|node| node.child.as_mut()) {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// Ports that nobody listened on a moment ago.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

#[expect(
    clippy::disallowed_methods,
    reason = "where a test finds its server is no setting of ours"
)]
fn program() -> String {
    std::env::var("PLUGBOARD_TEST_GARAGE").expect("PLUGBOARD_TEST_GARAGE names the program")
}
