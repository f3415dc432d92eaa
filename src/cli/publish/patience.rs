//! Trying again, where that is safe and asked for.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cli::client::Client;
use crate::cli::failure::{Exit, Failure};

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// How long to go on trying.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    until: Option<Instant>,
}

impl Patience {
    /// `--wait`, in seconds; without it there is one try.
    pub(super) fn of(wait: Option<u64>) -> Self {
        Self { until: wait.and_then(|s| Instant::now().checked_add(Duration::from_secs(s))) }
    }

    /// Repeats `attempt` while it cannot reach or finish. Everything here is
    /// safe to repeat: that is what [`Exit::Unfinished`] says.
    pub(super) async fn repeat<T>(
        self,
        mut attempt: impl AsyncFnMut() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        loop {
            match attempt().await {
                Err(failure) if failure.exit == Exit::Unfinished && self.lasts() => {
                    tokio::time::sleep(PAUSE).await;
                }
                other => return other,
            }
        }
    }

    /// Waits for a server that is starting; without patience does nothing.
    pub(super) async fn until_ready(self, client: &Client) -> Result<(), Failure> {
        if self.until.is_some() {
            self.repeat(async || client.get::<Value>("/readyz").await).await?;
        }
        Ok(())
    }

    fn lasts(self) -> bool {
        self.until.is_some_and(|until| Instant::now() + PAUSE < until)
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[tokio::test]
    async fn without_patience_there_is_one_try() {
        let mut tries = 0;

        let outcome = Patience::of(None).repeat(async || {
            tries += 1;
            Err::<(), _>(Failure::unfinished(anyhow!("busy")))
        });

        assert!(outcome.await.is_err());
        assert_eq!(tries, 1);
    }

    #[tokio::test]
    async fn what_is_refused_is_not_tried_again() {
        let mut tries = 0;

        let outcome = Patience::of(Some(3600)).repeat(async || {
            tries += 1;
            Err::<(), _>(Failure::refused(anyhow!("no")))
        });

        assert!(outcome.await.is_err());
        assert_eq!(tries, 1);
    }
}
