//! Names and servers that stand in for the internet, on addresses of this machine.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use plugboard::config::Network;
use plugboard::egress::Resolve;
use rcgen::CertifiedKey;
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// Where the servers of these tests are: addresses of this machine that are taken for public.
const PUBLIC: &str = "127.77.0.0/16";

/// Answers for names, as a test says, and remembers which it was asked for.
#[derive(Default)]
pub(crate) struct Internet {
    names: Mutex<HashMap<String, VecDeque<Vec<IpAddr>>>>,
    silent: Mutex<HashSet<String>>,
    asked: Mutex<Vec<String>>,
}

impl Internet {
    /// What counts as public while tests run.
    pub(crate) fn stand_ins() -> Vec<Network> {
        vec![PUBLIC.parse().unwrap()]
    }

    /// Gives `name` these addresses.
    pub(crate) fn name(&self, name: &str, addresses: &[&str]) {
        self.answers(name, &[addresses]);
    }

    /// Never answers whoever asks for `name`.
    pub(crate) fn silence(&self, name: &str) {
        self.silent.lock().unwrap().insert(name.to_owned());
    }

    /// Gives `name` other addresses each time it is asked for; the last ones stay.
    pub(crate) fn answers(&self, name: &str, answers: &[&[&str]]) {
        let parsed = |addresses: &&[&str]| {
            addresses.iter().map(|address| address.parse().unwrap()).collect::<Vec<IpAddr>>()
        };
        let answers = answers.iter().map(parsed).collect();
        self.names.lock().unwrap().insert(name.to_owned(), answers);
    }

    /// The names that were asked for, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Resolve for Internet {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.lock().unwrap().push(name.to_owned());
        if self.silent.lock().unwrap().contains(name) {
            std::future::pending::<()>().await;
        }
        let mut names = self.names.lock().unwrap();
        let Some(answers) = names.get_mut(name) else {
            return Err(io::Error::new(io::ErrorKind::NotFound, "there is no such name"));
        };
        let first = answers.front().cloned().unwrap_or_default();
        if answers.len() > 1 {
            answers.pop_front();
        }
        Ok(first)
    }
}

/// A server that takes every connection, remembers what came, and answers with the same bytes.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
    connections: Arc<AtomicUsize>,
    /// How many of them have ended.
    ended: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

/// Whoever says of servers that they are who they say: a file that is trusted, or not.
pub(crate) struct Authority {
    pub(crate) ca_file: PathBuf,
    acceptor: TlsAcceptor,
    _folder: TempDir,
}

impl Authority {
    /// For servers of these names or addresses.
    pub(crate) fn new(names: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ca_file = folder.path().join("ca.pem");
        std::fs::write(&ca_file, cert.pem()).unwrap();
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key.into())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        Self { ca_file, acceptor, _folder: folder }
    }

    /// A server that has its word, on an address that counts as public.
    pub(crate) async fn start(&self, script: Script) -> Server {
        self.start_at("127.77.0.1:0", script).await
    }

    /// The same on this address.
    pub(crate) async fn start_at(&self, address: &str, script: Script) -> Server {
        let listener = TcpListener::bind(address).await.unwrap();
        let acceptor = self.acceptor.clone();
        Server::serve(listener, script, move |stream| {
            let acceptor = acceptor.clone();
            async move { acceptor.accept(stream).await.ok() }
        })
    }
}

/// What a server sends.
#[derive(Clone)]
pub(crate) enum Script {
    /// These bytes, and then the end.
    Say(Vec<u8>),
    /// The first bytes, then the others again and again.
    Repeat(Vec<u8>, Vec<u8>),
    /// These bytes, and then nothing more, with the connection open until the caller ends it.
    Hang(Vec<u8>),
}

impl Script {
    /// A whole answer with this body.
    pub(crate) fn body(body: &str) -> Self {
        let length = body.len();
        Self::Say(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes())
    }
}

impl Server {
    /// On an address that counts as public.
    pub(crate) async fn start(script: Script) -> Self {
        Self::start_at("127.77.0.1:0", script).await
    }

    /// On this address.
    pub(crate) async fn start_at(address: &str, script: Script) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        Self::serve(listener, script, |stream| async { Some(stream) })
    }

    /// Behind what `prepare` makes of each connection: encryption, for one.
    pub(crate) fn serve<S, F>(
        listener: TcpListener,
        script: Script,
        prepare: impl Fn(tokio::net::TcpStream) -> F + Clone + Send + 'static,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Future<Output = Option<S>> + Send + 'static,
    {
        let address = listener.local_addr().unwrap();
        let requests = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let connections = Arc::<AtomicUsize>::default();
        let ended = Arc::<AtomicUsize>::default();
        let (seen, counted) = (Arc::clone(&requests), Arc::clone(&connections));
        let hung_up = Arc::clone(&ended);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let (script, seen, preparing) =
                    (script.clone(), Arc::clone(&seen), prepare(stream));
                let hung_up = Arc::clone(&hung_up);
                tokio::spawn(async move {
                    let Some(mut stream) = preparing.await else { return };
                    let request = read_request(&mut stream).await;
                    seen.lock().unwrap().push(request);
                    // Whoever hangs up has heard enough.
                    play(&mut stream, script).await.ok();
                    hung_up.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, requests, connections, ended, task }
    }

    /// `http://NAME:PORT`, as an entry of an allowlist.
    pub(crate) fn entry(&self, name: &str) -> String {
        format!("http://{name}:{}", self.address.port())
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Waits until so many of the connections have ended.
    pub(crate) async fn until_ended(&self, count: usize) {
        let begun = std::time::Instant::now();
        while self.ended.load(Ordering::SeqCst) < count {
            assert!(begun.elapsed() < Duration::from_secs(20), "a connection stays open");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What was received, each request as it came.
    pub(crate) fn received(&self) -> Vec<Vec<u8>> {
        self.requests.lock().unwrap().clone()
    }

    /// What was received, each request as text.
    pub(crate) fn requests(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        requests.iter().map(|request| String::from_utf8_lossy(request).into_owned()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A head, and as much of a body as it announces.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut request = Vec::new();
    let mut part = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
        if let Some(end) = text.find("\r\n\r\n") {
            let head = &text[..end];
            let announced =
                head.split("\r\n").find_map(|line| line.strip_prefix("content-length: "));
            let body = announced.map_or(0, |length| length.parse().unwrap());
            let is_chunked = head.contains("transfer-encoding: chunked");
            let has_ended = !is_chunked || text.ends_with("0\r\n\r\n");
            if request.len() >= end + 4 + body && has_ended {
                return request;
            }
        }
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return request,
            Ok(read) => request.extend_from_slice(&part[..read]),
        }
    }
}

async fn play(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    script: Script,
) -> io::Result<()> {
    match script {
        Script::Say(bytes) => {
            stream.write_all(&bytes).await?;
            stream.shutdown().await
        }
        Script::Repeat(first, again) => {
            stream.write_all(&first).await?;
            loop {
                stream.write_all(&again).await?;
            }
        }
        Script::Hang(bytes) => {
            stream.write_all(&bytes).await?;
            stream.flush().await?;
            tokio::io::copy(stream, &mut tokio::io::sink()).await.map(|_| ())
        }
    }
}
