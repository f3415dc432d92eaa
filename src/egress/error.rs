//! Why a call did not come to an answer.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use super::allowance::{Denial, List};
use super::credential::SecretRefusal;
use super::destination::InvalidDestination;
use crate::tls_client::CaFileError;

/// Why a call did not come to an answer, or the answer not to its end.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    #[error(transparent)]
    Destination(#[from] InvalidDestination),
    #[error("the method {0} is not sent")]
    Method(String),
    #[error("{0}")]
    Denied(Denial),
    /// The guest asked for a secret that does not go with this call.
    #[error(transparent)]
    Secret(SecretRefusal),
    #[error("the request has more than 100 header fields, or more than 64 KiB of them")]
    Fields,
    #[error("{host} has the address {address}, which is not public, or is the appliance's own")]
    Address { host: String, address: IpAddr },
    #[error("{0} is a server that the appliance uses itself")]
    OwnHost(String),
    /// What is dialled could be one of them.
    #[error("nothing is called while the addresses of this machine are unknown: {0}")]
    Interfaces(io::Error),
    #[error("{0} has no address")]
    NoAddress(String),
    #[error("the addresses of {host} were not found: {cause}")]
    Resolve { host: String, cause: io::Error },
    #[error("the addresses of {host} were not found within {} ms", .limit.as_millis())]
    ResolveTimeout { host: String, limit: Duration },
    #[error("no connection to {host}: {cause}")]
    Connect { host: String, cause: io::Error },
    #[error("no connection to {host} within {} ms", .limit.as_millis())]
    ConnectTimeout { host: String, limit: Duration },
    #[error("no trusted connection to {host}: {cause}")]
    Tls { host: String, cause: io::Error },
    #[error("the call took more than {} ms", .0.as_millis())]
    Timeout(Duration),
    #[error("the request has a body of more than {0} bytes")]
    RequestTooLarge(u64),
    #[error("the response has a body of more than {0} bytes")]
    ResponseTooLarge(u64),
    #[error("the response has more than 100 header fields, or more than 64 KiB of them")]
    ResponseFields,
    #[error("the exchange broke off: {0}")]
    Broken(hyper::Error),
    /// What the guest should have sent.
    #[error("the body of the request broke off")]
    RequestBody,
    #[error("{} calls are under way in the whole appliance, and no more are allowed", .0)]
    Busy(usize),
    #[error("{} calls of the tenant are under way, and no more are allowed", .0)]
    TenantBusy(usize),
    #[error("{} calls of the install are under way, and no more are allowed", .0)]
    InstallBusy(usize),
    #[error("the execution has made its {0} calls")]
    Spent(u32),
    #[error("the install has sent and received its {0} bytes of the day")]
    Quota(u64),
    #[error("whole responses of {0} bytes are held for all calls, and this one had no room")]
    Crowded(u64),
    #[error("nobody waited for the response any more")]
    Abandoned,
    #[error("the appliance is stopping")]
    Stopped,
}

/// The way out cannot be used as it is set.
#[derive(Debug, thiserror::Error)]
pub enum EgressUnusable {
    #[error("egress.ca_file: {0}")]
    CaFile(CaFileError),
}

/// Why a call may not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its destination is not on these lists, at least one.
    Missing(Vec<List>),
    /// It names this machine or what is link-local, which no list can allow.
    OwnMachine,
    /// One of its addresses is not public, or is this machine's or that of a server that the
    /// appliance uses itself.
    Address,
    /// The secret that it asks for does not go there.
    Secret(SecretRefusal),
}

impl EgressError {
    /// Of a call that may not be made, as opposed to one that failed: why not.
    pub fn refusal(&self) -> Option<Refusal> {
        if let Self::Denied(denial) = self {
            Some(if denial.is_barred {
                Refusal::OwnMachine
            } else {
                Refusal::Missing(denial.missing.clone())
            })
        } else if let Self::Secret(refusal) = self {
            // Of one that could not be read nobody knows whether it may.
            let is_known = !matches!(refusal, SecretRefusal::Unreadable(_));
            is_known.then(|| Refusal::Secret(refusal.clone()))
        } else {
            matches!(self, Self::Address { .. } | Self::OwnHost(_)).then_some(Refusal::Address)
        }
    }

    /// The error in one word, for metrics and traces.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Destination(_) => "destination",
            Self::Method(_) => "method",
            Self::Denied(_) => "denied",
            Self::Secret(_) => "secret",
            Self::Fields | Self::ResponseFields => "fields",
            Self::Address { .. } | Self::OwnHost(_) => "address",
            Self::Interfaces(_) => "interfaces",
            Self::NoAddress(_) | Self::Resolve { .. } | Self::ResolveTimeout { .. } => "resolve",
            Self::Connect { .. } | Self::ConnectTimeout { .. } => "connect",
            Self::Tls { .. } => "tls",
            Self::Timeout(_) => "timeout",
            Self::RequestTooLarge(_) => "request_too_large",
            Self::ResponseTooLarge(_) => "response_too_large",
            Self::Broken(_) | Self::RequestBody => "broken",
            Self::Busy(_) | Self::TenantBusy(_) | Self::InstallBusy(_) | Self::Crowded(_) => "busy",
            Self::Spent(_) | Self::Quota(_) => "limit",
            Self::Abandoned => "abandoned",
            Self::Stopped => "stopped",
        }
    }

    pub(super) fn broken(error: hyper::Error) -> Self {
        if error.is_parse_too_large() { Self::ResponseFields } else { Self::Broken(error) }
    }
}
