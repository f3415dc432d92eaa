//! The threads that guests run on: their own, behind those that speak HTTP.

mod guests;
mod inline;
mod outbox;
mod turn;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Poll;
use std::thread;

use async_task::Task;
use rustix::process::nice;
use tokio::task::unconstrained;

use self::guests::{Guests, Kind, Timers};
use self::inline::{Inline, InlineTurn};
pub use self::inline::{thread_waits, thread_wakes};
pub(super) use self::outbox::Outbox;
use super::thread_clock::thread_ns;
use super::timekeeper::Timekeeper;
use super::{LONG_TURN, TICK};

/// How much politer guests are than the threads that answer clients: with both at work, a
/// third of the time is theirs (sched(7), "The nice value").
const NICENESS: i32 = 5;
/// The same of guests that compute for long: with others at work, a tenth is theirs.
const LONG_NICENESS: i32 = 15;
/// Threads beside those that are at work at once, for when these are held up. What a guest does
/// in one instruction, as filling its memory, nothing interrupts; meanwhile others need a
/// thread that the kernel can give the core to.
const SPARE_THREADS: usize = 3;

/// Runs executions on threads of their own, however many there are.
pub(super) struct Executors {
    /// Where every execution begins.
    guests: Arc<Guests>,
    /// Where those go on that compute for longer than a tick.
    long: Arc<Guests>,
    inline: Arc<Inline>,
    outbox: Arc<Outbox>,
}

impl Executors {
    /// Starts the threads, of which `at_once` are at work; 0: one for each core that the
    /// process may use. There are as many again for executions that compute for long.
    pub(super) fn start(at_once: usize) -> io::Result<Self> {
        let at_once = match at_once {
            0 => thread::available_parallelism()?.get(),
            at_once => at_once,
        };
        // The first question of a process takes half a millisecond, and not of its first caller.
        thread_ns();
        let (outbox, timers) = (Arc::<Outbox>::default(), Arc::new(Timers::start()?));
        let told = Arc::new(AtomicBool::new(false));
        let start = |name, spare, niceness| {
            let (told, kind) =
                (Arc::clone(&told), Kind { name, at_once, spare, long_turn: LONG_TURN });
            let prepare = move || step_back(niceness, &told);
            Guests::start(kind, Arc::clone(&outbox), Arc::clone(&timers), prepare)
        };
        let guests = start("runner-guest", SPARE_THREADS, NICENESS)?;
        let long = start("runner-long", 0, LONG_NICENESS);
        let long = long.inspect_err(|_| guests.stop())?;
        Ok(Self { guests, long, inline: Arc::new(Inline::new(LONG_TURN)), outbox })
    }

    /// By which an execution replies.
    pub(super) fn outbox(&self) -> Arc<Outbox> {
        Arc::clone(&self.outbox)
    }

    /// Begins an execution, which ends when what comes back is dropped. `time` is what it
    /// counts its turns with. One that is expected to be quick may take its first turn here.
    pub(super) fn spawn(
        &self,
        time: Arc<Timekeeper>,
        is_quick: bool,
        execution: impl Future<Output = ()> + Send + 'static,
    ) -> Task<()> {
        // Guests know nothing of the budget that a task of tokio has (`tokio::task::coop`).
        let execution = Box::pin(unconstrained(execution));
        let (runnable, task) = self.guests.prepare(begin(execution, time, Arc::clone(&self.long)));
        match self.turn_here(is_quick) {
            Some(_turn) => {
                self.guests.run_here(runnable);
                self.outbox.deliver();
            }
            None => runnable.schedule(),
        }
        task
    }

    /// The right to take a turn on this thread, if it is better taken here.
    fn turn_here(&self, is_quick: bool) -> Option<InlineTurn<'_>> {
        if !inline::asks_alone() || !(is_quick || inline::is_forced()) {
            return None;
        }
        if !self.guests.are_idle() {
            inline::has_company();
            return None;
        }
        self.inline.take()
    }

    /// What is to be done at every tick.
    pub(super) fn at_tick(&self) -> impl Fn() + Send + 'static {
        let guests = Arc::downgrade(&self.guests);
        let (inline, outbox) = (Arc::clone(&self.inline), Arc::clone(&self.outbox));
        move || {
            if let Some(guests) = guests.upgrade() {
                guests.relieve();
            }
            if inline.is_held_up() {
                outbox.wake_reader();
            }
        }
    }
}

/// Polls an execution until it ends, or hands it on once it has computed for a tick.
async fn begin(
    mut execution: Pin<Box<impl Future<Output = ()> + Send + 'static>>,
    time: Arc<Timekeeper>,
    long: Arc<Guests>,
) {
    let is_over = poll_fn(|cx| match execution.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(true),
        Poll::Pending if time.spent() >= TICK => Poll::Ready(false),
        Poll::Pending => Poll::Pending,
    });
    if !is_over.await {
        // Without one it was dropped, because it is all over.
        let _: Option<()> = long.spawn(execution).fallible().await;
    }
}

impl Drop for Executors {
    /// Does not wait, because it may happen on a thread that must not: executions under way
    /// end at their next tick.
    fn drop(&mut self) {
        self.guests.stop();
        self.long.stop();
    }
}

/// Lowers the priority of this thread alone, as Linux does (nice(2)).
fn step_back(niceness: i32, told: &AtomicBool) {
    if let Err(error) = nice(niceness)
        && !told.swap(true, Relaxed)
    {
        tracing::warn!("Extensions run at the same priority as everything else: {error}");
    }
}

#[cfg(test)]
mod tests;
