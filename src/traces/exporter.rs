//! Takes ended spans from the queue and sends them, some at a time.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Counts;
use super::sender::{CollectorFault, Sender, Taken};
use super::span::Ended;

/// Spans of one request.
const BATCH: usize = 512;
/// How long a span waits for others to go with it.
const DELAY: Duration = Duration::from_secs(1);
/// How often one batch is tried, and how long the first and the longest pause between is.
/// What ends meanwhile waits in the queue, and is dropped when that is full.
const TRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often a collector that does not answer is mentioned.
const MENTION_EVERY: Duration = Duration::from_mins(5);

pub(super) struct Exporter {
    sender: Sender,
    ended: mpsc::Receiver<Ended>,
    asked: mpsc::Receiver<oneshot::Sender<()>>,
    hurry: CancellationToken,
    counts: Arc<Counts>,
    /// When it was last said that the collector takes nothing; `None`: it does.
    mentioned: Option<Instant>,
}

/// Why a batch is sent.
enum Gathered {
    Enough,
    /// Somebody waits until all are sent.
    Asked(oneshot::Sender<()>),
    /// No more will come.
    Over,
}

impl Exporter {
    pub(super) fn new(
        sender: Sender,
        ended: mpsc::Receiver<Ended>,
        asked: mpsc::Receiver<oneshot::Sender<()>>,
        hurry: CancellationToken,
        counts: Arc<Counts>,
    ) -> Self {
        Self { sender, ended, asked, hurry, counts, mentioned: None }
    }

    /// Until nobody makes spans any more.
    pub(super) async fn run(mut self) {
        loop {
            let mut batch = Vec::new();
            let gathered = self.gather(&mut batch).await;
            self.deliver(batch).await;
            match gathered {
                Gathered::Enough => {}
                Gathered::Asked(done) => {
                    // Whoever asked may have given up.
                    done.send(()).ok();
                }
                Gathered::Over => return,
            }
        }
    }

    async fn gather(&mut self, batch: &mut Vec<Ended>) -> Gathered {
        let mut until = None;
        while batch.len() < BATCH {
            let in_time = async {
                match until {
                    Some(until) => sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // What has ended goes before whoever waits for it.
                biased;
                ended = self.ended.recv() => match ended {
                    Some(ended) => {
                        batch.push(ended);
                        until.get_or_insert_with(|| Instant::now() + DELAY);
                    }
                    None => return Gathered::Over,
                },
                Some(done) = self.asked.recv() => return Gathered::Asked(done),
                () = in_time => return Gathered::Enough,
            }
        }
        Gathered::Enough
    }

    async fn deliver(&mut self, batch: Vec<Ended>) {
        if batch.is_empty() {
            return;
        }
        let count = batch.len() as u64;
        let body = self.sender.encode(batch);
        match self.send(body).await {
            Ok(Taken { rejected }) => {
                let rejected = rejected.min(count);
                self.counts.exported.fetch_add(count - rejected, Relaxed);
                self.counts.refused.fetch_add(rejected, Relaxed);
                if self.mentioned.take().is_some() {
                    tracing::info!("The collector of traces takes spans again");
                }
            }
            Err(fault) => {
                self.counts.refused.fetch_add(count, Relaxed);
                self.mention(&fault);
            }
        }
    }

    /// Tries again what may be tried again; in a hurry only once more, and at once.
    async fn send(&self, body: Bytes) -> Result<Taken, CollectorFault> {
        let mut tries = Tries::NONE;
        loop {
            let last = self.hurry.is_cancelled();
            let fault = match self.sender.send(body.clone()).await {
                Ok(taken) => return Ok(taken),
                Err(fault) => fault,
            };
            let Some(pause) = tries.after(&fault).filter(|_| !last) else { return Err(fault) };
            tokio::select! {
                () = sleep(pause) => {}
                () = self.hurry.cancelled() => {}
            }
        }
    }

    /// Says that the collector takes nothing, and not for every batch.
    fn mention(&mut self, fault: &CollectorFault) {
        let now = Instant::now();
        if self.mentioned.is_none_or(|said| now - said >= MENTION_EVERY) {
            self.mentioned = Some(now);
            tracing::warn!("The collector of traces takes no spans, and they are dropped: {fault}");
        }
    }
}

/// How often a batch was tried, and when it is tried again.
struct Tries {
    made: u32,
    pause: Duration,
}

impl Tries {
    const NONE: Self = Self { made: 0, pause: FIRST_PAUSE };

    /// How long to wait before the next try; `None`: there is none.
    fn after(&mut self, fault: &CollectorFault) -> Option<Duration> {
        let least = fault.retry()?;
        self.made += 1;
        let pause = self.pause.max(least).min(LONGEST_PAUSE);
        self.pause *= 2;
        (self.made < TRIES).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn status(status: u16, retry_after_s: Option<u64>) -> CollectorFault {
        let status = StatusCode::from_u16(status).unwrap();
        CollectorFault::Status { status, retry_after: retry_after_s.map(Duration::from_secs) }
    }

    /// The seconds between tries when each of them ends so.
    fn pauses(fault: &CollectorFault) -> Vec<u64> {
        let mut tries = Tries::NONE;
        std::iter::from_fn(|| tries.after(fault)).map(|pause| pause.as_secs()).collect()
    }

    #[test]
    fn what_may_be_tried_again_is_with_growing_pauses_and_not_for_ever() {
        assert_eq!(pauses(&status(503, None)), [1, 2, 4, 8]);
        assert_eq!(pauses(&status(429, Some(5))), [5, 5, 5, 8]);
        assert_eq!(pauses(&status(502, Some(3600))), [30, 30, 30, 30]);
        assert_eq!(pauses(&CollectorFault::Timeout(Duration::ZERO)), [1, 2, 4, 8]);
        for refused in [400, 401, 404, 413, 500] {
            assert!(pauses(&status(refused, None)).is_empty(), "{refused}");
        }
    }
}
