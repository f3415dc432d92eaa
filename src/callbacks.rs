//! Calls to the operator's own application, which extensions may ask through the host.
//!
//! The operator names the servers, most often on private addresses; so these calls do not go
//! through the lists of `egress`, and a guest has no say in where they go: a [`Route`] is a
//! path below a base, whatever was written. The token of a base goes to its server alone: no
//! redirect is followed, no proxy is used, no connection is shared.

mod base;
mod error;
mod outcome;
mod route;

pub use error::{CallbackError, CallbacksUnusable, Cause};
pub use outcome::{Observer, Outcome};
pub use route::{InvalidRoute, Route};

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use self::base::Base;
use self::outcome::UnderWay;
use crate::config::{HostCallbacksConfig, Secret, TenantCallbacks};
use crate::model::TenantId;
use crate::tls_client;

/// The header in which existing applications look for the token.
const TOKEN: HeaderName = HeaderName::from_static("x-runner-auth");
/// Bytes of the head of an answer.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Bytes of what is sent.
const MAX_QUESTION_BYTES: usize = 8 * 1024 * 1024;
/// Bytes of an answer that the host reads.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;
/// Bytes of an answer that most fit in.
const SMALL_BYTES: usize = 64 * 1024;
/// Bytes of an answer that is handed on to the guest.
const MAX_PROXIED_BYTES: usize = 8 * 1024 * 1024;

/// Asks the operator's application. One per process; cloning it is cheap.
#[derive(Clone)]
pub struct Callbacks(Arc<Inner>);

struct Inner {
    general: Targets,
    /// A tenant in here has nothing of `general`: a token is not for another's server.
    tenants: HashMap<TenantId, Targets>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    proxy_limit: Duration,
    limit: Duration,
    gate: Semaphore,
    observer: Observer,
    /// Where calls run: not on the threads of guests, which are not for sockets.
    runtime: Handle,
}

/// Where one tenant's questions go.
struct Targets {
    ui_proxy: Option<Base>,
    invoicing: Option<Base>,
    clients: Option<Base>,
    services: Option<Base>,
    token: Option<HeaderValue>,
}

/// What of the application is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interface {
    UiProxy,
    Invoicing,
    Clients,
    Services,
}

/// The application as one tenant has it, for one interface.
#[derive(Clone)]
pub struct Application {
    callbacks: Callbacks,
    interface: Interface,
    base: Base,
    token: Option<HeaderValue>,
}

/// What is asked.
pub struct Question {
    pub route: Route,
    /// Who asks. The host writes all of them.
    pub headers: HeaderMap,
    /// JSON, to be sent by POST; without one it is a GET.
    pub body: Option<Bytes>,
}

/// What came back, whatever its status says.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Bytes,
}

impl Interface {
    /// Every interface, in the order of their indices.
    pub const ALL: [Self; 4] = [Self::UiProxy, Self::Invoicing, Self::Clients, Self::Services];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UiProxy => "ui-proxy",
            Self::Invoicing => "invoicing",
            Self::Clients => "clients",
            Self::Services => "services",
        }
    }

    const fn max_answer_bytes(self) -> usize {
        match self {
            Self::UiProxy => MAX_PROXIED_BYTES,
            Self::Invoicing | Self::Clients | Self::Services => MAX_ANSWER_BYTES,
        }
    }
}

impl Callbacks {
    /// Must be called where a runtime is: calls run there.
    pub fn new(
        config: &HostCallbacksConfig,
        observer: Observer,
    ) -> Result<Self, CallbacksUnusable> {
        let general = Targets::new(&config.general())?;
        let tenants = config.tenants.iter();
        let tenants = tenants.map(|(tenant, own)| Ok((tenant.clone(), Targets::new(own)?)));
        let tenants: HashMap<_, _> = tenants.collect::<Result<_, CallbacksUnusable>>()?;
        let is_encrypted = tenants.values().chain([&general]).any(Targets::is_encrypted);
        Ok(Self(Arc::new(Inner {
            client: client(config, is_encrypted)?,
            general,
            tenants,
            proxy_limit: Duration::from_millis(config.ui_proxy_timeout_ms),
            limit: Duration::from_millis(config.timeout_ms),
            gate: Semaphore::new(config.parallel),
            observer,
            runtime: Handle::current(),
        })))
    }

    /// Where `interface` leads for `tenant`; `None`: the operator has not said.
    pub fn find(&self, tenant: &TenantId, interface: Interface) -> Option<Application> {
        let targets = self.0.tenants.get(tenant).unwrap_or(&self.0.general);
        let base = match interface {
            Interface::UiProxy => &targets.ui_proxy,
            Interface::Invoicing => &targets.invoicing,
            Interface::Clients => &targets.clients,
            Interface::Services => &targets.services,
        };
        let (base, token) = (base.clone()?, targets.token.clone());
        Some(Application { callbacks: self.clone(), interface, base, token })
    }
}

impl Application {
    /// The host and the port that are asked.
    pub fn server(&self) -> (&str, u16) {
        self.base.server()
    }

    pub const fn interface(&self) -> Interface {
        self.interface
    }

    /// Sends one request, once, and reads the whole answer.
    ///
    /// Dropping the future ends the call. What was sent may have been carried out all the same.
    pub async fn ask(&self, question: Question) -> Result<Answer, CallbackError> {
        let under_way = UnderWay::new(&self.callbacks.0.observer, self.interface);
        let answered = self.answer(question).await;
        under_way.end(&answered);
        answered
    }

    async fn answer(&self, question: Question) -> Result<Answer, CallbackError> {
        let request = self.request(question)?;
        let inner = Arc::clone(&self.callbacks.0);
        let (most, limit) = (self.interface.max_answer_bytes(), self.limit());
        let asking = self.callbacks.0.runtime.spawn(async move {
            let answered = timeout(limit, inner.exchange(request, most)).await;
            answered.unwrap_or(Err(CallbackError::Timeout(limit)))
        });
        AbortOnDropHandle::new(asking).await.unwrap_or(Err(CallbackError::Stopped))
    }

    fn limit(&self) -> Duration {
        match self.interface {
            Interface::UiProxy => self.callbacks.0.proxy_limit,
            Interface::Invoicing | Interface::Clients | Interface::Services => {
                self.callbacks.0.limit
            }
        }
    }

    fn request(&self, question: Question) -> Result<Request<Full<Bytes>>, CallbackError> {
        let Question { route, mut headers, body } = question;
        if body.as_ref().is_some_and(|body| body.len() > MAX_QUESTION_BYTES) {
            return Err(CallbackError::QuestionTooLarge(MAX_QUESTION_BYTES));
        }
        if let Some(token) = &self.token {
            headers.insert(TOKEN, token.clone());
        }
        let method = if body.is_some() { Method::POST } else { Method::GET };
        if body.is_some() {
            let json = HeaderValue::from_static("application/json");
            headers.insert(http::header::CONTENT_TYPE, json);
        }
        let mut request = Request::new(Full::new(body.unwrap_or_default()));
        *request.method_mut() = method;
        *request.uri_mut() = self.base.uri(&route).ok_or(CallbackError::Route)?;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

impl Inner {
    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        most: usize,
    ) -> Result<Answer, CallbackError> {
        let _place = self.gate.acquire().await.map_err(|_| CallbackError::Stopped)?;
        let answer = self.client.request(request).await.map_err(|error| {
            let is_connect = error.is_connect();
            let what = if is_connect { CallbackError::Connect } else { CallbackError::Broken };
            what(error.into())
        })?;
        let (head, body) = answer.into_parts();
        Ok(Answer { status: head.status, body: whole(body, most).await? })
    }
}

/// All of a body, in one buffer from the beginning: pieces that are put together at the end
/// take the memory twice, and so does a buffer that is moved. What is never written takes none.
async fn whole(mut body: Incoming, most: usize) -> Result<Bytes, CallbackError> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > most {
        return Err(CallbackError::AnswerTooLarge(most));
    }
    let mut whole = Vec::with_capacity(announced);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|cause| CallbackError::Broken(cause.into()))?;
        let Ok(data) = frame.into_data() else { continue };
        let needed = whole.len() + data.len();
        if needed > most {
            return Err(CallbackError::AnswerTooLarge(most));
        }
        if needed > whole.capacity() {
            let room = if needed <= SMALL_BYTES { SMALL_BYTES } else { most };
            whole.reserve_exact(room - whole.len());
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.into())
}

impl Targets {
    fn new(config: &TenantCallbacks) -> Result<Self, CallbacksUnusable> {
        let base = |text: &str| match text {
            "" => Ok(None),
            text => Base::parse(text).map(Some).ok_or(CallbacksUnusable::Url),
        };
        Ok(Self {
            ui_proxy: base(&config.ui_proxy_base_url)?,
            invoicing: base(&config.invoicing_url)?,
            clients: base(&config.clients_url)?,
            services: base(&config.services_url)?,
            token: header(&config.token)?,
        })
    }

    fn is_encrypted(&self) -> bool {
        let bases = [&self.ui_proxy, &self.invoicing, &self.clients, &self.services];
        bases.into_iter().flatten().any(Base::is_encrypted)
    }
}

fn header(token: &Secret) -> Result<Option<HeaderValue>, CallbacksUnusable> {
    if token.is_empty() {
        return Ok(None);
    }
    let mut value = HeaderValue::from_str(token.expose()).map_err(|_| CallbacksUnusable::Token)?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn client(
    config: &HostCallbacksConfig,
    is_encrypted: bool,
) -> Result<Client<HttpsConnector<HttpConnector>, Full<Bytes>>, CallbacksUnusable> {
    let longest = Duration::from_millis(config.timeout_ms.max(config.ui_proxy_timeout_ms));
    let mut tcp = HttpConnector::new();
    tcp.set_connect_timeout(Some(longest));
    let roots = tls_client::roots_if(is_encrypted, &config.ca_file);
    let connector = tls_client::connector(tcp, roots.map_err(CallbacksUnusable::CaFile)?);
    // A connection of its own for each call, and no second try: an invoice is made once.
    Ok(Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .retry_canceled_requests(false)
        .http1_max_buf_size(MAX_HEAD_BYTES)
        .build(connector))
}
