//! An appliance in memory with the real router, a fixed clock, and a key that it trusts.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt;
use jiff::Timestamp;
use plugboard::app::App;
use plugboard::app::assets::Pages;
use plugboard::app::call_rates::CallRates;
use plugboard::app::callbacks;
use plugboard::app::compile::{Waiting, runner_parts};
use plugboard::app::egress;
use plugboard::app::idempotency::Idempotency;
use plugboard::app::origins::Origins;
use plugboard::app::rate_limits::RateLimits;
use plugboard::app::secret_keys::open_secrets;
use plugboard::app::sign_in::{Passwords, SignInLimits, SignInLinks};
use plugboard::app::tokens::TokenRequest;
use plugboard::app::trust::TrustRequest;
use plugboard::app::uploads::{InFlight, UploadAddresses};
use plugboard::app::usage::Usages;
use plugboard::bundle::{self, BundleLimits};
use plugboard::callbacks::Callbacks;
use plugboard::config::{Config, SigningPolicy, StoreConfig};
use plugboard::egress::{Egress, EgressParts};
use plugboard::guest_logs::GuestLogs;
use plugboard::held_memory::HeldMemory;
use plugboard::model::{
    Clock, ContentHash, Manifest, NameGlob, Operator, OperatorName, Principal, ReadManifest, Scope,
    Stars, TenantId,
};
use plugboard::registry::{Registry, operators};
use plugboard::runner::{Runner, RunnerParts};
use plugboard::state::State;
use plugboard::store::{BundleStore, StoreError};
use plugboard::telemetry::Metrics;
use plugboard::traces::Traces;
use plugboard::trust::TrustBundle;
use plugboard::trust::keys::{self, GeneratedKey};
use plugboard::trust::statement::{self, Subject};
use plugboard::web::{self, server::Peer};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use super::bundle_builder::BundleBuilder;
use super::internet::Internet;
use super::s3_server::S3Server;

/// The origin requests are sent to.
pub(crate) const ORIGIN: &str = "http://127.0.0.1:7420";
/// The password of the operator that [`TestApp::start`] creates.
pub(crate) const PASSWORD: &str = "a socket in the board";

/// One Argon2id hash for the whole test run: each costs a tenth of a second.
static PASSWORD_HASH: LazyLock<String> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    std::thread::spawn(move || runtime.block_on(Passwords::new().hash(PASSWORD.into())).unwrap())
        .join()
        .unwrap()
});

/// The appliance under test.
pub(crate) struct TestApp {
    pub(crate) app: Arc<App>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) internet: Arc<Internet>,
    key: GeneratedKey,
    token: String,
    _folder: TempDir,
}

/// A clock that moves when told to.
pub(crate) struct FixedClock(AtomicI64);

impl FixedClock {
    /// At the time that every test begins at.
    pub(crate) fn new() -> Self {
        Self(AtomicI64::new(1_790_000_000))
    }

    /// Moves on by some seconds.
    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The stable word of a problem.
    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// A request in the making: with the test's token unless told otherwise.
pub(crate) struct Call<'a> {
    app: &'a TestApp,
    request: http::request::Builder,
    body: Body,
    token: Option<String>,
    peer: Peer,
}

impl TestApp {
    /// Set up, with an operator `ada`, a token with every scope, and a trusted key.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    /// The same, with changed settings.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_empty_with(change).set_up().await
    }

    async fn set_up(mut self) -> Self {
        self.add_operator("ada").await;
        self.trust("*").await;
        self.token = self.make_token("default", &ALL_SCOPES).await;
        self
    }

    /// The same, with its bundles in the folder that [`TestApp::stored`] gives.
    pub(crate) async fn start_on_disk() -> Self {
        Self::build(|_| (), BundleStore::open).set_up().await
    }

    /// The same, with its bundles on a server.
    pub(crate) async fn start_on_s3(server: &S3Server) -> Self {
        let app = Self::build(|config| config.store = server.config(), BundleStore::open);
        app.app.probe_store().await;
        app.set_up().await
    }

    /// The same, with senders who reach the server, too; it takes unsigned bundles.
    pub(crate) async fn start_with_public_store(server: &S3Server) -> Self {
        Self::start_with_store(server.config_with_public_endpoint()).await
    }

    /// The same with other settings of the store.
    pub(crate) async fn start_with_store(store: StoreConfig) -> Self {
        let change = |config: &mut Config| {
            config.store = store;
            config.signing.policy = SigningPolicy::AllowUnsigned;
        };
        let app = Self::build(change, BundleStore::open);
        app.app.probe_store().await;
        app.set_up().await
    }

    /// The same, with settings that reach it another way; nothing is probed.
    pub(crate) async fn start_on_s3_as(store: StoreConfig) -> Self {
        Self::build(|config| config.store = store, BundleStore::open).set_up().await
    }

    /// The same, with a file in its data folder that an earlier process left.
    pub(crate) async fn start_after(
        change: impl FnOnce(&mut Config),
        (file, content): (&str, &[u8]),
    ) -> Self {
        let open_store = |config: &StoreConfig, data_dir: &Path| {
            let file = data_dir.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, content).unwrap();
            BundleStore::open(config, data_dir)
        };
        Self::build(change, open_store).set_up().await
    }

    /// As it is at its very first start: nobody has set it up.
    pub(crate) fn start_empty() -> Self {
        Self::start_empty_with(|_| ())
    }

    fn start_empty_with(change: impl FnOnce(&mut Config)) -> Self {
        let in_memory = |config: &StoreConfig, data_dir: &Path| {
            BundleStore::in_memory(config, &data_dir.join("cache"))
        };
        Self::build(change, in_memory)
    }

    fn build(
        change: impl FnOnce(&mut Config),
        open_store: impl FnOnce(&StoreConfig, &Path) -> Result<BundleStore, StoreError>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.store.min_free_bytes = 0;
        config.runner.slots = 8;
        config.gateway.timeout_ms = 10_000;
        change(&mut config);
        let clock = Arc::new(FixedClock::new());
        let now = clock.now();
        let state = State::in_memory(&config.state, clock.clone()).unwrap();
        let (master_key, secrets) = open_secrets(&config.server, folder.path(), &state).unwrap();
        let program = PathBuf::from(env!("CARGO_BIN_EXE_plugboard"));
        let parts = runner_parts(&config.runner, folder.path(), &master_key, program);
        let registry = Registry::in_memory(now).unwrap();
        let metrics = Arc::new(Metrics::new(now));
        let clock_of_app: Arc<dyn Clock> = clock.clone();
        let (internet, refused_calls) = (Arc::<Internet>::default(), Arc::default());
        let learning = Arc::default();
        let noted = (&refused_calls, &learning);
        let egress = EgressParts {
            resolver: internet.clone(),
            clock: clock.clone(),
            own_hosts: config.own_hosts(),
            stand_ins: Internet::stand_ins(),
            observer: egress::observer(noted, &registry, &clock_of_app, &metrics),
            learner: egress::learner(&learning, &clock_of_app),
        };
        let egress = Egress::new(&config.egress, egress).unwrap();
        let callbacks = callbacks::observer(&metrics);
        let callbacks = Some(Callbacks::new(&config.host_callbacks, callbacks).unwrap());
        let guest_logs = folder.path().join("logs");
        let guest_logs = GuestLogs::open(&guest_logs, &config.logs, clock.clone()).unwrap();
        let (kept, egress) = (Some(state.clone()), Some(egress));
        let lines = guest_logs.is_on().then(|| guest_logs.clone());
        let parts = RunnerParts { state: kept, guest_logs: lines, egress, callbacks, ..parts };
        let app = App {
            usages: Usages::new(&config.runner, clock.clone(), Arc::clone(&metrics)),
            data_dir: folder.path().to_owned(),
            clock: clock.clone(),
            registry,
            state,
            guest_logs,
            secrets,
            bundles: open_store(&config.store, folder.path()).unwrap(),
            pages: Pages::new(&config.ext_ui),
            runner: Arc::new(Runner::new(&config.runner, parts).unwrap()),
            refused_calls,
            learning,
            trust: Arc::new(match config.signing.trust_bundle.as_str() {
                "" => TrustBundle::none(),
                setting => TrustBundle::load(setting, now),
            }),
            metrics,
            traces: Traces::start(&config.telemetry.otlp, clock.clone()).unwrap(),
            passwords: Passwords::new(),
            sign_in_limits: SignInLimits::default(),
            sign_in_links: SignInLinks::default(),
            upload_addresses: UploadAddresses::new(),
            rate_limits: RateLimits::new(&config.uploads),
            call_rates: CallRates::new(&config.gateway),
            idempotency: Idempotency::new(&config.gateway),
            in_flight: InFlight::default(),
            held_bodies: HeldMemory::new(config.gateway.max_held_body_bytes),
            waiting: Waiting::new(&config.runner),
            origins: Origins::of(&config),
            config: Arc::new(config),
        };
        let key = keys::generate().unwrap();
        Self { app: Arc::new(app), clock, internet, key, token: String::new(), _folder: folder }
    }

    /// What the test's token says of itself in a request head.
    pub(crate) fn authorization(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// As after a start at which nothing of what was compiled is left.
    pub(crate) fn forget_compiled(&self, hash: &ContentHash) {
        self.app.runner.retain(|loaded| loaded != hash);
        self.app.runner.sweep_compiled(&HashSet::new()).unwrap();
    }

    /// Where bundles are, if they are on disk.
    pub(crate) fn stored(&self) -> PathBuf {
        self.app.data_dir.join("store")
    }

    pub(crate) async fn add_operator(&self, name: &str) {
        let now = self.app.clock.now();
        let operator = Operator {
            name: name.parse::<OperatorName>().unwrap(),
            password_hash: PASSWORD_HASH.clone(),
            created_at: now,
            password_changed_at: now,
        };
        self.app.registry.write(move |txn| operators::insert(txn, &operator)).await.unwrap();
    }

    /// Trusts the test's key for some names.
    pub(crate) async fn trust(&self, scope: &str) {
        let request = TrustRequest {
            public_key: self.key.public_pem.clone(),
            name: "tests".to_owned(),
            scopes: vec![scope.parse::<NameGlob>().unwrap()],
        };
        self.app.trust_key(&local(), request).await.unwrap();
    }

    /// A token of a tenant, which is created if it is not there.
    pub(crate) async fn make_token(&self, tenant: &str, scopes: &[&str]) -> String {
        let tenant: TenantId = tenant.parse().unwrap();
        self.app.create_tenant(&local(), tenant.clone()).await.ok();
        let scopes = scopes.iter().map(|scope| scope.parse::<Scope>().unwrap()).collect();
        let request =
            TokenRequest { name: "tests".to_owned(), tenant, scopes, days: None, user: None };
        let created = self.app.create_token(&local(), request).await.unwrap();
        created.secret.expose_secret().to_owned()
    }

    /// Whom the test's token stands for.
    pub(crate) fn principal(&self) -> Principal {
        Principal::Token(self.app.authenticate_token(&self.token).unwrap())
    }

    /// A DSSE envelope by the test's key.
    pub(crate) fn sign(&self, archive: &[u8]) -> Vec<u8> {
        sign_with(&self.key, archive)
    }

    /// A request.
    pub(crate) fn call(&self, method: Method, path: &str) -> Call<'_> {
        Call {
            app: self,
            request: Request::builder().method(method).uri(path).header("host", "127.0.0.1:7420"),
            body: Body::empty(),
            token: Some(self.token.clone()),
            peer: Peer::Tcp(([127, 0, 0, 1], 50_000).into()),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path).send().await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path).json(body).send().await
    }

    /// Publishes a bundle, signed by the trusted key.
    pub(crate) async fn publish(&self, bundle: &BundleBuilder) -> Answer {
        let archive = bundle.build();
        let signature = self.sign(&archive);
        self.put_bundle(archive, &[signature]).await
    }

    /// Sends a bundle with some signatures.
    pub(crate) async fn put_bundle(&self, archive: Vec<u8>, signatures: &[Vec<u8>]) -> Answer {
        use base64::Engine;
        let mut call = self.call(Method::PUT, "/api/v1/bundles");
        for signature in signatures {
            let line = base64::engine::general_purpose::STANDARD.encode(signature);
            call = call.header("plugboard-signature", &line);
        }
        call.body(archive).send().await
    }

    /// Publishes, installs with every grant and enables; gives the install's id.
    pub(crate) async fn install(&self, bundle: &BundleBuilder) -> String {
        let published = self.publish(bundle).await;
        assert!(published.status.is_success(), "{}", published.text());
        let manifest: Value = serde_json::from_slice(&bundle.manifest_json()).unwrap();
        let grants = manifest.get("capabilities").cloned().unwrap_or(json!([]));
        self.install_published(manifest["name"].as_str().unwrap(), grants).await
    }

    /// Installs the newest version of an extension and enables it; gives the install's id.
    pub(crate) async fn install_published(&self, name: &str, grants: Value) -> String {
        let body = json!({"name": name, "grants": grants});
        let installed = self.post("/api/v1/installs", body).await;
        assert_eq!(installed.status, StatusCode::CREATED, "{}", installed.text());
        let id = installed.json()["id"].as_str().unwrap().to_owned();
        let enabled = self.post(&format!("/api/v1/installs/{id}/enable"), json!({})).await;
        assert_eq!(enabled.status, StatusCode::OK, "{}", enabled.text());
        id
    }

    /// The content hash of a bundle.
    pub(crate) fn content_hash(&self, bundle: &BundleBuilder) -> ContentHash {
        bundle::read(&bundle.build()[..], &self.app.bundle_limits()).unwrap().content_hash
    }

    /// The address of a file below `ui/` of a bundle.
    pub(crate) fn page_of(&self, bundle: &BundleBuilder, path: &str) -> String {
        let manifest: Value = serde_json::from_slice(&bundle.manifest_json()).unwrap();
        let name = manifest["name"].as_str().unwrap();
        format!("/ext-ui/{name}/{}/{path}", self.content_hash(bundle))
    }

    /// Signs `ada` in through the page; gives the cookie.
    pub(crate) async fn sign_in(&self) -> String {
        let answer = self
            .call(Method::POST, "/sign-in")
            .anonymous()
            .same_origin()
            .form(&[("name", "ada"), ("password", PASSWORD)])
            .send()
            .await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
        answer.header("set-cookie").split(';').next().unwrap().to_owned()
    }

    /// The secret of an address that signs `ada` in.
    pub(crate) fn sign_in_link(&self) -> String {
        let name: OperatorName = "ada".parse().unwrap();
        let ada = self.app.registry.live().operator(&name).cloned().unwrap();
        let secret = self.app.create_sign_in_link(&ada, "/admin/extensions".to_owned());
        secret.expose_secret().to_owned()
    }

    /// A new session of `ada` without the tenth of a second that a password costs; the cookie.
    pub(crate) async fn session(&self) -> String {
        let made = self.app.follow_sign_in_link(&self.sign_in_link()).await.unwrap();
        format!("plugboard={}", made.0.cookie.expose_secret())
    }
}

/// Every scope there is.
pub(crate) const ALL_SCOPES: [&str; 8] = [
    "bundle:publish",
    "install:write",
    "install:read",
    "ext:invoke",
    "trust:write",
    "token:write",
    "audit:read",
    "metrics:read",
];

/// Whoever is on the host.
pub(crate) fn local() -> Principal {
    Principal::Local { uid: 0 }
}

/// A DSSE envelope over an archive.
pub(crate) fn sign_with(key: &GeneratedKey, archive: &[u8]) -> Vec<u8> {
    let key = keys::parse_private(&key.private_pem).unwrap();
    let contents = bundle::read(archive, &BundleLimits::default()).unwrap();
    let ReadManifest { manifest, star, .. } =
        Manifest::read(&contents.manifest, Stars::Allowed).unwrap();
    let component = contents.component.as_deref();
    let subject = Subject {
        name: manifest.name,
        version: manifest.version,
        star,
        content_hash: contents.content_hash,
        size: contents.size,
        manifest_sha256: statement::manifest_sha256(&contents.manifest),
        target_world: component.map(|wasm| bundle::inspect(wasm).unwrap().world),
    };
    statement::sign(&key, &subject)
}

impl Call<'_> {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// Without credentials.
    pub(crate) fn anonymous(mut self) -> Self {
        self.token = None;
        self
    }

    pub(crate) fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// With a session's cookie instead of a token.
    pub(crate) fn session(self, cookie: &str) -> Self {
        self.anonymous().header("cookie", cookie)
    }

    /// As a page of the appliance sends it.
    pub(crate) fn same_origin(self) -> Self {
        self.header("sec-fetch-site", "same-origin").header("origin", ORIGIN)
    }

    pub(crate) fn peer(mut self, peer: Peer) -> Self {
        self.peer = peer;
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    #[expect(clippy::needless_pass_by_value, reason = "callers make the value on the spot")]
    pub(crate) fn json(self, body: Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    pub(crate) fn form(self, pairs: &[(&str, &str)]) -> Self {
        let body =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.header("content-type", "application/x-www-form-urlencoded").body(body)
    }

    /// As a form with files sends it.
    pub(crate) fn multipart(self, parts: &[(&str, &[u8])]) -> Self {
        self.multipart_with("", parts)
    }

    /// The same with header lines in every part, each with its end.
    pub(crate) fn multipart_with(self, headers: &str, parts: &[(&str, &[u8])]) -> Self {
        let mut body = Vec::new();
        for (name, content) in parts {
            let head = format!(
                "--XX\r\ncontent-disposition: form-data; name=\"{name}\"; filename=\"f\"\r\n\
                 {headers}\r\n"
            );
            body.extend([head.as_bytes(), content, b"\r\n"].concat());
        }
        body.extend(b"--XX--\r\n");
        self.header("content-type", "multipart/form-data; boundary=XX").body(body)
    }

    /// Sends it and waits for the head of the answer only.
    pub(crate) async fn open(self) -> http::Response<Body> {
        let mut builder = self.request.extension(self.peer);
        if let Some(token) = &self.token {
            builder = builder.header("authorization", format!("Bearer {token}"));
        }
        let request = builder.body(self.body).unwrap();
        let router = web::router(Arc::clone(&self.app.app));
        router.oneshot(request).await.unwrap()
    }

    pub(crate) async fn send(self) -> Answer {
        let (parts, body) = self.open().await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }
}
