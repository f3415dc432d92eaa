//! Who did what, when: append only.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{OperatorName, TenantId, TokenId};

/// Who acted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Actor {
    Operator(OperatorName),
    Token(TokenId),
    /// The admin socket, with the peer's user id.
    Local {
        uid: u32,
    },
    /// The one-time setup token.
    Setup,
    /// The appliance itself: expiry, sweeping, the demo.
    System,
}

/// What was done. The object is in [`AuditEvent::subject`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditAction {
    SetupCompleted,
    OperatorCreated,
    PasswordReset,
    SignedIn,
    SignInFailed,
    SignedOut,
    /// The password was entered again.
    SteppedUp,
    TokenCreated,
    TokenRevoked,
    TenantCreated,
    KeyTrusted,
    KeyRemoved,
    BundlePublished,
    BundleQuarantined,
    BundleRejected,
    BundleApproved,
    /// Stored objects that were damaged have their content again.
    BundleMended,
    SignatureAttached,
    QuarantineDeleted,
    Attached,
    Detached,
    VersionYanked,
    VersionUnyanked,
    VersionRemoved,
    Installed,
    Enabled,
    Disabled,
    Upgraded,
    SettingsChanged,
    /// The hosts that an install may call were changed.
    HostsGranted,
    /// For a while an install calls what only its grant refuses.
    LearningStarted,
    LearningEnded,
    /// What an install called while it learned was granted.
    LearnedHostsGranted,
    /// An install tried to call what it may not; at most once an hour for each destination.
    EgressDenied,
    Uninstalled,
    /// All that an install keeps was read.
    StateExported,
    /// Values were put back into what an install keeps.
    StateImported,
    /// All that an install keeps was removed.
    StatePurged,
    /// By name; never the value.
    SecretSet,
    SecretRemoved,
    MasterKeyRotated,
}

/// One audit row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    pub at: Timestamp,
    pub actor: Actor,
    pub action: AuditAction,
    /// The tenant it happened in; `None` for the appliance as a whole.
    pub tenant: Option<TenantId>,
    /// What it happened to: a name and version, a key id, a content hash.
    pub subject: String,
    /// More, in words: never a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator(name) => write!(f, "operator {name}"),
            Self::Token(id) => write!(f, "token {id}"),
            Self::Local { uid } => write!(f, "local uid {uid}"),
            Self::Setup => f.write_str("setup"),
            Self::System => f.write_str("plugboard"),
        }
    }
}
