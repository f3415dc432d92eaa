//! Who is told of calls, and who is asked about them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{Caller, Destination, EgressError};
use crate::model::InstallId;

/// Says whether a call goes out that only the grant of its install refuses.
pub type Learner = Arc<dyn Fn(InstallId, &Destination) -> bool + Send + Sync>;

/// Is told of every call once it has ended, whichever way.
pub type Observer = Arc<dyn Fn(&Ended<'_>) + Send + Sync>;

/// How a call ended.
pub struct Ended<'a> {
    pub caller: &'a Caller,
    /// `scheme://host:port`, and nothing of the path or the query.
    pub destination: &'a Destination,
    /// The address that was dialled.
    pub address: Option<SocketAddr>,
    pub status: Option<u16>,
    pub sent_bytes: u64,
    pub received_bytes: u64,
    pub duration: Duration,
    pub error: Option<&'a EgressError>,
    /// Whether it went out though the grant did not have it.
    pub is_learned: bool,
}
