//! Compiling once for all who ask, and what becomes of failures.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;

use tokio::task::yield_now;

use super::*;

fn hash() -> ContentHash {
    ContentHash::of(b"bundle")
}

#[tokio::test]
async fn many_callers_compile_once() {
    let cache = ComponentCache::<u8>::new(4, |bytes| u64::from(*bytes));
    let compiled = Arc::new(AtomicUsize::new(0));
    let prepare = || {
        let compiled = Arc::clone(&compiled);
        cache.prepare(hash(), Work::Compile, move || {
            compiled.fetch_add(1, SeqCst);
            Ok(7)
        })
    };

    let (a, b, c) = tokio::join!(prepare(), prepare(), prepare());

    assert_eq!((a, b, c), (Ok(()), Ok(()), Ok(())));
    assert_eq!(compiled.load(SeqCst), 1);
    assert_eq!(cache.get(&hash()).as_deref(), Some(&7));
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_lose_the_work() {
    let cache = ComponentCache::<u8>::new(1, |bytes| u64::from(*bytes));
    let (go, wait) = mpsc::channel();

    {
        let first = cache.prepare(hash(), Work::Compile, move || {
            wait.recv().unwrap();
            Ok(1)
        });
        tokio::select! { biased; _ = first => panic!("too early"), () = yield_now() => {} }
    }
    go.send(()).unwrap();
    cache.prepare(hash(), Work::Load, || panic!("made twice")).await.unwrap();

    assert_eq!(cache.get(&hash()).as_deref(), Some(&1));
}

#[tokio::test]
async fn a_failure_reaches_the_caller_and_can_be_tried_again() {
    let cache = ComponentCache::<u8>::new(1, |bytes| u64::from(*bytes));
    let broken = PrepareError::Compile("broken".to_owned());
    let error = broken.clone();

    let outcome = cache.prepare(hash(), Work::Compile, move || Err(error)).await;
    assert_eq!((outcome, cache.refusal(&hash())), (Err(broken.clone()), Some(broken)));
    assert_eq!(cache.prepare(hash(), Work::Compile, || Ok(2)).await, Ok(()));
    assert_eq!(cache.refusal(&hash()), None);
}

#[tokio::test]
async fn a_compiler_that_was_stopped_is_no_refusal_of_the_component() {
    let cache = ComponentCache::<u8>::new(1, |bytes| u64::from(*bytes));

    let outcome = cache.prepare(hash(), Work::Compile, || panic!("the compiler")).await;

    assert_eq!((outcome, cache.refusal(&hash())), (Err(PrepareError::Stopped), None));
}

#[tokio::test]
async fn what_nobody_wants_is_dropped_but_not_while_it_compiles() {
    let cache = ComponentCache::<u8>::new(1, |bytes| u64::from(*bytes));
    let (go, wait) = mpsc::channel();
    let prepare = cache.prepare(hash(), Work::Compile, move || {
        wait.recv().unwrap();
        Ok(1)
    });
    let retain = async {
        yield_now().await;
        cache.retain(|_| false);
        go.send(()).unwrap();
    };

    let (outcome, ()) = tokio::join!(prepare, retain);

    assert_eq!((outcome, cache.get(&hash()).as_deref()), (Ok(()), Some(&1)));
    cache.retain(|_| true);
    assert!(cache.get(&hash()).is_some());
    cache.retain(|_| false);
    assert!(cache.get(&hash()).is_none());
}

#[tokio::test]
async fn what_is_in_use_stays_and_counts() {
    let cache = ComponentCache::<u8>::new(1, |bytes| u64::from(*bytes));
    cache.prepare(hash(), Work::Load, || Ok(7)).await.unwrap();
    let held = cache.get(&hash());

    cache.retain(|_| false);
    assert_eq!((cache.get(&hash()), cache.bytes()), (held, 7));

    cache.retain(|_| false);
    assert_eq!((cache.get(&hash()), cache.bytes()), (None, 0));
}
