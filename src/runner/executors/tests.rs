//! Where executions begin and go on, at which priority, and that sockets do not wait for it.

use std::hint::black_box;
use std::io::Read;
use std::net;
use std::pin::pin;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::getpriority_process;
use rustix::time::{ClockId, Timespec, clock_gettime};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle, Runtime};
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

    let task = executors.spawn(time(), false, async move { sender.send(priority()).unwrap() });

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
    let task = executors.spawn(time, false, async move { counted.counted(pin!(guest)).await });

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

        let task = executors.spawn(time, false, async move { counted.counted(pin!(guest)).await });
        begins.await.unwrap();
        drop(task);

        assert!(ended.await.is_err());
    }
}

/// A runtime as that of the server, with two threads.
fn http_runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .on_thread_park(thread_waits)
        .on_thread_unpark(thread_wakes)
        .enable_all()
        .build()
        .unwrap()
}

/// Until the threads for guests have seen that there is nothing to do.
async fn until_idle(executors: &Executors) {
    while !executors.guests.are_idle() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The name of the thread that the first turn of such an execution has, asked for by a
/// thread that is asked for one at a time.
async fn first_turn(executors: &Arc<Executors>, is_quick: bool) -> String {
    let executors = Arc::clone(executors);
    let asks = async move {
        inline::pretend_to_be_alone();
        let (sender, told) = oneshot::channel();
        let name = || thread::current().name().unwrap().to_owned();
        executors.spawn(time(), is_quick, async move { sender.send(name()).unwrap() }).await;
        told.await.unwrap()
    };
    tokio::spawn(asks).await.unwrap()
}

#[test]
fn a_quick_one_begins_where_it_is_asked_for() {
    let executors = Arc::new(Executors::start(1).unwrap());
    http_runtime().block_on(async {
        until_idle(&executors).await;

        assert!(!first_turn(&executors, true).await.starts_with("runner-"));
        assert_eq!(first_turn(&executors, false).await, "runner-guest");
    });
}

#[test]
fn none_begins_before_those_that_are_under_way() {
    let executors = Arc::new(Executors::start(1).unwrap());
    http_runtime().block_on(async {
        let (begun, begins) = oneshot::channel();
        let (end, ends) = mpsc::channel();
        let at_work = executors.spawn(time(), false, async move {
            begun.send(()).unwrap();
            ends.recv().unwrap();
        });
        begins.await.unwrap();

        let asked = tokio::spawn({
            let executors = Arc::clone(&executors);
            async move { first_turn(&executors, true).await }
        });
        let tick = executors.at_tick();
        while !asked.is_finished() {
            tick();
            tokio::time::sleep(TICK).await;
        }
        assert_eq!(asked.await.unwrap(), "runner-guest");
        end.send(()).unwrap();
        at_work.await;
    });
}

#[test]
fn where_an_execution_begins_makes_no_difference_to_it() {
    let executors = Arc::new(Executors::start(1).unwrap());
    http_runtime().block_on(async {
        let http = Handle::current().id();
        until_idle(&executors).await;
        let executors = Arc::clone(&executors);
        let asks = async move {
            // Nearly all that a task may do before it gives way to others.
            for _ in 0..100 {
                tokio::task::consume_budget().await;
            }
            let (sender, told) = oneshot::channel();
            inline::pretend_to_be_alone();
            executors
                .spawn(time(), true, async move {
                    let turns = Arc::new(AtomicUsize::new(0));
                    let (items, mut received) = tokio::sync::mpsc::channel(1_000);
                    (0..1_000).for_each(|item| items.try_send(item).unwrap());
                    let all = async {
                        for _ in 0..1_000 {
                            received.recv().await.unwrap();
                        }
                    };
                    let mut all = pin!(all);
                    poll_fn(|cx| {
                        turns.fetch_add(1, Relaxed);
                        all.as_mut().poll(cx)
                    })
                    .await;
                    let thread = thread::current().name().unwrap().to_owned();
                    sender.send((thread, turns.load(Relaxed), Handle::current().id())).unwrap();
                })
                .await;
            told.await.unwrap()
        };

        let (thread, turns, runtime) = tokio::spawn(asks).await.unwrap();

        assert!(!thread.starts_with("runner-"), "{thread}");
        assert_eq!(turns, 1);
        assert_ne!(runtime, http);
    });
}

/// A socket that a runtime looks after, and an execution that holds one of its threads up until
/// somebody has answered there. What comes back says how that ended.
fn held_up(runtime: &Runtime, executors: &Arc<Executors>) -> mpsc::Receiver<bool> {
    let server = net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    server.set_nonblocking(true).unwrap();
    runtime.spawn(async move {
        let server = TcpListener::from_std(server).unwrap();
        drop(server.accept().await);
    });
    let (told, hears) = mpsc::channel();
    let (begun, begins) = mpsc::channel();
    let executors = Arc::clone(executors);
    runtime.spawn(async move {
        until_idle(&executors).await;
        // Who has waited with the sockets goes on alone; who is given a task calls the other
        // thread first, which stays with the sockets then.
        tokio::time::sleep(Duration::from_millis(20)).await;
        executors.outbox.expect_one();
        inline::pretend_to_be_alone();
        let holds_up = async move {
            begun.send(thread::current().name().unwrap().to_owned()).unwrap();
            let mut client = net::TcpStream::connect(address).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            told.send(matches!(client.read(&mut [0; 1]), Ok(0))).unwrap();
        };
        executors.spawn(time(), true, holds_up).await;
    });
    let thread = begins.recv().unwrap();
    assert!(!thread.starts_with("runner-"), "{thread}");
    hears
}

#[test]
fn the_sockets_are_looked_after_while_a_thread_is_held_up() {
    // On a machine with much to do the other thread may be late to sleep, and looks after them.
    let held_up = (0..20).find_map(|_| {
        let (executors, runtime) = (Arc::new(Executors::start(1).unwrap()), http_runtime());
        let hears = held_up(&runtime, &executors);
        let waits = hears.recv_timeout(Duration::from_millis(50)).is_err();
        waits.then_some((executors, runtime, hears))
    });
    let (executors, _runtime, hears) = held_up.unwrap();

    let tick = executors.at_tick();
    let answered = (0..100).find_map(|_| {
        tick();
        hears.recv_timeout(TICK).ok()
    });

    assert_eq!(answered, Some(true));
}
