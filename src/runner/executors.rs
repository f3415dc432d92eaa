//! The threads that guests run on: their own, behind those that speak HTTP.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use rustix::process::setpriority_process;
use tokio::runtime::{Builder, Runtime};
use tokio_util::task::AbortOnDropHandle;

/// How much politer guests are than the threads that answer clients: with both at work, a
/// third of the time is theirs (sched(7), "The nice value").
const NICENESS: i32 = 5;
/// A thread looks for new executions before every second turn. Guests that compute take
/// turns of a tick; by default a new one could wait for sixty of them.
const NEW_FIRST: u32 = 2;
/// Turns between two looks at the timers.
const TIMER_TURNS: u32 = 4;

/// Runs executions on threads of their own, however many there are.
pub(super) struct Executors {
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl Executors {
    /// Starts the threads; 0: one for each core that the process may use.
    pub(super) fn start(threads: usize) -> io::Result<Self> {
        let threads = match threads {
            0 => thread::available_parallelism()?.get(),
            threads => threads,
        };
        let told = AtomicBool::new(false);
        // No guest waits for a socket itself, so there are timers and no more.
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("runner-guest")
            .enable_time()
            .global_queue_interval(NEW_FIRST)
            .event_interval(TIMER_TURNS)
            .on_thread_start(move || step_back(&told))
            .build()?;
        Ok(Self { runtime: Some(runtime) })
    }

    /// Begins an execution, which ends when what comes back is dropped.
    pub(super) fn spawn(
        &self,
        execution: impl Future<Output = ()> + Send + 'static,
    ) -> AbortOnDropHandle<()> {
        let runtime = self.runtime.as_ref().expect("it is there until it is dropped");
        AbortOnDropHandle::new(runtime.spawn(execution))
    }
}

impl Drop for Executors {
    /// Does not wait, because it may happen on a thread that must not: executions under way
    /// end at their next tick.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Lowers the priority of this thread alone, as Linux does for process 0.
fn step_back(told: &AtomicBool) {
    if let Err(error) = setpriority_process(None, NICENESS)
        && !told.swap(true, Relaxed)
    {
        tracing::warn!("Extensions run at the same priority as everything else: {error}");
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::getpriority_process;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn guests_run_at_a_lower_priority_than_who_waits_for_them() {
        let executors = Executors::start(1).unwrap();
        let (sender, priority) = oneshot::channel();

        let task = executors.spawn(async move {
            sender.send(getpriority_process(None).unwrap()).unwrap();
        });

        assert_eq!(priority.await.unwrap(), getpriority_process(None).unwrap() + NICENESS);
        task.await.unwrap();
    }

    #[tokio::test]
    async fn what_nobody_waits_for_ends() {
        let executors = Executors::start(1).unwrap();
        let (held, ended) = oneshot::channel::<()>();

        let task = executors.spawn(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        drop(task);

        assert!(ended.await.is_err());
    }
}
