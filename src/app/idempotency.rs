//! A call that is sent twice under one key runs once.
//!
//! The first runs, and those that come while it does wait for it; later ones get
//! the answer that was kept. What is kept is in memory, for a while, and has a
//! bound for each install and for all of them.

mod kept;

use std::{panic, sync::Arc, time::Duration};

use http::Method;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::App;
use super::dispatch::{Caller, DispatchError, FoundEndpoint, GatewayRequest};
use super::sign_in::seconds;
use crate::config::GatewayConfig;
use crate::model::{Clock, IdempotencyKey, InstallId, Principal};
use crate::runner::{ExecuteError, GuestRequest, GuestResponse, RequestBody};
use kept::{Bounds, Kept, KeptAnswer, Seen};

/// The calls that were made under a key.
pub struct Idempotency {
    kept: Arc<Kept>,
    keep_for: SignedDuration,
    /// How long one call waits for another of the same key.
    patience: Duration,
}

/// Why a call under a key is not made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("this idempotency key was used for a request with another body")]
    Reused,
    #[error("a request with this idempotency key has been running for {0:?}")]
    InUse(Duration),
    #[error("a request with this idempotency key was made, and its answer was not kept")]
    NotKept,
}

/// An answer, and whether it is one that was kept.
#[derive(Debug)]
pub struct Answered {
    pub response: GuestResponse,
    pub is_replayed: bool,
}

/// What a key means for one call: a digest of everything that must be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Keyed {
    scope: [u8; 32],
    body: [u8; 32],
    install: InstallId,
}

/// The turn to make a call: if it is dropped, nobody knows of the call.
struct Flight {
    kept: Arc<Kept>,
    keyed: Keyed,
    is_over: bool,
    /// Whoever waits is woken when it goes.
    _running: watch::Sender<()>,
}

enum Joined {
    First(Flight),
    Kept(GuestResponse),
}

impl Idempotency {
    /// Keeps nothing yet.
    pub fn new(config: &GatewayConfig) -> Self {
        let bounds = Bounds {
            all_bytes: config.idempotency_bytes,
            install_bytes: config.idempotency_bytes_per_install,
        };
        Self {
            kept: Arc::new(Kept::new(bounds)),
            keep_for: seconds(config.idempotency_s),
            patience: Duration::from_millis(config.timeout_ms),
        }
    }

    /// Bytes of all answers that are kept.
    pub(super) fn kept_bytes(&self) -> u64 {
        self.kept.bytes()
    }

    /// Waits until the call is made by somebody else, or is ours to make.
    async fn join(&self, keyed: Keyed, clock: &dyn Clock) -> Result<Joined, KeyError> {
        let joining = async {
            loop {
                let (running, watcher) = watch::channel(());
                let oldest = clock.now() - self.keep_for;
                let mut other = match self.kept.see(&keyed, &watcher, oldest) {
                    Seen::New => {
                        let kept = Arc::clone(&self.kept);
                        let flight = Flight { kept, keyed, is_over: false, _running: running };
                        return Ok(Joined::First(flight));
                    }
                    Seen::Answer(answer) => return Ok(Joined::Kept(answer.to_response())),
                    Seen::Spent => return Err(KeyError::NotKept),
                    Seen::OtherBody => return Err(KeyError::Reused),
                    Seen::Running(other) => other,
                };
                // An error is the end of it: its sender is gone.
                other.changed().await.ok();
            }
        };
        let joined = tokio::time::timeout(self.patience, joining).await;
        joined.unwrap_or(Err(KeyError::InUse(self.patience)))
    }
}

impl App {
    /// [`App::dispatch`], once for each key.
    ///
    /// A key counts for a method that changes something, a caller who is known
    /// and a body that is all there; otherwise it is only handed to the guest.
    pub async fn dispatch_once(
        self: &Arc<Self>,
        found: Box<FoundEndpoint>,
        caller: &Caller,
        key: Option<&IdempotencyKey>,
        request: GatewayRequest,
    ) -> Result<Answered, DispatchError> {
        if let Some(keyed) = key.and_then(|key| self.keyed(&found, caller, key, &request.guest)) {
            // Few calls have a key, and all would keep room for what such a call needs.
            return Box::pin(self.dispatch_keyed(keyed, found, request)).await;
        }
        let response = self.dispatch(found, request, None).await?;
        Ok(Answered { response, is_replayed: false })
    }

    async fn dispatch_keyed(
        self: &Arc<Self>,
        keyed: Keyed,
        found: Box<FoundEndpoint>,
        request: GatewayRequest,
    ) -> Result<Answered, DispatchError> {
        let joined = self.idempotency.join(keyed, &*self.clock).await;
        let flight = match joined.map_err(DispatchError::Key)? {
            Joined::First(flight) => flight,
            Joined::Kept(response) => {
                let response = self.runner.with_slot(found.labels(), response).await?;
                self.metrics.observe_replay();
                return Ok(Answered { response, is_replayed: true });
            }
        };
        // Before there is a task, which no connection bounds: this may take long.
        let component = Some(self.until_ready(&found).await?);
        let app = Arc::clone(self);
        // In a task of its own: a client that goes away has made its call all the same, and
        // when it comes again it is told what came of it. One that only waited for its turn
        // has made none.
        let call = tokio::spawn(async move {
            let response = app.dispatch(found, request, component).await?;
            flight.land(&response, app.clock.now());
            Ok::<_, DispatchError>(Answered { response, is_replayed: false })
        });
        call.await.unwrap_or_else(|ended| match ended.try_into_panic() {
            Ok(panic) => panic::resume_unwind(panic),
            Err(_cancelled) => Err(ExecuteError::Stopped.into()),
        })
    }

    fn keyed(
        &self,
        found: &FoundEndpoint,
        caller: &Caller,
        key: &IdempotencyKey,
        request: &GuestRequest,
    ) -> Option<Keyed> {
        let (Caller::Known(principal), RequestBody::Whole(body)) = (caller, &request.body) else {
            return None;
        };
        if self.config.gateway.idempotency_bytes == 0 || is_safe(&request.method) {
            return None;
        }
        let labels = found.labels();
        let scope =
            scope(principal, key, request, &[labels.tenant.as_str(), labels.install_text()]);
        Some(Keyed { scope, body: *blake3::hash(body).as_bytes(), install: labels.install })
    }
}

impl Flight {
    /// Keeps an answer, or at least that there was one.
    ///
    /// An answer of 500 and above is forgotten: a repeat is to have another try.
    fn land(mut self, response: &GuestResponse, now: Timestamp) {
        if response.status >= 500 {
            return;
        }
        self.is_over = true;
        let answer = KeptAnswer::of(response);
        self.kept.keep(&self.keyed, answer, now);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if !self.is_over {
            self.kept.forget(&self.keyed);
        }
    }
}

/// Whether a method only reads (RFC 9110 section 9.2.1).
pub fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}

/// A digest of who calls what under which key. Each part has its length in front,
/// so that no two sets of parts are written the same.
fn scope(
    principal: &Principal,
    key: &IdempotencyKey,
    request: &GuestRequest,
    install: &[&str],
) -> [u8; 32] {
    let actor = principal.actor().to_string();
    let call = [request.method.as_str(), &request.path_and_query, key.as_str(), &actor];
    let mut hasher = blake3::Hasher::new();
    for part in install.iter().chain(&call) {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests;
