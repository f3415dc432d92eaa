//! Who takes turns, in which order, and what is left at the end.

use std::sync::mpsc;

use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::*;

/// Threads that are never held up, whatever they do.
fn guests(at_once: usize, spare: usize) -> Arc<Guests> {
    guests_with(at_once, spare, Duration::MAX)
}

fn guests_with(at_once: usize, spare: usize, long_turn: Duration) -> Arc<Guests> {
    let kind = Kind { name: "test", at_once, spare, long_turn };
    let timers = Arc::new(Timers::start().unwrap());
    Guests::start(kind, Arc::default(), timers, || {}).unwrap()
}

/// Holds a thread until something is sent; says when it has one.
fn hold(guests: &Arc<Guests>) -> (mpsc::Sender<()>, oneshot::Receiver<()>) {
    let ((release, released), (holding, held)) = (mpsc::channel(), oneshot::channel());
    let holds = async move {
        holding.send(()).ok();
        released.recv().ok();
    };
    guests.spawn(holds).detach();
    (release, held)
}

#[tokio::test]
async fn turns_are_taken_in_the_order_in_which_they_became_ready() {
    let guests = guests(1, 0);
    let (release, held) = hold(&guests);
    held.await.unwrap();
    let (said, order) = mpsc::channel();
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let said = said.clone();
            guests.spawn(async move { said.send(number).unwrap() })
        })
        .collect();

    release.send(()).unwrap();
    for task in tasks {
        task.await;
    }

    assert_eq!(order.try_iter().collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_thread_that_is_held_up_is_relieved() {
    let long_turn = Duration::from_millis(2);
    let guests = guests_with(1, 1, long_turn);
    let (release, held) = hold(&guests);
    held.await.unwrap();
    let before = guests.spawn(async {});

    sleep(long_turn * 2).await;
    guests.relieve();
    before.await;
    guests.spawn(async {}).await;

    release.send(()).unwrap();
}

#[tokio::test]
async fn no_more_are_at_work_than_there_are_cores_for() {
    let guests = guests(1, 3);
    let (release, held) = hold(&guests);
    held.await.unwrap();

    let mut waits = guests.spawn(async {});
    guests.relieve();

    let soon = timeout(Duration::from_millis(20), &mut waits).await;
    assert!(soon.is_err(), "a second one was at work");
    release.send(()).unwrap();
    waits.await;
}

#[tokio::test]
async fn a_panic_ends_its_execution_and_no_thread() {
    let guests = guests(1, 0);

    for _ in 0..3 {
        guests.spawn(async { panic!("on purpose") }).await;
    }

    guests.spawn(async {}).await;
}

#[tokio::test]
async fn executions_wait_for_times_and_for_others() {
    let guests = guests(1, 0);
    let (sender, receiver) = oneshot::channel();
    let waits = guests.spawn(async move {
        sleep(Duration::from_millis(5)).await;
        receiver.await.unwrap();
    });

    sleep(Duration::from_millis(10)).await;
    sender.send(()).unwrap();

    waits.await;
}

#[tokio::test]
async fn when_it_is_over_nothing_is_left() {
    let guests = guests(1, 0);
    let (release, held) = hold(&guests);
    held.await.unwrap();
    let (ready, waiting) = (Arc::new(()), Arc::new(()));
    let (sender, receiver) = oneshot::channel::<()>();
    let (holds, also_holds) = (Arc::clone(&ready), Arc::clone(&waiting));
    guests.spawn(async move { drop(holds) }).detach();
    release.send(()).unwrap();
    let (begun, begins) = oneshot::channel();
    guests
        .spawn(async move {
            begun.send(()).unwrap();
            receiver.await.ok();
            drop(also_holds);
        })
        .detach();
    begins.await.unwrap();
    let weak = Arc::downgrade(&guests);

    guests.stop();
    drop(guests);
    drop(sender);

    // A thread that takes a turn just now ends after it.
    let is_over = async || {
        while weak.upgrade().is_some() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(30), is_over()).await.expect("a thread did not end");
    assert_eq!((Arc::strong_count(&ready), Arc::strong_count(&waiting)), (1, 1));
}
