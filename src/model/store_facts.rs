//! What a probe found out about the place where bundles are kept.

use jiff::Timestamp;
use serde::Serialize;

/// Something a store can do. S3-compatible servers differ in all but the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreCapability {
    /// It answers, and knows the credentials and the bucket.
    Reach,
    /// Creating an object that is there fails.
    CreateOnly,
    /// The same for one that is sent in parts.
    CreateOnlyMultipart,
    Multipart,
    Ranges,
    List,
    Copy,
    Delete,
    /// A content that does not have the checksum sent with it is refused.
    Checksums,
    /// An address with a signature can be fetched without credentials.
    Presign,
    /// Senders can be given addresses at the public endpoint, and they allow what was
    /// signed and nothing else.
    PublicEndpoint,
}

/// Whether it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FactState {
    Works,
    Missing,
    NotChecked,
}

/// One capability, with a sentence for whoever runs the appliance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoreFact {
    pub capability: StoreCapability,
    pub state: FactState,
    pub sentence: String,
}

/// All of them, as of one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoreFacts {
    pub checked_at: Timestamp,
    pub facts: Vec<StoreFact>,
}

impl StoreCapability {
    /// All, in the order they are shown in.
    pub const ALL: [Self; 11] = [
        Self::Reach,
        Self::CreateOnly,
        Self::CreateOnlyMultipart,
        Self::Multipart,
        Self::Ranges,
        Self::List,
        Self::Copy,
        Self::Delete,
        Self::Checksums,
        Self::Presign,
        Self::PublicEndpoint,
    ];

    /// The word for it in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reach => "reach",
            Self::CreateOnly => "create_only",
            Self::CreateOnlyMultipart => "create_only_multipart",
            Self::Multipart => "multipart",
            Self::Ranges => "ranges",
            Self::List => "list",
            Self::Copy => "copy",
            Self::Delete => "delete",
            Self::Checksums => "checksums",
            Self::Presign => "presign",
            Self::PublicEndpoint => "public_endpoint",
        }
    }

    /// Whether bundles cannot be published or served without it.
    pub const fn is_needed(self) -> bool {
        matches!(self, Self::Reach | Self::Multipart | Self::List)
    }
}

impl StoreFacts {
    /// What is known about `capability`.
    pub fn state(&self, capability: StoreCapability) -> FactState {
        let fact = self.facts.iter().find(|fact| fact.capability == capability);
        fact.map_or(FactState::NotChecked, |fact| fact.state)
    }

    /// What does not work.
    pub fn missing(&self) -> impl Iterator<Item = &StoreFact> {
        self.facts.iter().filter(|fact| fact.state == FactState::Missing)
    }
}
