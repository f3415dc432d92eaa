//! The threads that guests run on: their own, behind those that speak HTTP.

mod guests;
mod outbox;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Poll;
use std::thread;

use async_task::Task;
use rustix::process::nice;

use self::guests::{Guests, Kind, Timers};
pub(super) use self::outbox::Outbox;
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
        Ok(Self { guests, long, outbox })
    }

    /// By which an execution replies.
    pub(super) fn outbox(&self) -> Arc<Outbox> {
        Arc::clone(&self.outbox)
    }

    /// Begins an execution, which ends when what comes back is dropped. `time` is what it
    /// counts its turns with.
    pub(super) fn spawn(
        &self,
        time: Arc<Timekeeper>,
        execution: impl Future<Output = ()> + Send + 'static,
    ) -> Task<()> {
        self.guests.spawn(begin(Box::pin(execution), time, Arc::clone(&self.long)))
    }

    /// What is to be done at every tick.
    pub(super) fn at_tick(&self) -> impl Fn() + Send + 'static {
        let guests = Arc::downgrade(&self.guests);
        move || {
            if let Some(guests) = guests.upgrade() {
                guests.relieve();
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
mod tests {
    use std::hint::black_box;
    use std::time::Duration;

    use rustix::process::getpriority_process;
    use rustix::time::{ClockId, Timespec, clock_gettime};
    use tokio::sync::oneshot;
    use tokio::task::yield_now;

    use super::*;

    fn time() -> Arc<Timekeeper> {
        Arc::new(Timekeeper::new(Duration::from_secs(10)))
    }

    /// Has more of a processor than a tick.
    fn compute() {
        let had = || clock_gettime(ClockId::ThreadCPUTime);
        let end = had() + Timespec { tv_sec: 0, tv_nsec: 15_000_000 };
        while had() < end {
            black_box(0);
        }
    }

    fn priority() -> i32 {
        getpriority_process(None).unwrap()
    }

    /// 19 is the politest there is.
    fn politer(niceness: i32) -> i32 {
        (priority() + niceness).min(19)
    }

    #[tokio::test]
    async fn guests_run_at_a_lower_priority_than_who_waits_for_them() {
        let executors = Executors::start(1).unwrap();
        let (sender, told) = oneshot::channel();

        let task = executors.spawn(time(), async move { sender.send(priority()).unwrap() });

        assert_eq!(told.await.unwrap(), politer(NICENESS));
        task.await;
    }

    #[tokio::test]
    async fn who_computes_for_long_goes_on_at_an_even_lower_one() {
        let executors = Executors::start(1).unwrap();
        let (sender, told) = oneshot::channel();
        let time = time();
        let guest = async move {
            let before = priority();
            compute();
            yield_now().await;
            sender.send((before, priority())).unwrap();
        };

        let counted = Arc::clone(&time);
        let task = executors.spawn(time, async move { counted.counted(guest).await });

        assert_eq!(told.await.unwrap(), (politer(NICENESS), politer(LONG_NICENESS)));
        task.await;
    }

    #[tokio::test]
    async fn what_nobody_waits_for_ends() {
        for computes in [false, true] {
            let executors = Executors::start(1).unwrap();
            let (held, ended) = oneshot::channel::<()>();
            let (begun, begins) = oneshot::channel();
            let time = time();
            let counted = Arc::clone(&time);
            let guest = async move {
                let _held = held;
                if computes {
                    compute();
                }
                yield_now().await;
                begun.send(()).unwrap();
                std::future::pending::<()>().await;
            };

            let task = executors.spawn(time, async move { counted.counted(guest).await });
            begins.await.unwrap();
            drop(task);

            assert!(ended.await.is_err());
        }
    }
}
