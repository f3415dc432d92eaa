//! From an invocation that has its slot to an execution under way.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::time::Instant;
use wasmtime::Store;

use super::counted_store::CountedStore;
use super::ending::InLine;
use super::execution::{AnswerLimits, Awaited, Execution};
use super::host::Host;
use super::invocation::{GuestRequest, Invocation};
use super::slots::Slot;
use super::timekeeper::Timekeeper;
use super::worlds::Prepared;
use super::{Runner, limits};

impl Runner {
    /// Begins the execution of `component` that `invocation` asks for.
    pub(super) fn begin(
        &self,
        invocation: Box<Invocation>,
        component: Arc<Prepared>,
        slot: Slot,
        in_line: InLine,
    ) -> Awaited {
        let (execution, request) = self.execution(invocation, component, slot, in_line);
        execution.begin(request, &self.executors)
    }

    /// An execution that has not begun, and the request that it is to answer.
    pub(super) fn execution(
        &self,
        invocation: Box<Invocation>,
        component: Arc<Prepared>,
        slot: Slot,
        in_line: InLine,
    ) -> (Execution, Box<GuestRequest>) {
        let Invocation { content_hash, world, context, request, .. } = *invocation;
        let limits = AnswerLimits {
            started: Instant::now(),
            deadline: invocation.deadline,
            stream: invocation.stream,
            max_bytes: invocation.max_response_bytes,
            sent: AtomicU64::new(0),
        };
        let time = Arc::new(Timekeeper::new(self.cpu_limit));
        let charge = slot.charge(&time);
        let per_call = self.limits.per_call();
        let mut host = Host::new(context, invocation.grants, invocation.user, per_call);
        host.observed(in_line.begin()).timed(&time).at_rate(slot.lines());
        host.logged_in(self.guest_logs.clone(), content_hash);
        host.keeping_in(self.state.clone()).confiding(invocation.secrets);
        host.calling(self.egress.as_ref(), invocation.allowance);
        host.configured(invocation.settings).asking(self.callbacks.clone());
        let store = self.store(host, limits::hostcall_fuel(world, limits.max_bytes), &time);
        let store = CountedStore::new(store, &time);
        let ticker = Arc::clone(&self.ticker);
        (Execution { component, store, time, limits, charge, slot, ticker }, request)
    }

    /// A fresh store: a guest never meets what an earlier one left.
    fn store(&self, host: Host, hostcall_fuel: usize, time: &Arc<Timekeeper>) -> Store<Host> {
        let mut store = Store::new(&self.engine, host);
        if !limits::ENFORCED {
            return store;
        }
        store.limiter(|host| &mut host.limits);
        store.set_hostcall_fuel(hostcall_fuel);
        store.set_max_component_handles(limits::HANDLES);
        let time = Arc::clone(time);
        store.epoch_deadline_callback(move |_| time.interrupt());
        store.set_epoch_deadline(1);
        store
    }
}
