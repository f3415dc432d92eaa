//! How many connections there may be, in all and from one address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::{Network, ServerConfig, counted_as};

/// Counts connections over all listeners.
#[derive(Clone)]
pub(super) struct Admission {
    slots: Arc<Semaphore>,
    counts: Arc<Counts>,
    per_address: usize,
    uncounted: Arc<[Network]>,
}

type Counts = Mutex<HashMap<IpAddr, usize>>;

/// One connection's place; gives it back when dropped.
pub(super) struct Ticket {
    _slot: OwnedSemaphorePermit,
    counted: Option<(IpAddr, Arc<Counts>)>,
}

impl Admission {
    pub(super) fn new(config: &ServerConfig) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(config.max_connections)),
            counts: Arc::default(),
            per_address: config.max_connections_per_ip,
            uncounted: config.trusted_proxies.as_slice().into(),
        }
    }

    /// Waits until there is a place in the house. Clients wait in the kernel's queue meanwhile.
    pub(super) async fn slot(&self) -> OwnedSemaphorePermit {
        let slot = Arc::clone(&self.slots).acquire_owned().await;
        slot.expect("the semaphore is never closed")
    }

    /// Lets a client in, unless its address has as many connections as it may.
    pub(super) fn admit(&self, slot: OwnedSemaphorePermit, address: IpAddr) -> Option<Ticket> {
        if self.uncounted.iter().any(|network| network.contains(address)) {
            return Some(Ticket { _slot: slot, counted: None });
        }
        let address = counted_as(address);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= self.per_address {
            return None;
        }
        *count += 1;
        Some(Ticket { _slot: slot, counted: Some((address, Arc::clone(&self.counts))) })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Some((address, counts)) = self.counted.take() else { return };
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(per_address: usize, proxies: &[&str]) -> Admission {
        Admission::new(&ServerConfig {
            max_connections: 10,
            max_connections_per_ip: per_address,
            trusted_proxies: proxies.iter().map(|proxy| proxy.parse().unwrap()).collect(),
            ..ServerConfig::default()
        })
    }

    async fn admit(admission: &Admission, address: &str) -> Option<Ticket> {
        admission.admit(admission.slot().await, address.parse().unwrap())
    }

    #[tokio::test]
    async fn an_address_has_its_own_limit_and_gets_its_places_back() {
        let admission = admission(2, &[]);
        let first = admit(&admission, "192.0.2.1").await.unwrap();
        let _second = admit(&admission, "::ffff:192.0.2.1").await.unwrap();

        assert!(admit(&admission, "192.0.2.1").await.is_none());
        assert!(admit(&admission, "192.0.2.2").await.is_some());
        drop(first);
        assert!(admit(&admission, "192.0.2.1").await.is_some());
    }

    #[tokio::test]
    async fn addresses_of_one_ipv6_network_count_as_one() {
        let admission = admission(1, &[]);
        let _first = admit(&admission, "2001:db8:0:1::1").await.unwrap();

        assert!(admit(&admission, "2001:db8:0:1::2").await.is_none());
        assert!(admit(&admission, "2001:db8:0:2::1").await.is_some());
    }

    #[tokio::test]
    async fn a_trusted_proxy_is_not_counted() {
        let admission = admission(1, &["10.0.0.0/8"]);
        let _first = admit(&admission, "10.0.0.1").await.unwrap();

        assert!(admit(&admission, "10.0.0.1").await.is_some());
    }
}
