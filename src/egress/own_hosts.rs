//! The servers that the appliance uses itself, such as that of its store: guests do not call
//! them, neither by their names nor by other names for their addresses.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::error::EgressError;
use super::resolver::Resolve;
use crate::model::EgressHost;

/// How long what was found is taken for all that there is to find now.
const FRESH_FOR: Duration = Duration::from_mins(1);
/// How long nobody is asked again when a name was not found.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// How long an address counts after it was last seen: large stores answer with a few of their
/// many, others each time.
const KNOWN_FOR: Duration = Duration::from_hours(1);
/// Names that are asked for at the same time. The system keeps a thread for each, and one that
/// nobody answers longer than the asking waits for it.
const ASKED_AT_ONCE: usize = 8;
/// Addresses that are kept, the latest first.
const MAX_KNOWN: usize = 1024;

pub(super) struct OwnHosts {
    names: Arc<[String]>,
    literals: Vec<IpAddr>,
    /// Held while somebody asks, so that the calls that come meanwhile wait for the answer.
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    again_at: Option<Instant>,
    seen: HashMap<IpAddr, Instant>,
}

impl OwnHosts {
    pub(super) fn new(hosts: &[String]) -> Self {
        let (mut names, mut literals) = (Vec::new(), Vec::new());
        for host in hosts {
            match host.parse() {
                Ok(EgressHost::Address(address)) => literals.push(address),
                Ok(EgressHost::Exact(name)) => names.push(name),
                // No server has such a name, so none is used.
                Ok(EgressHost::Below(_)) | Err(_) => {}
            }
        }
        Self { names: names.into(), literals, known: Arc::default() }
    }

    /// Whether one of them has this name.
    pub(super) fn has_name(&self, name: &str) -> bool {
        self.names.iter().any(|own| own == name)
    }

    /// Their addresses, as far as they were found in the last hour. A name that is not found
    /// leaves what was known of it.
    pub(super) async fn addresses(
        &self,
        resolver: &Arc<dyn Resolve>,
        limit: Duration,
        now: Instant,
    ) -> Result<Vec<IpAddr>, EgressError> {
        let mut own = self.literals.clone();
        if self.names.is_empty() {
            return Ok(own);
        }
        let mut known = Arc::clone(&self.known).lock_owned().await;
        if known.again_at.is_none_or(|at| at <= now) {
            let (names, resolver) = (Arc::clone(&self.names), Arc::clone(resolver));
            // In a task of its own, which goes on when this call is given up: else the next
            // would have to ask again, and the one after it.
            let asking = tokio::spawn(async move {
                known.ask(&names, &*resolver, limit, now).await;
                known
            });
            known = asking.await.map_err(|_| EgressError::Stopped)?;
        }
        own.extend(known.seen.keys());
        Ok(own)
    }
}

impl Known {
    /// Asks for several names at a time: those of them that nobody answers take the time of one.
    async fn ask(
        &mut self,
        names: &[String],
        resolver: &dyn Resolve,
        limit: Duration,
        now: Instant,
    ) {
        let began = Instant::now();
        // The time of each begins when its turn comes.
        let asked: Vec<_> = names
            .iter()
            .map(|name| async move { timeout(limit, resolver.resolve(name)).await })
            .collect();
        let answers: Vec<_> = stream::iter(asked).buffer_unordered(ASKED_AT_ONCE).collect().await;
        let now = now + began.elapsed();
        let mut wait = FRESH_FOR;
        for answer in answers {
            match answer {
                Ok(Ok(found)) => self.seen.extend(found.into_iter().map(|found| (found, now))),
                Ok(Err(_)) | Err(_) => wait = RETRY_AFTER,
            }
        }
        self.seen.retain(|_, seen| now.duration_since(*seen) < KNOWN_FOR);
        while self.seen.len() > MAX_KNOWN {
            let oldest = self.seen.iter().min_by_key(|(_, seen)| **seen);
            let oldest = *oldest.expect("more than none").0;
            self.seen.remove(&oldest);
        }
        self.again_at = Some(now + wait);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io;
    use std::sync;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use async_trait::async_trait;
    use tokio::task::yield_now;

    use super::*;

    /// Answers one after the other, and after the last with an error.
    struct Answers(sync::Mutex<VecDeque<Vec<IpAddr>>>);

    #[async_trait]
    impl Resolve for Answers {
        async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            let answer = self.0.lock().unwrap().pop_front();
            answer.ok_or_else(|| io::Error::other("nobody knows"))
        }
    }

    /// Counts who ask at the same time, and all.
    #[derive(Default)]
    struct Counts {
        asking: AtomicUsize,
        most: AtomicUsize,
        asked: AtomicUsize,
    }

    #[async_trait]
    impl Resolve for Counts {
        async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            self.asked.fetch_add(1, SeqCst);
            self.most.fetch_max(self.asking.fetch_add(1, SeqCst) + 1, SeqCst);
            yield_now().await;
            self.asking.fetch_sub(1, SeqCst);
            Ok(Vec::new())
        }
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[tokio::test]
    async fn addresses_of_earlier_answers_count_for_an_hour_and_failures_take_none_away() {
        let own = OwnHosts::new(&["store.example.com".into(), "192.0.2.9".into()]);
        let answers = [vec![address(1)], vec![address(2)]];
        let resolver: Arc<dyn Resolve> = Arc::new(Answers(sync::Mutex::new(answers.into())));
        let start = Instant::now();
        // The time that asking takes, and more.
        let limit = Duration::from_secs(1);

        for (after, expected) in [
            (Duration::ZERO, vec![1, 9]),
            (RETRY_AFTER, vec![1, 9]),
            (FRESH_FOR + limit, vec![1, 2, 9]),
            (FRESH_FOR * 2 + limit * 2, vec![1, 2, 9]),
            (KNOWN_FOR + limit, vec![2, 9]),
            (FRESH_FOR + KNOWN_FOR + limit * 2, vec![9]),
        ] {
            let mut known = own.addresses(&resolver, limit, start + after).await.unwrap();
            known.sort();
            let expected: Vec<_> = expected.into_iter().map(address).collect();
            assert_eq!(known, expected, "{after:?}");
        }
    }

    #[tokio::test]
    async fn all_names_are_asked_for_and_few_at_the_same_time() {
        let names: Vec<_> = (0..30).map(|number| format!("n{number}.example.com")).collect();
        let counts = Arc::new(Counts::default());
        let resolver: Arc<dyn Resolve> = Arc::<Counts>::clone(&counts);

        let own = OwnHosts::new(&names);
        own.addresses(&resolver, Duration::from_mins(1), Instant::now()).await.unwrap();

        assert_eq!(counts.most.load(SeqCst), ASKED_AT_ONCE);
        assert_eq!(counts.asked.load(SeqCst), 30);
    }

    #[test]
    fn names_are_compared_as_destinations_spell_them() {
        let own = OwnHosts::new(&["Store.Example.COM".into()]);

        assert!(own.has_name("store.example.com"));
        assert!(!own.has_name("example.com"));
    }
}
