//! The only way out for extensions: calls to servers that every list allows.
//!
//! A guest names a URL, and nothing else of a call is its own: the host reads the URL once
//! ([`Destination`]), holds it against the lists ([`Ceiling`]), finds the addresses, refuses
//! those that are not public, dials one of them, and sends over that connection one request
//! that it wrote itself. No redirect is followed, no proxy is used, no connection is shared.

mod addresses;
mod allowance;
mod body;
mod credential;
mod destination;
mod dial;
mod ended;
mod error;
mod exchange;
mod fields;
mod own_hosts;
mod resolver;
mod shares;

pub use allowance::{Denial, List};
pub use body::{OutgoingBody, ReceivedBody};
pub use credential::{Credential, SecretRefusal};
pub use destination::{Destination, InvalidDestination};
pub use ended::{Ended, Learner, Observer};
pub use error::{EgressError, EgressUnusable, Refusal};
pub use fields::MAX_FIELDS;
pub use resolver::{Resolve, SystemResolver};

use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, Method, Response};
use http_body::Body;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use self::allowance::Ceiling;
use self::dial::Dialer;
use self::exchange::Exchange;
use self::shares::Shares;
use crate::config::{EgressConfig, Network};
use crate::held_memory::HeldMemory;
use crate::model::{Allowance, Clock, InstallLabels, Scheme, TraceContext};

/// Calls servers for guests. One per process; cloning it is cheap.
#[derive(Clone)]
pub struct Egress(Arc<Inner>);

struct Inner {
    calls_per_execution: u32,
    secrets_in_clear: bool,
    ceiling: Ceiling,
    dialer: Dialer,
    shares: Shares,
    /// For responses that a guest gets as a whole.
    memory: HeldMemory,
    limits: Limits,
    tells_parents: bool,
    clock: Arc<dyn Clock>,
    observer: Observer,
    learner: Learner,
    /// Where calls run: not on the threads of guests, which are not for sockets.
    runtime: Handle,
}

/// What one call may take.
#[derive(Clone, Copy)]
struct Limits {
    total: Duration,
    request_bytes: u64,
    response_bytes: u64,
}

/// What calls have beside the settings.
pub struct EgressParts {
    pub resolver: Arc<dyn Resolve>,
    pub clock: Arc<dyn Clock>,
    /// Names and addresses of servers that the appliance uses itself: they are not called.
    pub own_hosts: Vec<String>,
    /// Networks of this machine that stand in for the internet. Only tests have any, and no
    /// setting reaches it.
    pub stand_ins: Vec<Network>,
    pub observer: Observer,
    pub learner: Learner,
}

/// Who calls, and what it may call.
#[derive(Clone, Debug)]
pub struct Caller {
    pub request_id: Arc<str>,
    pub install: Arc<InstallLabels>,
    pub allowance: Arc<Allowance>,
}

/// One call.
pub struct Call {
    pub to: Destination,
    pub method: Method,
    pub headers: HeaderMap,
    pub body: OutgoingBody,
    /// Wall time until the response begins, if the guest wants it to be less than the host does.
    pub patience: Option<Duration>,
    /// What the host writes into it, or why something that was asked for is not to be.
    pub credentials: Result<Vec<Credential>, SecretRefusal>,
    /// The span that the call is made in: the server may be told.
    pub parent: Option<TraceContext>,
}

impl Egress {
    /// Must be called where a runtime is: calls run there.
    pub fn new(config: &EgressConfig, parts: EgressParts) -> Result<Self, EgressUnusable> {
        let ceiling = if config.dangerous_allow_all {
            Ceiling::Everything
        } else {
            Ceiling::Listed(config.allowlist.clone())
        };
        Ok(Self(Arc::new(Inner {
            calls_per_execution: config.calls_per_execution,
            secrets_in_clear: config.secrets_in_clear,
            ceiling,
            shares: Shares::new(config),
            memory: HeldMemory::new(config.max_held_bytes),
            limits: Limits {
                total: Duration::from_millis(config.timeout_ms),
                request_bytes: config.max_request_bytes,
                response_bytes: config.max_response_bytes,
            },
            tells_parents: config.send_traceparent,
            clock: Arc::clone(&parts.clock),
            observer: Arc::clone(&parts.observer),
            learner: Arc::clone(&parts.learner),
            runtime: Handle::current(),
            dialer: Dialer::new(config, parts)?,
        })))
    }

    /// Sends one request and gives the response as soon as it begins. The time of the call
    /// goes on until its body has ended or is dropped.
    ///
    /// Dropping the future ends the call.
    pub async fn call(
        &self,
        caller: Caller,
        call: Call,
    ) -> Result<Response<ReceivedBody>, EgressError> {
        let inner = Arc::clone(&self.0);
        let calling = self.0.runtime.spawn(async move { inner.run(caller, call).await });
        AbortOnDropHandle::new(calling).await.map_err(|_| EgressError::Stopped)?
    }

    /// Calls that go on.
    pub fn in_flight(&self) -> usize {
        self.0.shares.in_flight()
    }

    /// Calls that one execution may make.
    pub fn calls_per_execution(&self) -> u32 {
        self.0.calls_per_execution
    }
}

impl Inner {
    async fn run(
        self: Arc<Self>,
        caller: Caller,
        call: Call,
    ) -> Result<Response<ReceivedBody>, EgressError> {
        let exchange =
            Exchange::new(caller, call.to.clone(), self.limits, &self.memory, &self.observer);
        let until = Instant::now() + self.limits.total;
        let until_head =
            call.patience.map_or(until, |patience| until.min(Instant::now() + patience));
        let begun = tokio::time::timeout_at(until_head, self.begin(&exchange, call, until));
        let begun = begun.await.unwrap_or_else(|_elapsed| {
            Err(EgressError::Timeout(until_head - (until - self.limits.total)))
        });
        begun.inspect_err(|error| exchange.end(Some(error)))
    }

    /// From the lists to the head of the response.
    async fn begin(
        &self,
        exchange: &Arc<Exchange>,
        call: Call,
        until: Instant,
    ) -> Result<Response<ReceivedBody>, EgressError> {
        let Call { to, method, mut headers, body, patience: _, credentials, parent } = call;
        if !fields::is_sent(&method) {
            return Err(EgressError::Method(method.to_string()));
        }
        self.check_lists(exchange, &to)?;
        let credentials = credentials.map_err(EgressError::Secret)?;
        self.check_encryption(&to, &credentials)?;
        if !fields::clean_request(&mut headers, &to.authority()) {
            return Err(EgressError::Fields);
        }
        let parent = parent.filter(|_| self.tells_parents);
        headers.extend(parent.map(|parent| (fields::TRACEPARENT, fields::of_parent(parent))));
        // A server may refuse a request whose method has a body and which does not say how long.
        if fields::has_body(&method) && body.size_hint().exact() == Some(0) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let (place, tally) = self.shares.enter(&exchange.caller().install, self.clock.now())?;
        exchange.count_with(tally);
        let place = Arc::new(place);
        let (connection, address) = self.dialer.dial(&to, &place).await?;
        exchange.note_address(address);
        // Last of all, so that nothing of the guest's is written over it or takes it away.
        for credential in &credentials {
            credential.put_into(&mut headers).map_err(EgressError::Secret)?;
        }
        let head = (method, &to, headers);
        let mut response = exchange::send(exchange, (connection, place), head, body, until).await?;
        credential::hide_in(&credentials, response.headers_mut());
        Ok(response)
    }

    fn check_lists(&self, exchange: &Exchange, to: &Destination) -> Result<(), EgressError> {
        let Caller { install, allowance, .. } = exchange.caller();
        let Err(mut denial) = self.ceiling.check(allowance, to) else { return Ok(()) };
        // Whatever an operator lets an install learn, the others have to allow.
        if denial.missing == [List::Grant] && (self.learner)(install.install, to) {
            exchange.note_learned();
            return Ok(());
        }
        denial.is_barred = self.dialer.bars(to);
        Err(EgressError::Denied(denial))
    }

    /// In clear, whoever is on the way would have the secret.
    fn check_encryption(
        &self,
        to: &Destination,
        credentials: &[Credential],
    ) -> Result<(), EgressError> {
        match credentials.first().filter(|_| to.scheme() == Scheme::Http) {
            Some(Credential { name, .. }) if !self.secrets_in_clear => {
                Err(EgressError::Secret(SecretRefusal::InClear(name.clone())))
            }
            _ => Ok(()),
        }
    }
}
