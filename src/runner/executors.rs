//! The threads that guests run on: their own, behind those that speak HTTP.

mod guests;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Poll;
use std::thread;

use async_task::Task;
use rustix::process::setpriority_process;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::task::AbortOnDropHandle;

use self::guests::Guests;
use super::TICK;
use super::timekeeper::Timekeeper;

/// How much politer guests are than the threads that answer clients: with both at work, a
/// third of the time is theirs (sched(7), "The nice value").
const NICENESS: i32 = 5;
/// The same of guests that compute for long: with others at work, a tenth is theirs.
const LONG_NICENESS: i32 = 15;
/// Threads beside those that are at work at once, for when these are held up. What a guest does
/// in one instruction, as filling its memory, nothing interrupts; meanwhile others need a
/// thread that the kernel can give the core to.
const SPARE_THREADS: usize = 3;

/// A thread of those that compute for long looks for what was handed on before every second
/// turn. They take turns of a tick; by default a new one could wait for sixty of them.
const NEW_FIRST: u32 = 2;
/// Turns between two looks at the timers.
const TIMER_TURNS: u32 = 4;

/// Runs executions on threads of their own, however many there are.
pub(super) struct Executors {
    /// Where every execution begins.
    guests: Arc<Guests>,
    /// Where those go on that compute for longer than a tick. `None` only while it is dropped.
    long: Option<Runtime>,
}

impl Executors {
    /// Starts the threads, of which `at_once` are at work; 0: one for each core that the
    /// process may use. There are as many again for executions that compute for long.
    pub(super) fn start(at_once: usize) -> io::Result<Self> {
        let at_once = match at_once {
            0 => thread::available_parallelism()?.get(),
            at_once => at_once,
        };
        let (told, told_of_long) = (AtomicBool::new(false), AtomicBool::new(false));
        let guests = Guests::start(at_once, SPARE_THREADS, move || step_back(NICENESS, &told))?;
        // No guest waits for a socket itself, so there are timers and no more.
        let long = Builder::new_multi_thread()
            .worker_threads(at_once)
            .thread_name("runner-long")
            .enable_time()
            .global_queue_interval(NEW_FIRST)
            .event_interval(TIMER_TURNS)
            .on_thread_start(move || step_back(LONG_NICENESS, &told_of_long))
            .build();
        let long = long.inspect_err(|_| guests.stop())?;
        Ok(Self { guests, long: Some(long) })
    }

    /// Begins an execution, which ends when what comes back is dropped. `time` is what it
    /// counts its turns with.
    pub(super) fn spawn(
        &self,
        time: Arc<Timekeeper>,
        execution: impl Future<Output = ()> + Send + 'static,
    ) -> Task<()> {
        let long = self.long.as_ref().expect("it is there until it is dropped").handle().clone();
        self.guests.spawn(begin(Box::pin(execution), time, long))
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
    long: Handle,
) {
    let is_over = poll_fn(|cx| match execution.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(true),
        Poll::Pending if time.spent() >= TICK => Poll::Ready(false),
        Poll::Pending => Poll::Pending,
    });
    if !is_over.await {
        // It panics only if the execution does, which is its end here too.
        let _ = AbortOnDropHandle::new(long.spawn(execution)).await;
    }
}

impl Drop for Executors {
    /// Does not wait, because it may happen on a thread that must not: executions under way
    /// end at their next tick.
    fn drop(&mut self) {
        self.guests.stop();
        if let Some(long) = self.long.take() {
            long.shutdown_background();
        }
    }
}

/// Lowers the priority of this thread alone, as Linux does for process 0.
fn step_back(niceness: i32, told: &AtomicBool) {
    if let Err(error) = setpriority_process(None, niceness)
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

    #[tokio::test]
    async fn guests_run_at_a_lower_priority_than_who_waits_for_them() {
        let executors = Executors::start(1).unwrap();
        let (sender, told) = oneshot::channel();

        let task = executors.spawn(time(), async move { sender.send(priority()).unwrap() });

        assert_eq!(told.await.unwrap(), priority() + NICENESS);
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

        assert_eq!(told.await.unwrap(), (priority() + NICENESS, priority() + LONG_NICENESS));
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
