//! Calls under one key that come at the same time.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http::HeaderMap;

use super::*;
use crate::runner::{GuestBody, KeptSlot, Usage};

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_790_000_000).unwrap()
    }
}

fn keyed() -> Keyed {
    Keyed { scope: [1; 32], body: [0; 32], install: InstallId::random() }
}

fn waiting_up_to(timeout_ms: u64) -> Idempotency {
    Idempotency::new(&GatewayConfig { timeout_ms, ..GatewayConfig::default() })
}

fn answer(status: u16) -> GuestResponse {
    let body = GuestBody::Whole("done".into());
    let slot = KeptSlot::default();
    GuestResponse { status, headers: HeaderMap::new(), body, slot, usage: Usage::default() }
}

async fn first(idempotency: &Idempotency, keyed: Keyed) -> Flight {
    match idempotency.join(keyed, &Noon).await {
        Ok(Joined::First(flight)) => flight,
        Ok(Joined::Kept(_)) | Err(_) => panic!("nobody has made this call"),
    }
}

#[tokio::test]
async fn a_second_call_waits_for_the_first_and_has_its_answer() {
    let (idempotency, keyed) = (waiting_up_to(60_000), keyed());
    let flight = first(&idempotency, keyed).await;
    let mut second = pin!(idempotency.join(keyed, &Noon));
    assert!(second.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());

    flight.land(&answer(201), Noon.now());

    let Ok(Joined::Kept(response)) = second.await else { panic!("it has no answer") };
    assert_eq!(response.status, 201);
    assert!(matches!(response.body, GuestBody::Whole(body) if body == "done"));
}

#[tokio::test]
async fn a_second_call_is_made_when_the_first_came_to_nothing() {
    let (idempotency, keyed) = (waiting_up_to(60_000), keyed());
    for is_cut_off in [true, false] {
        let flight = first(&idempotency, keyed).await;
        let mut second = pin!(idempotency.join(keyed, &Noon));
        assert!(second.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());

        if is_cut_off {
            drop(flight);
        } else {
            flight.land(&answer(503), Noon.now());
        }

        assert!(matches!(second.await, Ok(Joined::First(_))), "{is_cut_off}");
    }
}

#[tokio::test]
async fn a_second_call_does_not_wait_for_ever() {
    let (idempotency, keyed) = (waiting_up_to(0), keyed());
    let mut asked = pin!(idempotency.join(keyed, &Noon));
    let Poll::Ready(Ok(Joined::First(_flight))) =
        asked.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    else {
        panic!("nobody has made this call")
    };

    let second = idempotency.join(keyed, &Noon).await;

    assert!(matches!(second, Err(KeyError::InUse(_))));
}
