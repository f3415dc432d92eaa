//! What a guest can reach: the state of one execution behind its host calls.
//!
//! One file per interface. Every function asks [`Host::admit`] first, which
//! counts the call and knows the grants; an ability that is not granted answers
//! with the value the contract has for it, so that a guest can tell the user.

mod application;
mod clients;
mod context;
mod credentials;
mod guest_log;
mod http;
mod invoicing;
mod keyvalue;
mod known_secrets;
mod logging;
mod outgoing;
mod scheduler;
mod secrets;
mod services;
mod settings;
mod storage;
mod ui_proxy;
mod user;
mod wasi;

pub(super) use self::guest_log::escape;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::bail;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi_http::WasiHttpCtx;

use self::credentials::Credentials;
use self::guest_log::GuestLog;
use self::outgoing::Outgoing;
use super::bindings;
use super::ending::{self, Ended, Observer, Outcome};
use super::error::ExecuteError;
use super::invocation::{ExecutionContext, UserIdentity};
use super::limits::{self, CallLimits};
use super::line_rate::LineRate;
use super::request_body::UploadWatch;
use super::response::Usage;
use super::timekeeper::Timekeeper;
use crate::callbacks::Callbacks;
use crate::egress::Egress;
use crate::guest_logs::GuestLogs;
use crate::model::{Allowance, Capability, ContentHash, SettingTexts};
use crate::state::{State, secrets::InstallSecrets};
use crate::traces::{Kind, Part, Span};

/// The state of one execution.
pub(super) struct Host {
    pub(super) limits: CallLimits,
    /// Everything the guest has a handle to.
    pub(super) table: ResourceTable,
    context: ExecutionContext,
    grants: Arc<BTreeSet<Capability>>,
    user: Option<Box<UserIdentity>>,
    log: Arc<GuestLog>,
    calls: u32,
    /// Made when a guest first asks for WASI: seeding its randomness alone
    /// costs as much as a small execution.
    wasi: Option<Box<WasiCtx>>,
    http: WasiHttpCtx,
    outgoing: Outgoing,
    started: Instant,
    observer: Observer,
    time: Option<Arc<Timekeeper>>,
    state: Option<State>,
    secrets: Option<InstallSecrets>,
    settings: Option<Arc<SettingTexts>>,
    callbacks: Option<Callbacks>,
    /// Bytes of the body of the request that were there at once.
    body_bytes: u64,
    /// The body of the request, if it still arrives.
    upload: Option<Arc<UploadWatch>>,
}

impl Host {
    pub(super) fn new(
        context: ExecutionContext,
        grants: Arc<BTreeSet<Capability>>,
        user: Option<Box<UserIdentity>>,
        limits: CallLimits,
    ) -> Self {
        let mut host = Self {
            limits,
            table: ResourceTable::new(),
            log: Arc::new(GuestLog::new(context.clone())),
            context,
            grants,
            user,
            calls: 0,
            wasi: None,
            http: WasiHttpCtx::new(),
            outgoing: Outgoing::none(),
            started: Instant::now(),
            observer: Observer::default(),
            time: None,
            state: None,
            secrets: None,
            settings: None,
            callbacks: None,
            body_bytes: 0,
            upload: None,
        };
        host.table.set_max_capacity(limits::HANDLES);
        host.http.set_field_size_limit(limits::FIELD_BYTES);
        host
    }

    /// Knows of the body of the request: how much is there, and what knows of the rest that
    /// still arrives.
    pub(super) fn watch(&mut self, there: u64, upload: Option<Arc<UploadWatch>>) {
        self.body_bytes = there;
        self.upload = upload;
    }

    /// Reads the time of the execution from `time`.
    pub(super) fn timed(&mut self, time: &Arc<Timekeeper>) -> &mut Self {
        self.time = Some(Arc::clone(time));
        self
    }

    /// Writes no more lines than its install may.
    pub(super) fn at_rate(&mut self, rate: Arc<LineRate>) -> &mut Self {
        self.log.hold_to(rate);
        self
    }

    /// Has its lines kept in `logs`, if they are.
    pub(super) fn logged_in(
        &mut self,
        logs: Option<GuestLogs>,
        content_hash: ContentHash,
    ) -> &mut Self {
        if let Some(logs) = logs {
            self.log.keep_in(logs, content_hash);
        }
        self
    }

    /// Lets the guest keep values in `state`.
    pub(super) fn keeping_in(&mut self, state: Option<State>) -> &mut Self {
        self.state = state;
        self
    }

    /// Lets the guest call what the lists allow, if its install may call anything; with the
    /// secrets that it was given before this.
    pub(super) fn calling(
        &mut self,
        egress: Option<&Egress>,
        allowance: Arc<Allowance>,
    ) -> &mut Self {
        if let Some(egress) = egress
            && self.grants.contains(&Capability::HttpFetch)
        {
            let credentials = Credentials {
                secrets: self.secrets.clone(),
                log: Arc::clone(&self.log),
                context: self.context.clone(),
            };
            self.outgoing = Outgoing::new(egress.clone(), credentials, allowance);
        }
        self
    }

    /// Lets the guest read the secrets of its install.
    pub(super) fn confiding(&mut self, secrets: Option<InstallSecrets>) -> &mut Self {
        self.secrets = secrets;
        self
    }

    /// Lets the guest read what its operator has set.
    pub(super) fn configured(&mut self, settings: Arc<SettingTexts>) -> &mut Self {
        self.settings = Some(settings);
        self
    }

    /// Lets the guest ask the operator's own application.
    pub(super) fn asking(&mut self, callbacks: Option<Callbacks>) -> &mut Self {
        self.callbacks = callbacks;
        self
    }

    /// Tells `observer` how the execution ended.
    pub(super) fn observed(&mut self, observer: Observer) -> &mut Self {
        self.observer = observer;
        self
    }

    pub(super) fn context(&self) -> &ExecutionContext {
        &self.context
    }

    /// `text` without what the guest has read in confidence.
    pub(super) fn discreet(&self, text: String) -> String {
        self.log.discreet(text)
    }

    /// A part of the call that this host function is, in the words of its interface.
    fn part(&self, name: &'static str) -> Part {
        self.context.trace.part(|| Span::new(Kind::Internal, name))
    }

    /// Counts a host call and says whether the install grants `capability`.
    fn admit(&mut self, capability: Capability) -> wasmtime::Result<bool> {
        self.admit_all(1, capability)
    }

    /// Counts as many host calls as one call is worth, at least one.
    fn admit_all(&mut self, calls: usize, capability: Capability) -> wasmtime::Result<bool> {
        self.count(calls.max(1))?;
        Ok(self.grants.contains(&capability))
    }

    /// Counts what a call reads or writes of what is kept: as many more calls as it is worth.
    fn count_bytes(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.count(bytes / limits::BYTES_PER_HOST_CALL)
    }

    fn count(&mut self, calls: usize) -> wasmtime::Result<()> {
        self.turn_away();
        let calls = u32::try_from(calls).unwrap_or(u32::MAX);
        self.calls = self.calls.saturating_add(calls);
        // A flood of cheap calls is work for the host that no guest counter sees.
        if self.calls > limits::HOST_CALLS {
            bail!("more than {} calls to the host", limits::HOST_CALLS);
        }
        Ok(())
    }

    /// The guest does something else than to wait for the client.
    fn turn_away(&self) {
        if let Some(upload) = &self.upload {
            upload.turn_away();
        }
    }

    /// The sentence for results that carry text instead of an error case.
    fn unavailable(&mut self, capability: Capability, ability: &str) -> wasmtime::Result<String> {
        Ok(if self.admit(capability)? {
            format!("{ability} is not available on this host")
        } else {
            format!("Permission denied: {capability} not granted")
        })
    }

    /// Drops all that the guest had a handle to: whoever reads from it learns
    /// that nothing more will come.
    pub(super) fn release(&mut self) {
        self.table = ResourceTable::new();
    }

    /// Ends the execution: flushes the log and says what it took.
    pub(super) fn close(&mut self) -> Usage {
        self.release();
        self.wasi = None;
        Usage {
            duration: self.started.elapsed(),
            cpu: self.time.as_ref().map_or(Duration::ZERO, |time| time.spent()),
            peak_memory_bytes: self.limits.memory_bytes(),
            host_calls: self.calls,
            request_bytes: self.request_bytes(),
            ..self.log.close()
        }
    }

    /// Bytes of the request body that have come.
    fn request_bytes(&self) -> u64 {
        self.body_bytes + self.upload.as_ref().map_or(0, |upload| upload.received())
    }

    /// Says how it ended and what it took, once.
    pub(super) fn tell(&mut self, usage: &Usage, error: Option<&ExecuteError>, begun: bool) {
        let outcome = error.map_or(Outcome::Answered, |error| Outcome::of(error, begun));
        let ended = Ended { usage, outcome, error };
        ending::note_end(&self.context.trace, &ended);
        self.observer.tell(&ended);
    }
}

impl Drop for Host {
    /// An execution that nobody waits for any more is dropped where it stands.
    fn drop(&mut self) {
        if !self.observer.is_told() {
            let usage = self.close();
            let late = self.time.as_ref().and_then(|time| time.expired());
            let late = late.map(ExecuteError::from);
            // What made the host fail is the guest's doing, and no caller's.
            let failed = || ExecuteError::Trap("the host failed".to_owned());
            let late = if std::thread::panicking() { Some(failed()) } else { late };
            let outcome = late.as_ref().map_or(Outcome::Caller, |late| Outcome::of(late, false));
            let ended = Ended { usage: &usage, outcome, error: late.as_ref() };
            ending::note_end(&self.context.trace, &ended);
            self.observer.tell(&ended);
        }
    }
}

impl bindings::types::Host for Host {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RunnerConfig;
    use crate::runner::limits::StoreLimits;

    impl Host {
        pub(in crate::runner) fn sample(grants: &[Capability]) -> Self {
            let limits = StoreLimits::new(&RunnerConfig::default()).per_call();
            let grants = Arc::new(grants.iter().copied().collect());
            Self::new(ExecutionContext::sample(), grants, None, limits)
        }
    }

    #[test]
    fn a_refusal_in_words_says_whether_a_grant_would_help() {
        let capability = Capability::SchedulerManage;

        assert_eq!(
            Host::sample(&[]).unavailable(capability, "scheduling").unwrap(),
            "Permission denied: cap:scheduler.manage not granted"
        );
        assert_eq!(
            Host::sample(&[capability]).unavailable(capability, "scheduling").unwrap(),
            "scheduling is not available on this host"
        );
    }

    #[test]
    fn a_panic_of_the_host_is_no_caller_that_left() {
        let told = Arc::<std::sync::Mutex<Vec<_>>>::default();
        let tells = Arc::clone(&told);
        let observer = Observer::new(move |ended, _mark| tells.lock().unwrap().push(ended.outcome));
        let panicking = observer.clone();

        Host::sample(&[]).observed(observer);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut host = Host::sample(&[]);
            host.observed(panicking);
            panic!("in a host function");
        }));

        result.unwrap_err();
        assert_eq!(*told.lock().unwrap(), [Outcome::Caller, Outcome::Trap]);
    }

    #[test]
    fn host_calls_end_with_their_budget() {
        let mut host = Host::sample(&[]);
        for _ in 0..limits::HOST_CALLS {
            host.admit(Capability::LogEmit).unwrap();
        }

        assert!(host.admit(Capability::LogEmit).is_err());
    }

    #[test]
    fn bytes_of_what_is_kept_take_from_the_same_budget() {
        let mut host = Host::sample(&[]);
        host.count_bytes(limits::BYTES_PER_HOST_CALL - 1).unwrap();
        host.count_bytes(3 * limits::BYTES_PER_HOST_CALL).unwrap();
        assert_eq!(host.calls, 3);

        let left = limits::HOST_CALLS as usize - 3;
        host.count_bytes(left * limits::BYTES_PER_HOST_CALL).unwrap();
        assert!(host.count_bytes(limits::BYTES_PER_HOST_CALL).is_err());
    }
}
