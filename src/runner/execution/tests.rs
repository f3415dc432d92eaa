//! Whose doing it is that an answer is late.

use std::io;

use futures_util::{FutureExt, stream};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};

use super::*;
use crate::runner::request_body::Upload;

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Who is late after `allowed_ms`, of which the guest has waited for its client `waited_ms`.
fn late(deadline_ms: u64, most_ms: u64, allowed_ms: u64, waited_ms: u64) -> Late {
    let (deadline, most) = (ms(deadline_ms), ms(most_ms));
    UntilBegun { started: Instant::now(), deadline, most }.late(ms(allowed_ms), ms(waited_ms))
}

#[test]
fn a_client_that_takes_all_the_time_there_is_is_late_and_not_the_guest() {
    assert_eq!(late(100, 400, 400, 390), Late::Client(ms(400)));
    assert_eq!(late(100, 400, 400, 301), Late::Client(ms(400)));
    assert_eq!(late(400, 400, 400, 390), Late::Client(ms(400)));
}

#[test]
fn a_guest_that_takes_its_own_time_is_late_however_long_its_client_took() {
    assert_eq!(late(100, 400, 100, 0), Late::Guest(ms(100)));
    assert_eq!(late(100, 400, 350, 250), Late::Guest(ms(350)));
    assert_eq!(late(100, 400, 400, 300), Late::Guest(ms(400)));
}

#[test]
fn a_guest_that_waits_a_little_for_its_client_and_then_loops_is_late() {
    assert_eq!(late(400, 400, 400, 1), Late::Guest(ms(400)));
    assert_eq!(late(400, 400, 400, 200), Late::Guest(ms(400)));
}

/// What comes of waiting for a guest whose client sends nothing, once it has computed so long.
async fn waited_for(computed: Duration) -> Late {
    let never = StreamBody::new(stream::pending::<io::Result<Frame<Bytes>>>());
    let mut upload = Upload::new(never, 5);
    assert!(upload.frame().now_or_never().is_none(), "it asks for its body");
    let time = Timekeeper::new(ms(1_000));
    time.pretend(computed);
    let until = UntilBegun { started: Instant::now(), deadline: ms(20), most: ms(40) };
    let (_reply, answer) = oneshot::channel();
    until.wait(Some(&upload.watch()), &time, answer).await.map(drop).unwrap_err()
}

#[tokio::test]
async fn who_computes_does_not_wait_for_the_client_though_it_has_asked_for_the_body() {
    assert_eq!(waited_for(Duration::ZERO).await, Late::Client(ms(40)));
    assert_eq!(waited_for(ms(20)).await, Late::Guest(ms(20)));
}
