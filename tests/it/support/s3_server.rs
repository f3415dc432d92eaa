//! An S3 server in this process, with real signatures, on a thread of its own.
//!
//! `s3s-fs` keeps objects as files, so that tests can look and tamper. It looks
//! before it writes, without a lock: one lock per path makes its conditional
//! writes what a real server's are. `strict` refuses what a real one refuses of
//! signed addresses, and `s3s` lets pass.

mod listings;
mod strict;
mod tls;

pub(crate) use tls::Authority;

use std::collections::HashMap;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use async_trait::async_trait;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::CONTENT_LENGTH;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use plugboard::config::{S3Config, StoreConfig};
use s3s::access::S3Access;
use s3s::auth::SimpleAuth;
use s3s::dto::{CompleteMultipartUploadInput, PutObjectInput};
use s3s::host::SingleDomain;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3Request, S3Result};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use listings::Listings;

pub(crate) const BUCKET: &str = "bundles";
pub(crate) const ACCESS_KEY: &str = "test-access-key";
pub(crate) const SECRET_KEY: &str = "test-secret-key";

/// What the server is like.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manners {
    /// `If-None-Match` is taken and ignored, as Garage does.
    pub(crate) ignores_conditions: bool,
    /// A wrong checksum is taken and ignored.
    pub(crate) ignores_checksums: bool,
}

impl Manners {
    /// Those of a server that keeps no word.
    pub(crate) const CARELESS: Self = Self { ignores_conditions: true, ignores_checksums: true };
}

/// What a request gets in the place of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// This status, and nothing is done.
    Status(u16),
    /// The same with a code.
    Said(u16, &'static str),
    /// It is done, and answered with 200 and an error document.
    ErrorDocument(&'static str),
    /// It is done, and the connection ends in the middle of the answer's body.
    Cut,
}

type Faults = Mutex<Option<Box<dyn FnMut(&Method, &Uri) -> Option<Fault> + Send>>>;

/// The server; it ends when dropped.
pub(crate) struct S3Server {
    pub(crate) endpoint: String,
    folder: TempDir,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct State {
    service: S3Service,
    locks: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    uploads: Arc<Uploads>,
    faults: Faults,
    seen: Mutex<Vec<(Method, String)>>,
}

/// Multipart uploads that were begun and not ended: id to key.
#[derive(Default)]
struct Uploads(Mutex<HashMap<String, String>>);

impl S3Server {
    pub(crate) fn start() -> Self {
        Self::start_with(Manners::default())
    }

    pub(crate) fn start_with(manners: Manners) -> Self {
        Self::launch(manners, None, |address| format!("http://{address}"), |_| None)
    }

    /// A server at `name`, over TLS, with a certificate for `names`.
    pub(crate) fn start_with_tls(authority: &Authority, name: &str, names: &[&str]) -> Self {
        let tls = Some(authority.acceptor(names));
        let endpoint = |address: SocketAddr| format!("https://{name}:{}", address.port());
        Self::launch(Manners::default(), tls, endpoint, |_| None)
    }

    /// A server that finds the bucket in the host: `bundles.localhost`.
    pub(crate) fn start_with_hosts() -> Self {
        let domain = |address: SocketAddr| format!("localhost:{}", address.port());
        let endpoint = move |address| format!("http://{}", domain(address));
        let hosts = move |address| Some(SingleDomain::new(&domain(address)).unwrap());
        Self::launch(Manners::default(), None, endpoint, hosts)
    }

    fn launch(
        manners: Manners,
        tls: Option<TlsAcceptor>,
        endpoint: impl Fn(SocketAddr) -> String,
        hosts: impl Fn(SocketAddr) -> Option<SingleDomain>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let uploads = Arc::new(Uploads::default());
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        builder.set_access(manners);
        let folder_of_parts = folder.path().to_owned();
        builder.set_route(Listings { uploads: Arc::clone(&uploads), folder: folder_of_parts });
        if let Some(hosts) = hosts(address) {
            builder.set_host(hosts);
        }
        let state = Arc::new(State {
            service: builder.build(),
            locks: Mutex::default(),
            uploads,
            faults: Mutex::default(),
            seen: Mutex::default(),
        });
        let (stop, stopped) = oneshot::channel();
        let serving = Arc::clone(&state);
        let thread = std::thread::spawn(move || serve(listener, tls.as_ref(), &serving, stopped));
        let endpoint = endpoint(address);
        Self { endpoint, folder, state, stop: Some(stop), thread: Some(thread) }
    }

    /// The same server by another name, as senders elsewhere know it.
    pub(crate) fn public_endpoint(&self) -> String {
        self.endpoint.replace("127.0.0.1", "localhost")
    }

    /// [`Self::config`] with that name set.
    pub(crate) fn config_with_public_endpoint(&self) -> StoreConfig {
        let mut config = self.config();
        config.s3.public_endpoint = self.public_endpoint();
        config
    }

    /// Replaces an object as somebody with the keys of the bucket would.
    pub(crate) fn replace(&self, key: &str, content: &[u8]) {
        replace(self.folder.path(), key, content);
    }

    /// The same for when a request has come, in what [`Self::fail`] takes.
    pub(crate) fn replacing(&self, key: &str, content: &[u8]) -> impl Fn() + Send + use<> {
        let (root, key) = (self.folder.path().to_owned(), key.to_owned());
        let content = content.to_vec();
        move || replace(&root, &key, &content)
    }

    /// Settings that name this server, with little patience.
    pub(crate) fn config(&self) -> StoreConfig {
        config_for(&self.endpoint)
    }

    /// The file that is the object `key`.
    pub(crate) fn object(&self, key: &str) -> PathBuf {
        self.folder.path().join(BUCKET).join(key)
    }

    /// The keys of all objects, in order.
    pub(crate) fn keys(&self) -> Vec<String> {
        let root = self.folder.path().join(BUCKET);
        let mut keys = Vec::new();
        collect(&root, &root, &mut keys);
        keys.sort();
        keys
    }

    /// How many multipart uploads are neither completed nor aborted.
    pub(crate) fn unfinished(&self) -> usize {
        self.state.uploads.0.lock().unwrap().len()
    }

    /// Gives requests a fault from here on.
    pub(crate) fn fail(&self, choose: impl FnMut(&Method, &Uri) -> Option<Fault> + Send + 'static) {
        *self.state.faults.lock().unwrap() = Some(Box::new(choose));
    }

    /// Ends the faults.
    pub(crate) fn heal(&self) {
        *self.state.faults.lock().unwrap() = None;
    }

    /// Every request so far: method, path and query.
    pub(crate) fn seen(&self) -> Vec<(Method, String)> {
        self.state.seen.lock().unwrap().clone()
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.stop.take();
        self.thread.take().map(JoinHandle::join);
    }
}

/// Settings for a server at `endpoint` that knows the test's credentials.
pub(crate) fn config_for(endpoint: &str) -> StoreConfig {
    StoreConfig {
        min_free_bytes: 0,
        s3: S3Config {
            endpoint: endpoint.to_owned(),
            access_key: ACCESS_KEY.to_owned().into(),
            secret_key: SECRET_KEY.to_owned().into(),
            bucket: BUCKET.to_owned(),
            ..S3Config::default()
        },
        ..StoreConfig::default()
    }
}

/// What `s3s-fs` remembers of the former object goes, too: its tag is made of the new one.
fn replace(root: &Path, key: &str, content: &[u8]) {
    for entry in fs::read_dir(root).unwrap().map(Result::unwrap) {
        if entry.file_name().to_string_lossy().ends_with(".internal.json") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    let object = root.join(BUCKET).join(key);
    fs::create_dir_all(object.parent().unwrap()).unwrap();
    let new = root.join("replacement");
    fs::write(&new, content).unwrap();
    fs::rename(new, object).unwrap();
}

fn collect(root: &Path, folder: &Path, keys: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, keys);
        } else {
            keys.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        }
    }
}

fn serve(
    listener: TcpListener,
    tls: Option<&TlsAcceptor>,
    state: &Arc<State>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let accepting = async {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (state, tls) = (Arc::clone(state), tls.cloned());
                tokio::spawn(async move {
                    match tls {
                        None => converse(stream, state).await,
                        Some(tls) => {
                            // A client that does not trust us ends it.
                            if let Ok(stream) = tls.accept(stream).await {
                                converse(stream, state).await;
                            }
                        }
                    }
                });
            }
        };
        tokio::select! {
            () = accepting => {}
            _ = stopped => {}
        }
    });
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, state: Arc<State>) {
    let service = service_fn(move |request| answer(Arc::clone(&state), request));
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    connection.await.ok();
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Body>, s3s::HttpError> {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    state.seen.lock().unwrap().push((method.clone(), uri.to_string()));
    let fault = state.faults.lock().unwrap().as_mut().and_then(|choose| choose(&method, &uri));
    let refusal = match fault {
        Some(Fault::Status(status)) => Some((status, "InternalError")),
        Some(Fault::Said(status, code)) => Some((status, code)),
        Some(Fault::ErrorDocument(_) | Fault::Cut) | None => {
            strict::refusal(&uri, request.headers())
        }
    };
    if let Some((status, code)) = refusal {
        // Read, so that the connection can be used again.
        request.into_body().collect().await.ok();
        return Ok(document(status, code));
    }
    let writes = matches!(method, Method::PUT | Method::POST | Method::DELETE);
    let lock = Arc::clone(state.locks.lock().unwrap().entry(uri.path().to_owned()).or_default());
    let held = if writes { Some(lock.lock().await) } else { None };
    let answer = state.service.call(request.map(Body::from)).await?;
    let answer = state.uploads.note(&method, &uri, answer).await;
    drop(held);
    match fault {
        Some(Fault::ErrorDocument(code)) => Ok(document(200, code)),
        Some(Fault::Cut) => Ok(cut(answer).await),
        _ => Ok(answer),
    }
}

/// The answer with half of its body.
async fn cut(answer: Response<Body>) -> Response<Body> {
    let (mut parts, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    parts.headers.insert(CONTENT_LENGTH, body.len().into());
    let half = Ok(Frame::data(body.slice(..body.len() / 2)));
    // The half leaves while the body is not ready; without that nothing of the answer would.
    let end = async {
        tokio::task::yield_now().await;
        Err(std::io::Error::other("the server hangs up"))
    };
    let (half, end) = (stream::iter([half]), stream::once(end));
    let body = StreamBody::new(stream::StreamExt::chain(half, end));
    Response::from_parts(parts, Body::http_body_unsync(body))
}

/// An error as S3 writes it.
pub(crate) fn document(status: u16, code: &str) -> Response<Body> {
    let text = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>");
    let answer = Response::builder().status(status).header("content-type", "application/xml");
    answer.body(Body::from(text)).unwrap()
}

impl Uploads {
    async fn note(&self, method: &Method, uri: &Uri, answer: Response<Body>) -> Response<Body> {
        let query = uri.query().unwrap_or_default();
        if !answer.status().is_success() {
            return answer;
        }
        if method == Method::POST && query.split('&').any(|pair| pair.starts_with("uploads")) {
            let (parts, body) = answer.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let text = String::from_utf8(body.to_vec()).unwrap();
            let id = between(&text, "<UploadId>", "</UploadId>").to_owned();
            let key = uri.path().trim_start_matches('/').split_once('/').unwrap().1.to_owned();
            self.0.lock().unwrap().insert(id, key);
            return Response::from_parts(parts, Body::from(text));
        }
        if matches!(*method, Method::POST | Method::DELETE)
            && let Some(id) = query.split('&').find_map(|pair| pair.strip_prefix("uploadId="))
        {
            self.0.lock().unwrap().remove(id);
        }
        answer
    }
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    text.split_once(before).unwrap().1.split_once(after).unwrap().0
}

#[async_trait]
impl S3Access for Manners {
    async fn put_object(&self, request: &mut S3Request<PutObjectInput>) -> S3Result<()> {
        if self.ignores_conditions {
            request.input.if_none_match = None;
        }
        if self.ignores_checksums {
            request.input.checksum_sha256 = None;
        }
        Ok(())
    }

    async fn complete_multipart_upload(
        &self,
        request: &mut S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<()> {
        if self.ignores_conditions {
            request.input.if_none_match = None;
        }
        Ok(())
    }
}
