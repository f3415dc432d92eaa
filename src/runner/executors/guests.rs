//! Threads that take turns of executions, in the order in which these became ready.
//!
//! As many are at work as there are cores to have. A thread more than that only takes time
//! from the others, and what waits in line behind it waits for its share of the core. So the
//! others stand by, and take over when a thread is held up: by a guest that computes until its
//! next tick, or by one long instruction, which nothing interrupts.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{collections::VecDeque, io, panic::AssertUnwindSafe, thread};

use async_task::{Runnable, Task};
use futures_util::FutureExt;
use tokio::runtime::{Builder, Runtime};

use super::outbox::Outbox;
use super::turn::Turn;
use crate::allocator::give_memory_back;

/// After which time without work a thread gives back what its last guests left.
const IDLE: Duration = Duration::from_secs(1);
/// After which time it does so again: guests that went on elsewhere leave what they had of its
/// memory when they end.
const STILL_IDLE: Duration = Duration::from_secs(10);

/// Threads for guests and what they have to do.
pub(super) struct Guests {
    line: Mutex<Line>,
    threads: Vec<GuestThread>,
    /// Threads at work, not counting those that are held up.
    at_once: usize,
    long_turn: Duration,
    outbox: Arc<Outbox>,
    timers: Arc<Timers>,
}

/// What threads that take turns are like.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// As many are at work.
    pub(super) at_once: usize,
    /// As many more stand by.
    pub(super) spare: usize,
    /// How long a turn takes that holds its thread up.
    pub(super) long_turn: Duration,
}

/// What is ready, and who has nothing to do.
struct Line {
    ready: VecDeque<Runnable>,
    /// By their number; the last one was at work last.
    idle: Vec<usize>,
    is_over: bool,
}

struct GuestThread {
    called: Condvar,
    turn: Turn,
}

impl Guests {
    /// Starts the threads. Each begins with `prepare`.
    pub(super) fn start(
        kind: Kind,
        outbox: Arc<Outbox>,
        timers: Arc<Timers>,
        prepare: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<Arc<Self>> {
        let Kind { name, at_once, spare, long_turn } = kind;
        let thread = |_| GuestThread { called: Condvar::new(), turn: Turn::none() };
        let threads: Vec<_> = (0..at_once + spare).map(thread).collect();
        // All are at work until they have seen that there is nothing to do.
        let line = Line { ready: VecDeque::new(), idle: Vec::new(), is_over: false };
        let line = Mutex::new(line);
        let guests = Arc::new(Self { line, threads, at_once, long_turn, outbox, timers });
        let prepare = Arc::new(prepare);
        for number in 0..guests.threads.len() {
            let (these, prepare) = (Arc::clone(&guests), Arc::clone(&prepare));
            let named = thread::Builder::new().name(name.to_owned());
            let begun = named.spawn(move || {
                prepare();
                these.work(number);
            });
            begun.inspect_err(|_| guests.stop())?;
        }
        Ok(guests)
    }

    /// Begins an execution, which ends when what comes back is dropped.
    pub(super) fn spawn(
        self: &Arc<Self>,
        execution: impl Future<Output = ()> + Send + 'static,
    ) -> Task<()> {
        let (runnable, task) = self.prepare(execution);
        runnable.schedule();
        task
    }

    /// The first turn of an execution, and the execution. Whoever takes the first, the others
    /// are taken by these threads.
    pub(super) fn prepare(
        self: &Arc<Self>,
        execution: impl Future<Output = ()> + Send + 'static,
    ) -> (Runnable, Task<()>) {
        // The thread goes on with others; the panic was reported when it happened.
        let execution = AssertUnwindSafe(execution).catch_unwind().map(drop);
        let these = Arc::clone(self);
        async_task::spawn(execution, move |ready| these.line_up(ready))
    }

    /// Takes the turn on this thread, with the clock that those of guests have.
    pub(super) fn run_here(&self, ready: Runnable) {
        let _timers = self.timers.0.as_ref().map(Runtime::enter);
        ready.run();
    }

    /// Whether nothing is ready and nothing under way.
    pub(super) fn are_idle(&self) -> bool {
        let line = self.line();
        line.ready.is_empty() && line.idle.len() == self.threads.len()
    }

    /// Calls another thread if something is ready and those at work are held up, and delivers
    /// the replies that they left. To be asked at every tick: who came before they were is not
    /// asked again.
    pub(super) fn relieve(&self) {
        self.outbox.deliver_due();
        let mut line = self.line();
        let called = if line.ready.is_empty() { None } else { self.choose(&mut line) };
        drop(line);
        self.call(called);
    }

    /// The threads end after their turn; what is ready is dropped, and what becomes ready, too.
    pub(super) fn stop(&self) {
        let mut line = self.line();
        line.is_over = true;
        let left = std::mem::take(&mut line.ready);
        line.idle.clear();
        drop(line);
        // Not with the line locked: what is dropped may wake others.
        drop(left);
        self.threads.iter().for_each(|thread| thread.called.notify_one());
    }

    fn line_up(&self, ready: Runnable) {
        let mut line = self.line();
        if line.is_over {
            drop(line);
            return drop(ready);
        }
        line.ready.push_back(ready);
        let called = self.choose(&mut line);
        drop(line);
        self.call(called);
    }

    /// The thread that was at work last, if one more may be.
    fn choose(&self, line: &mut Line) -> Option<usize> {
        let busy = self.threads.len() - line.idle.len();
        let may_be = busy < self.at_once || busy - self.held_up() < self.at_once;
        if line.idle.is_empty() || !may_be { None } else { line.idle.pop() }
    }

    /// Not with the line locked: who is called would wait for it at once.
    fn call(&self, chosen: Option<usize>) {
        if let Some(number) = chosen {
            self.threads[number].called.notify_one();
        }
    }

    /// Takes turns until it is over.
    fn work(&self, number: usize) {
        let _timers = self.timers.0.as_ref().map(Runtime::enter);
        let own = &self.threads[number];
        while let Some(ready) = self.next(number) {
            self.outbox.deliver_due();
            own.turn.begin();
            ready.run();
            own.turn.end();
        }
    }

    /// What is ready, once there is something and this thread may be at work.
    fn next(&self, number: usize) -> Option<Runnable> {
        let mut line = self.line();
        loop {
            if line.is_over {
                drop(line);
                self.outbox.deliver();
                return None;
            }
            if self.may_be_at_work(&line)
                && let Some(ready) = line.ready.pop_front()
            {
                return Some(ready);
            }
            if !self.outbox.is_empty() {
                drop(line);
                self.outbox.deliver();
                line = self.line();
                continue;
            }
            line.idle.push(number);
            line = self.stand_by(number, line);
        }
    }

    /// Waits until the thread of this number, which is idle, is called.
    fn stand_by<'a>(&'a self, number: usize, line: MutexGuard<'a, Line>) -> MutexGuard<'a, Line> {
        let called = &self.threads[number].called;
        let (mut line, mut patience) = (line, IDLE);
        loop {
            let is_idle = |line: &mut Line| line.idle.contains(&number);
            let waited = called.wait_timeout_while(line, patience, is_idle);
            let (back, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            if !waited.timed_out() {
                return back;
            }
            drop(back);
            give_memory_back();
            (line, patience) = (self.line(), STILL_IDLE);
        }
    }

    /// Whether a thread that is none of the idle ones is not one too many.
    fn may_be_at_work(&self, line: &Line) -> bool {
        let busy = self.threads.len() - line.idle.len();
        busy <= self.at_once || busy - self.held_up() <= self.at_once
    }

    /// Threads whose turn has taken long.
    fn held_up(&self) -> usize {
        let is_held_up = |thread: &&GuestThread| thread.turn.takes_longer_than(self.long_turn);
        self.threads.iter().filter(is_held_up).count()
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What executions that wait for a time are woken by. They have no other event to wait for
/// that is not brought to them by who causes it.
pub(super) struct Timers(Option<Runtime>);

impl Timers {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("runner-timers")
            .enable_time()
            .build()?;
        Ok(Self(Some(runtime)))
    }
}

impl Drop for Timers {
    /// Does not wait, because it may happen on a thread that must not.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests;
