//! A call to an extension: find the endpoint, check the caller, run the handler.
//!
//! Two steps, because the request body is read between them: [`App::find_endpoint`]
//! decides on the head alone, so that a refused call costs no upload, and
//! [`App::dispatch`] runs what was found. Warm, neither touches the registry
//! file or the object store. Where the body says the method, [`App::find_path`] decides
//! before it as far as can be.

mod endpoints;

use std::sync::Arc;
use std::time::Duration;

use super::App;
use super::call_rates::{Standings, TooManyCalls};
use super::compile::CompileError;
use super::idempotency::KeyError;
use super::usage::LeftAlone;
use crate::config::GatewayConfig;
use crate::model::{
    Capability, Endpoint, EndpointMethod, ExtensionName, InstallLabels, Principal, TargetWorld,
};
use crate::registry::LiveInstall;
use crate::runner::{
    ExecuteError, ExecutionContext, GuestBody, GuestRequest, GuestResponse, HeldComponent,
    Invocation, StreamLimits, UserIdentity,
};
use crate::state::{Owner, secrets::InstallSecrets};
use crate::traces::{Kind, Span, Trace};

/// Who calls, as far as the door could tell.
#[derive(Clone, Debug)]
pub enum Caller {
    Anonymous,
    Known(Principal),
    /// A session whose unsafe request did not pass the cross-site rule.
    CrossSite,
}

/// A declared endpoint of an enabled install, that this caller may call.
#[derive(Debug)]
pub struct FoundEndpoint {
    install: Arc<LiveInstall>,
    index: usize,
    user: Option<Box<UserIdentity>>,
    /// Bytes of a request body.
    pub max_body_bytes: u64,
    /// What is left to call after this one, once it is little.
    pub standings: Option<Box<Standings>>,
    /// What the call is part of. Nothing, until its trace is begun.
    pub trace: Trace,
}

/// What finding an endpoint came to.
#[derive(Debug)]
pub enum Route {
    Found(Box<FoundEndpoint>),
    /// An OPTIONS request that no endpoint declares: these methods are.
    Options(Vec<EndpointMethod>),
}

/// One call, with its head filtered by the door. Its path is what follows the extension id.
#[derive(Debug)]
pub struct GatewayRequest {
    pub request_id: Arc<str>,
    pub guest: Box<GuestRequest>,
}

/// Why a call was not answered by the extension.
#[derive(Debug, thiserror::Error)]
pub enum DispatchError {
    #[error("the extension {0} is not installed, or not enabled")]
    NotInstalled(String),
    #[error("this endpoint needs a signed-in operator or a token with ext:invoke")]
    Unauthenticated,
    #[error("the caller may not call {0}")]
    Forbidden(ExtensionName),
    #[error("the request did not come from a page of this appliance")]
    CrossSite,
    #[error("{0} declares no endpoint for this path")]
    EndpointNotFound(ExtensionName),
    #[error("this path answers only {}", .0.iter().map(|m| m.as_str()).collect::<Vec<_>>().join(", "))]
    MethodNotAllowed(Vec<EndpointMethod>),
    #[error("{0} has no component")]
    NoComponent(ExtensionName),
    #[error("the component of {0} is still being prepared")]
    Preparing(ExtensionName),
    #[error(
        "{name} is failing and is left alone: {} executions failed, and the next call is let \
         through in {} s",
        .left_alone.failures, .left_alone.wait_s()
    )]
    Failing { name: ExtensionName, left_alone: LeftAlone },
    #[error(transparent)]
    TooManyCalls(TooManyCalls),
    #[error(transparent)]
    Key(KeyError),
    #[error(transparent)]
    Compile(CompileError),
    #[error(transparent)]
    Execute(#[from] ExecuteError),
}

impl App {
    /// Runs the handler of a found endpoint under its deadline. `component` is what
    /// [`App::until_ready`] gave, where that was waited for before.
    pub async fn dispatch(
        &self,
        found: Box<FoundEndpoint>,
        request: GatewayRequest,
        component: Option<HeldComponent>,
    ) -> Result<GuestResponse, DispatchError> {
        let version = &found.install.version;
        let Some(world) = version.world else {
            return Err(DispatchError::NoComponent(version.name.clone()));
        };
        let gateway = &self.config.gateway;
        let longest = found.longest_answer(gateway);
        let deadline = found.deadline(gateway);
        let component = match component {
            Some(component) => component,
            None => self.until_ready(&found).await?,
        };
        let now = self.as_it_is_now(&found.install)?;
        let is_current = now.version.content_hash == version.content_hash;
        let now = if is_current { now } else { Arc::new(as_it_began(&found.install, &now)) };
        let LiveInstall { install, labels, last_use, .. } = &*now;
        let mut admitted = if is_current {
            let admitted = self.usages.admit(install, labels, last_use);
            admitted.map_err(|held| failing(&version.name, held))?
        } else {
            self.usages.admit_outdated(install, labels, last_use)
        };
        let invocation = Invocation {
            content_hash: version.content_hash,
            world,
            context: ExecutionContext {
                request_id: request.request_id,
                install: Arc::clone(&now.labels),
                trace: found.trace,
            },
            request: request.guest,
            grants: Arc::clone(&now.grants),
            allowance: Arc::clone(&now.allowance),
            settings: Arc::clone(&now.settings),
            secrets: self.readable_secrets(&now),
            user: found.user,
            deadline,
            stream: StreamLimits {
                total: longest,
                idle: Duration::from_millis(gateway.stream_idle_timeout_ms),
            },
            max_response_bytes: if world.streams() {
                gateway.max_response_bytes
            } else {
                gateway.max_whole_response_bytes()
            },
            observer: std::mem::take(&mut admitted.observer),
        };
        let response = self.runner.execute(invocation).await?;
        drop(component);
        if matches!(response.body, GuestBody::Stream(_)) {
            admitted.note_begun(self.clock.now());
        }
        Ok(response)
    }
}

impl App {
    /// The install as of this moment: the body may have taken minutes to arrive, and what was
    /// disabled or taken away meanwhile counts. What began before an upgrade ends as it began,
    /// if there still is an install, and with no right that it has lost since.
    fn as_it_is_now(&self, found: &Arc<LiveInstall>) -> Result<Arc<LiveInstall>, DispatchError> {
        let live = self.registry.live();
        let now = live.install_by_id(&found.install.id).filter(|now| now.install.enabled);
        let now = now.ok_or_else(|| DispatchError::NotInstalled(found.version.name.to_string()))?;
        Ok(Arc::clone(now))
    }

    /// Waits until the component of `found` is ready, for as long as its deadline.
    pub(super) async fn until_ready(
        &self,
        found: &FoundEndpoint,
    ) -> Result<HeldComponent, DispatchError> {
        found.install.last_use.touch(self.clock.now());
        match self.runner.hold(&found.install.version.content_hash) {
            Some(component) => Ok(component),
            None => Box::pin(self.made_ready(found)).await,
        }
    }

    async fn made_ready(&self, found: &FoundEndpoint) -> Result<HeldComponent, DispatchError> {
        let version = &found.install.version;
        let hash = &version.content_hash;
        if version.world.is_none() || version.component().is_none() {
            return Err(DispatchError::NoComponent(version.name.clone()));
        }
        // Only an operator has it tried again: calls would keep the compiler busy.
        if let Some(refusal) = self.runner.refusal(hash) {
            return Err(DispatchError::Compile(CompileError::Prepare(refusal)));
        }
        // Loaded from disk, before what a start loads; compiled only if it never was.
        let _part = found.trace.part(|| Span::new(Kind::Internal, "prepare"));
        let prepared = async {
            loop {
                self.prepare(version).await?;
                if let Some(component) = self.runner.hold(hash) {
                    return Ok(component);
                }
                // It was released for others just now.
                tokio::task::yield_now().await;
            }
        };
        match tokio::time::timeout(found.deadline(&self.config.gateway), prepared).await {
            Err(_elapsed) => Err(DispatchError::Preparing(version.name.clone())),
            Ok(prepared) => prepared.map_err(DispatchError::Compile),
        }
    }

    /// Without a grant that needs them there is nothing to hand on. `ui-proxy` sends one, and
    /// calls those that are bound to their host: both give none to a guest.
    fn readable_secrets(&self, install: &LiveInstall) -> Option<InstallSecrets> {
        let needing = [Capability::SecretsGet, Capability::UiProxy, Capability::HttpFetch];
        let granted = needing.iter().any(|needs| install.grants.contains(needs));
        granted.then(|| self.secrets.of(Owner::of(&install.labels)))
    }
}

impl FoundEndpoint {
    /// How long its answer may take to begin.
    fn deadline(&self, gateway: &GatewayConfig) -> Duration {
        Duration::from_millis(lower(gateway.timeout_ms, self.endpoint().timeout_ms))
    }

    /// The install that answers.
    pub fn labels(&self) -> &Arc<InstallLabels> {
        &self.install.labels
    }

    /// Whether its body may be handed on while it arrives.
    pub fn streams(&self) -> bool {
        streams(&self.install)
    }

    /// How long an answer may take in all, until its client has the last byte.
    pub fn longest_answer(&self, gateway: &GatewayConfig) -> Duration {
        Duration::from_millis(lower(gateway.stream_timeout_ms, self.endpoint().timeout_ms))
    }

    /// The declared path, for logs and metrics: never the path that was sent.
    pub fn endpoint(&self) -> &Endpoint {
        &self.install.version.manifest.endpoints[self.index]
    }
}

/// An install as a call has it that began before an upgrade: its version and its settings, which
/// were made for each other, and of its rights those that it has not lost since. Its secrets are
/// read as they are then.
fn as_it_began(found: &LiveInstall, now: &LiveInstall) -> LiveInstall {
    LiveInstall {
        grants: Arc::new(found.grants.intersection(&now.grants).copied().collect()),
        allowance: Arc::new(found.allowance.within(&now.allowance)),
        ..found.clone()
    }
}

fn failing(name: &ExtensionName, left_alone: LeftAlone) -> DispatchError {
    DispatchError::Failing { name: name.clone(), left_alone }
}

/// What an endpoint says can only lower what the appliance allows.
fn lower(limit: u64, own: Option<u64>) -> u64 {
    own.map_or(limit, |own| own.min(limit))
}

fn streams(install: &LiveInstall) -> bool {
    install.version.world.is_some_and(TargetWorld::streams)
}
