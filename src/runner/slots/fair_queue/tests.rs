//! Whose turn it is, and who is sent away.

use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::*;

type Queue = Arc<FairQueue<&'static str>>;
type Waiting = BoxFuture<'static, Option<Permit<&'static str>>>;

fn queue(slots: usize) -> Queue {
    Arc::new(FairQueue::new(slots, &Arc::default()))
}

/// Somebody who asks now, and has been told nothing yet unless a slot is free.
fn ask(queue: &Queue, key: &'static str) -> (Waiting, Poll<Option<Permit<&'static str>>>) {
    let queue = Arc::clone(queue);
    let until = Instant::now() + Duration::from_hours(1);
    let mut asking = async move { queue.acquire(&key, until).await }.boxed();
    let now = (&mut asking).now_or_never().map_or(Poll::Pending, Poll::Ready);
    (asking, now)
}

fn wait(queue: &Queue, key: &'static str) -> Waiting {
    let (waiting, now) = ask(queue, key);
    assert!(now.is_pending(), "{key} does not wait");
    waiting
}

/// Frees one slot after the other, and says who got each.
fn turns(
    held: Permit<&'static str>,
    mut waiting: Vec<(&'static str, Waiting)>,
) -> Vec<&'static str> {
    let mut turns = Vec::new();
    let mut held = Some(held);
    while held.take().is_some() {
        let got = waiting
            .iter_mut()
            .enumerate()
            .find_map(|(at, (_, waiting))| Some((at, waiting.now_or_never()??)));
        if let Some((at, permit)) = got {
            turns.push(waiting.remove(at).0);
            held = Some(permit);
        }
    }
    turns
}

async fn take(queue: &Queue, key: &'static str) -> Permit<&'static str> {
    queue.acquire(&key, Instant::now()).await.expect("a slot is free")
}

#[tokio::test]
async fn whoever_asks_for_much_takes_turns_with_whoever_asks_for_little() {
    let queue = queue(3);
    let (_a, _b, held) =
        (take(&queue, "x").await, take(&queue, "x").await, take(&queue, "x").await);
    let keys = ["much", "much", "much", "little", "other"];
    let waiting = keys.map(|key| (key, wait(&queue, key)));

    let turns = turns(held, waiting.into());

    assert_eq!(turns, ["much", "little", "other", "much", "much"]);
}

#[tokio::test]
async fn a_full_queue_makes_room_for_a_shorter_one_and_not_for_a_longer() {
    let queue = queue(2);
    let _held = (take(&queue, "x").await, take(&queue, "x").await);
    let mut much: Vec<_> = (0..4).map(|_| wait(&queue, "much")).collect();

    assert!(matches!(ask(&queue, "much").1, Poll::Ready(None)), "a fifth of the longest");
    let little = wait(&queue, "little");

    assert!(matches!(much.pop().unwrap().now_or_never(), Some(None)), "the last one goes");
    assert!(much.into_iter().all(|waiting| waiting.now_or_never().is_none()));
    drop(little);
}

#[tokio::test]
async fn queues_of_the_same_length_take_no_room_from_each_other() {
    let queue = queue(1);
    let _held = take(&queue, "x").await;
    let _one = (wait(&queue, "one"), wait(&queue, "two"));

    assert!(matches!(ask(&queue, "three").1, Poll::Ready(None)));
}

#[tokio::test]
async fn whoever_goes_away_leaves_the_place_and_the_turn() {
    let queue = queue(1);
    let held = take(&queue, "x").await;
    let gone = wait(&queue, "gone");
    let stays = wait(&queue, "stays");

    drop(gone);

    assert_eq!(queue.lock().waiting, 1);
    assert_eq!(turns(held, vec![("stays", stays)]), ["stays"]);
}

#[tokio::test]
async fn a_slot_given_to_whoever_has_just_gone_goes_on() {
    let queue = queue(1);
    let held = take(&queue, "x").await;
    let gone = wait(&queue, "gone");
    let stays = wait(&queue, "stays");
    drop(held);

    drop(gone);

    assert!(matches!(stays.now_or_never(), Some(Some(_))));
    assert_eq!(queue.lock().free, 1);
}

#[tokio::test]
async fn nothing_is_left_of_those_who_waited_in_vain() {
    let queue = queue(1);
    let held = take(&queue, "x").await;

    let late = queue.acquire(&"late", Instant::now() + Duration::from_millis(5)).await;

    assert!(late.is_none());
    let state = queue.lock();
    assert_eq!((state.waiting, state.queues.len(), state.turns.len()), (0, 0, 0));
    drop(state);
    drop(held);
    assert_eq!(queue.lock().free, 1);
}
