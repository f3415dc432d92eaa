//! Executions: what a guest can do, and what it cannot.

mod abilities;
mod answering;
mod bombs;
mod canary;
mod compiling;
mod confiding;
mod endings;
mod hostile;
mod limits;
mod memory;
mod precompiled;
mod preparing;
mod responses;
mod streams;

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use http_body_util::BodyExt;
use plugboard::bundle;
use plugboard::config::RunnerConfig;
use plugboard::model::{
    Capability, ContentHash, InstallId, InstallLabels, SettingTexts, TargetWorld, TenantId,
};
use plugboard::runner::{
    ExecuteError, ExecutionContext, GuestBody, GuestRequest, Invocation, Observer, PrepareError,
    RequestBody, Runner, RunnerParts, StreamLimits, Usage, UserIdentity,
};
use plugboard::traces::Trace;

use crate::support::{guests, note};

/// Long enough for any guest that ends.
const PATIENT: Duration = Duration::from_secs(20);

/// A runner with one component in it.
struct Stage {
    runner: Runner,
    world: TargetWorld,
    install: Arc<InstallLabels>,
}

impl Stage {
    async fn new(world: TargetWorld, component: Bytes) -> Self {
        Self::with(&small(), world, component).await
    }

    async fn with(config: &RunnerConfig, world: TargetWorld, component: Bytes) -> Self {
        Self::prepared(config, world, component).await.unwrap()
    }

    async fn prepared(
        config: &RunnerConfig,
        world: TargetWorld,
        component: Bytes,
    ) -> Result<Self, PrepareError> {
        let runner = Runner::new(config, RunnerParts::default()).unwrap();
        runner.prepare(hash(), world, component).await?;
        let (tenant, extension) =
            (TenantId::default_tenant(), "com.example.guest".parse().unwrap());
        let version = "1.2.3".parse().unwrap();
        let install = InstallLabels::of(tenant, extension, InstallId::random(), &version);
        Ok(Self { runner, world, install: Arc::new(install) })
    }

    async fn extension(guest: &str) -> Self {
        Self::new(TargetWorld::Extension, guests::extension(guest)).await
    }

    async fn proxy(guest: &str) -> Self {
        Self::new(TargetWorld::WasiHttp, guests::proxy(guest)).await
    }

    fn get(&self, path: &str) -> Invocation {
        let install = Arc::clone(&self.install);
        let context =
            ExecutionContext { request_id: "request-1".into(), install, trace: Trace::default() };
        Invocation { context, ..get(self.world, path) }
    }

    /// Reads the response to its end.
    async fn execute(&self, invocation: Invocation) -> Result<Answered, ExecuteError> {
        let response = self.runner.execute(invocation).await?;
        let body = match response.body {
            GuestBody::Whole(body) => body,
            GuestBody::Stream(stream) => stream.collect().await?.to_bytes(),
        };
        let (status, headers, usage) = (response.status, response.headers, response.usage);
        Ok(Answered { status, headers, body, usage })
    }

    async fn call(&self, path: &str) -> Result<Answered, ExecuteError> {
        self.execute(self.get(path)).await
    }

    async fn call_within(&self, path: &str, ms: u64) -> Result<Answered, ExecuteError> {
        let deadline = Duration::from_millis(ms);
        let stream = StreamLimits { total: deadline, idle: PATIENT };
        self.execute(Invocation { deadline, stream, ..self.get(path) }).await
    }
}

/// A request to the component of the stage, by an install that nobody knows.
fn get(world: TargetWorld, path: &str) -> Invocation {
    let (tenant, extension) = (TenantId::default_tenant(), "com.example.guest".parse().unwrap());
    let version = "1.2.3".parse().unwrap();
    let install = Arc::new(InstallLabels::of(tenant, extension, InstallId::random(), &version));
    let accept = (http::header::ACCEPT, HeaderValue::from_static("text/plain"));
    Invocation {
        content_hash: hash(),
        world,
        context: ExecutionContext {
            request_id: "request-1".into(),
            install,
            trace: Trace::default(),
        },
        request: Box::new(GuestRequest {
            method: Method::GET,
            path_and_query: path.to_owned(),
            authority: "localhost:8080".to_owned(),
            headers: HeaderMap::from_iter([accept]),
            body: RequestBody::Whole(Bytes::new()),
        }),
        grants: Arc::new(Capability::DEFAULTS.into_iter().collect()),
        allowance: Arc::default(),
        settings: Arc::default(),
        secrets: None,
        user: None,
        deadline: PATIENT,
        stream: StreamLimits { total: PATIENT, idle: PATIENT },
        max_response_bytes: 64 * 1024,
        observer: Observer::default(),
    }
}

/// A response that has been read.
#[derive(Debug)]
struct Answered {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
    usage: Usage,
}

/// The lines of every guest in this process, as JSON. Guests run on threads of their own, so
/// one subscriber must hear them all.
#[derive(Clone, Default)]
struct GuestLines(Arc<Mutex<Vec<u8>>>);

impl GuestLines {
    fn heard() -> Self {
        static HEARD: OnceLock<GuestLines> = OnceLock::new();
        let subscribe = || {
            let lines = Self::default();
            let writer = lines.clone();
            let subscriber = tracing_subscriber::fmt().json().with_env_filter("extension=info");
            subscriber.with_writer(move || writer.clone()).init();
            lines
        };
        HEARD.get_or_init(subscribe).clone()
    }

    /// Those of one install.
    fn of(&self, install: &InstallLabels) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let theirs = |line: &&str| line.contains(install.install_text());
        text.lines().filter(theirs).map(str::to_owned).collect()
    }
}

impl io::Write for GuestLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn small() -> RunnerConfig {
    RunnerConfig { slots: 8, memory_bytes: 16 * 1024 * 1024, ..RunnerConfig::default() }
}

fn hash() -> ContentHash {
    ContentHash::of(b"the bundle of the test")
}

async fn refusal(world: TargetWorld, component: Bytes) -> PrepareError {
    let runner = Runner::new(&small(), RunnerParts::default()).unwrap();
    runner.prepare(hash(), world, component).await.unwrap_err()
}
