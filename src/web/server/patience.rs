//! A wait for a client that has an end.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::time::{Instant, Sleep, sleep_until};

/// One timer that serves many waits, one after the other.
///
/// Most waits end long before their deadline, so the timer is not touched when
/// one does. It fires early for the next wait, which then moves it.
#[derive(Default)]
pub(super) struct Patience {
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// Whether `deadline` has passed; if not, the task is woken when it does.
    pub(super) fn is_over(&mut self, cx: &mut Context<'_>, deadline: Instant) -> bool {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        while timer.as_mut().poll(cx) == Poll::Ready(()) {
            if Instant::now() >= deadline {
                return true;
            }
            timer.as_mut().reset(deadline);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use super::*;

    async fn outlast(patience: &mut Patience, deadline: Instant) {
        poll_fn(|cx| if patience.is_over(cx, deadline) { Poll::Ready(()) } else { Poll::Pending })
            .await;
    }

    #[tokio::test]
    async fn a_wait_ends_at_its_own_deadline_and_not_at_an_earlier_one() {
        let mut patience = Patience::default();
        let (near, far) = (Duration::from_millis(5), Duration::from_millis(40));
        let start = Instant::now();

        let early = poll_fn(|cx| Poll::Ready(patience.is_over(cx, start + near))).await;
        assert!(!early);
        outlast(&mut patience, start + far).await;
        assert!(start.elapsed() >= far);
        let shorter = Instant::now() + near;
        outlast(&mut patience, shorter).await;
        assert!(Instant::now() >= shorter);
    }
}
