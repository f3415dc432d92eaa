//! The time of one execution, on a processor and on the wall.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::task::yield_now;
use wasmtime::{UpdateDeadline, bail};

use super::thread_clock::thread_ns;
use super::{LONG_TURN, limits};

/// Counts the time of one execution. Its thread counts the processor, whoever waits for it
/// looks at the clock on the wall.
pub(super) struct Timekeeper {
    cpu_limit_ns: u64,
    spent_ns: AtomicU64,
    /// What its end took, after all its turns.
    end_ns: AtomicU64,
    /// What the thread's clock said when it last turned to this execution.
    since_ns: AtomicU64,
    over: AtomicBool,
    /// It gave its thread back in this turn.
    gave_back: AtomicBool,
    /// Once it is settled who waits: somebody, for the answer that there is, or nobody, and why.
    settled: OnceLock<Option<Late>>,
}

/// Why nobody waits for an execution any more, after so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    /// It had not begun to answer.
    Guest(Duration),
    /// Its client had not sent the body that it waited for.
    Client(Duration),
}

/// What an execution does at a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AtTick {
    /// Its turn has just begun. If all that stand in line over a tick gave their thread back,
    /// each would begin and then wait for the others, with a memory of its own.
    GoOn,
    /// It gives its thread back to who waits.
    GiveBack,
    /// It has had its time on a processor.
    End,
}

impl Timekeeper {
    pub(super) fn new(cpu_limit: Duration) -> Self {
        Self {
            cpu_limit_ns: nanoseconds(cpu_limit),
            spent_ns: AtomicU64::new(0),
            end_ns: AtomicU64::new(0),
            since_ns: AtomicU64::new(0),
            over: AtomicBool::new(false),
            gave_back: AtomicBool::new(false),
            settled: OnceLock::new(),
        }
    }

    /// Counts every turn that `work` has.
    pub(super) async fn counted<T>(&self, mut work: Pin<&mut impl Future<Output = T>>) -> T {
        if !limits::ENFORCED {
            return work.await;
        }
        poll_fn(|cx| self.count(|| work.as_mut().poll(cx))).await
    }

    /// Counts what this thread does for the execution.
    pub(super) fn count<T>(&self, work: impl FnOnce() -> T) -> T {
        self.gave_back.store(false, Relaxed);
        self.since_ns.store(thread_ns(), Relaxed);
        let done = work();
        self.spent_ns.fetch_add(self.underway_ns(), Relaxed);
        done
    }

    /// Counts what this thread does when the execution is over, apart from its turns.
    pub(super) fn count_end(&self, work: impl FnOnce()) {
        let began = thread_ns();
        work();
        self.end_ns.fetch_add(thread_ns().saturating_sub(began), Relaxed);
    }

    /// Time on a processor after its turns.
    pub(super) fn end(&self) -> Duration {
        Duration::from_nanos(self.end_ns.load(Relaxed))
    }

    /// Time on a processor, without what is just being counted.
    pub(super) fn spent(&self) -> Duration {
        Duration::from_nanos(self.spent_ns.load(Relaxed))
    }

    /// Asked at a tick, by the thread that counts: how the guest goes on.
    pub(super) fn interrupt(self: &Arc<Self>) -> wasmtime::Result<UpdateDeadline> {
        match self.at_tick() {
            AtTick::GoOn => Ok(UpdateDeadline::Continue(1)),
            AtTick::GiveBack => {
                Ok(UpdateDeadline::YieldCustom(1, Box::pin(Arc::clone(self).give_back())))
            }
            AtTick::End => bail!("it has had {} ms of a processor", self.cpu_limit().as_millis()),
        }
    }

    /// Waits for the next turn, however often it is polled in this one: who waits for what the
    /// guest writes polls it again at once when there is something.
    pub(super) async fn give_back(self: Arc<Self>) {
        self.gave_back.store(true, Relaxed);
        while self.gave_back.load(Relaxed) {
            // It lets the timer run first: without it a loop on a single thread would be found
            // out many ticks after its deadline.
            yield_now().await;
        }
    }

    fn at_tick(&self) -> AtTick {
        let turn_ns = self.underway_ns();
        if self.spent_ns.load(Relaxed) + turn_ns >= self.cpu_limit_ns {
            self.over.store(true, Relaxed);
        }
        if self.is_over() {
            AtTick::End
        } else if turn_ns < nanoseconds(LONG_TURN) {
            AtTick::GoOn
        } else {
            AtTick::GiveBack
        }
    }

    /// Whether it ended because it had had its time on a processor.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Relaxed)
    }

    pub(super) fn cpu_limit(&self) -> Duration {
        Duration::from_nanos(self.cpu_limit_ns)
    }

    /// Says that nobody waits any more; or else that there is an answer on its way.
    pub(super) fn expire(&self, late: Late) -> bool {
        self.settled.set(Some(late)).is_ok()
    }

    /// Says that there is an answer, for which its caller waits from now on; or else why nobody
    /// does.
    pub(super) fn settle(&self) -> Option<Late> {
        *self.settled.get_or_init(|| None)
    }

    /// Why nobody waits any more.
    pub(super) fn expired(&self) -> Option<Late> {
        self.settled.get().copied().flatten()
    }

    fn underway_ns(&self) -> u64 {
        thread_ns().saturating_sub(self.since_ns.load(Relaxed))
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::task::{Context, Waker};
    use std::thread::sleep;
    use std::time::Instant;

    use super::*;

    impl Timekeeper {
        /// As if it had been counted.
        pub(in crate::runner) fn pretend(&self, spent: Duration) {
            self.spent_ns.store(nanoseconds(spent), Relaxed);
        }
    }

    /// Keeps a processor busy until the clock of this thread has moved so far.
    fn compute(duration: Duration) {
        let (started, end) = (Instant::now(), thread_ns() + nanoseconds(duration));
        while thread_ns() < end && started.elapsed() < Duration::from_mins(1) {
            black_box(0);
        }
    }

    type Yielded = Pin<Box<dyn Future<Output = ()> + Send>>;

    /// What a guest waits for that gives its thread back.
    fn yielded(deadline: UpdateDeadline) -> Yielded {
        let UpdateDeadline::YieldCustom(1, yielded) = deadline else { panic!("it goes on") };
        yielded
    }

    #[test]
    fn waiting_costs_nothing_and_computing_does() {
        let time = Timekeeper::new(Duration::from_secs(1));

        time.count(|| sleep(Duration::from_millis(60)));
        let waited = time.spent();
        time.count(|| compute(Duration::from_millis(20)));

        assert!(waited < Duration::from_millis(20), "{waited:?}");
        let all = time.spent();
        // What a hypervisor takes may be counted while it computes, and not when that is over.
        let least = waited + Duration::from_millis(20 - 1);
        assert!(all >= least, "{all:?}, {waited:?} of it waiting");
    }

    #[test]
    fn the_limit_counts_over_all_turns() {
        let time = Timekeeper::new(Duration::from_millis(30));
        let turn = || {
            time.count(|| {
                compute(Duration::from_millis(20));
                time.at_tick()
            })
        };

        assert_eq!((turn(), time.is_over()), (AtTick::GiveBack, false));
        assert_eq!((turn(), time.is_over()), (AtTick::End, true));
    }

    #[test]
    fn a_turn_that_has_just_begun_goes_on_however_many_there_were() {
        let time = Timekeeper::new(Duration::from_secs(1));

        time.count(|| compute(Duration::from_millis(20)));

        assert_eq!(time.count(|| time.at_tick()), AtTick::GoOn);
    }

    #[test]
    fn who_gives_the_thread_back_goes_on_in_the_next_turn_however_often_it_is_polled() {
        let time = Arc::new(Timekeeper::new(Duration::from_secs(1)));
        let poll = |yielded: &mut Yielded| {
            yielded.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
        };

        let (mut yielded, in_this_turn) = time.count(|| {
            compute(2 * LONG_TURN);
            let mut yielded = yielded(time.interrupt().unwrap());
            let polls = [poll(&mut yielded), poll(&mut yielded)];
            (yielded, polls)
        });
        let in_the_next = time.count(|| poll(&mut yielded));

        assert_eq!((in_this_turn, in_the_next), ([false, false], true));
    }
}
