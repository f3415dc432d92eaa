//! Who is asking.

use std::sync::Arc;

use super::{Actor, ExtensionName, ScopeKind, Session, TenantId, Token};

/// An authenticated caller. A tenant is only ever taken from here.
#[derive(Clone, Debug)]
pub enum Principal {
    /// A signed-in operator, in the default tenant.
    Operator(Arc<Session>),
    /// An API token, in its own tenant.
    Token(Arc<Token>),
    /// Someone on the host, over the admin socket, in the default tenant.
    Local { uid: u32 },
}

impl Principal {
    /// The tenant this caller acts in.
    pub fn tenant(&self) -> TenantId {
        match self {
            Self::Token(token) => token.tenant.clone(),
            Self::Operator(_) | Self::Local { .. } => TenantId::default_tenant(),
        }
    }

    /// Whether the caller may do `kind` for `name` (`None`: for every name).
    pub fn allows(&self, kind: ScopeKind, name: Option<&ExtensionName>) -> bool {
        match self {
            Self::Token(token) => token.allows(kind, name),
            Self::Operator(_) | Self::Local { .. } => true,
        }
    }

    /// The caller as the audit trail names it.
    pub fn actor(&self) -> Actor {
        match self {
            Self::Operator(session) => Actor::Operator(session.operator.clone()),
            Self::Token(token) => Actor::Token(token.id.clone()),
            Self::Local { uid } => Actor::Local { uid: *uid },
        }
    }
}
