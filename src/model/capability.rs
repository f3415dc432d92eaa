//! What a manifest may ask for; an install grants a subset.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A host ability an extension can ask for (listed in docs/PUBLISHING.md).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Capability {
    ContextRead,
    SecretsGet,
    HttpFetch,
    StorageKv,
    LogEmit,
    UiProxy,
    UserRead,
    SchedulerManage,
    InvoiceManualCreate,
    ClientRead,
    ServiceRead,
}

/// The appliance knows no capability of this name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a capability of this appliance")]
pub struct UnknownCapability(pub String);

impl Capability {
    /// Every capability, in the order people read them.
    pub const ALL: [Self; 11] = [
        Self::ContextRead,
        Self::LogEmit,
        Self::UserRead,
        Self::HttpFetch,
        Self::StorageKv,
        Self::SecretsGet,
        Self::UiProxy,
        Self::SchedulerManage,
        Self::InvoiceManualCreate,
        Self::ClientRead,
        Self::ServiceRead,
    ];

    /// Granted to every install, asked for or not.
    pub const DEFAULTS: [Self; 3] = [Self::ContextRead, Self::LogEmit, Self::UserRead];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ContextRead => "cap:context.read",
            Self::SecretsGet => "cap:secrets.get",
            Self::HttpFetch => "cap:http.fetch",
            Self::StorageKv => "cap:storage.kv",
            Self::LogEmit => "cap:log.emit",
            Self::UiProxy => "cap:ui.proxy",
            Self::UserRead => "cap:user.read",
            Self::SchedulerManage => "cap:scheduler.manage",
            Self::InvoiceManualCreate => "cap:invoice.manual.create",
            Self::ClientRead => "cap:client.read",
            Self::ServiceRead => "cap:service.read",
        }
    }

    /// What it allows, in words for an operator.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::ContextRead => "Know its own install, tenant and version",
            Self::SecretsGet => "Read the secrets that are set for this install",
            Self::HttpFetch => "Call the web services on its egress allowlist",
            Self::StorageKv => "Keep data of its own on this appliance",
            Self::LogEmit => "Write log lines",
            Self::UiProxy => "Call routes of the host application",
            Self::UserRead => "Know the name and e-mail address of who is using it",
            Self::SchedulerManage => "Run itself on a schedule",
            Self::InvoiceManualCreate => "Create invoices in the host application",
            Self::ClientRead => "Read the clients of the host application",
            Self::ServiceRead => "Read the service catalog of the host application",
        }
    }
}

impl FromStr for Capability {
    type Err = UnknownCapability;

    /// Exact after trimming and ASCII lower case; names without `cap:` get it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.trim().to_ascii_lowercase();
        let name = match name.as_str() {
            "log" | "cap:log" => "cap:log.emit".to_owned(),
            prefixed if prefixed.starts_with("cap:") => name,
            bare => format!("cap:{bare}"),
        };
        Self::ALL
            .into_iter()
            .find(|capability| capability.as_str() == name)
            .ok_or_else(|| UnknownCapability(text.to_owned()))
    }
}

impl TryFrom<String> for Capability {
    type Error = UnknownCapability;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Capability> for String {
    fn from(capability: Capability) -> Self {
        capability.as_str().to_owned()
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_spellings_mean_the_same_capability() {
        for text in ["log", "cap:log.emit", " CAP:Log.Emit ", "log.emit"] {
            assert_eq!(text.parse(), Ok(Capability::LogEmit), "{text}");
        }
        assert!("cap:root".parse::<Capability>().is_err());
    }

    #[test]
    fn every_capability_parses_back() {
        for capability in Capability::ALL {
            assert_eq!(capability.as_str().parse(), Ok(capability));
        }
    }
}
