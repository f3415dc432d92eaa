//! Who may call a route: the column of the route table that `guard` enforces.

use crate::model::ScopeKind;

/// What a route asks of its caller. There is no default: a route names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone, also before set-up.
    Always,
    /// Anyone, once the appliance is set up.
    Public,
    /// A token with this scope, a signed-in operator, or the admin socket.
    Scope(ScopeKind),
    /// As [`Access::Scope`], and an operator's password must be recent.
    ScopeStepUp(ScopeKind),
    /// A signed-in operator whose password is recent, or the admin socket. No token.
    OperatorStepUp,
    /// A token with this scope, in `x-api-key` or as Bearer, of the tenant in
    /// `x-tenant-id` if there is one. Nobody else, as existing clients know it.
    ApiKey(ScopeKind),
    /// Whoever has the address, which is signed and good for a while.
    SignedAddress,
    /// A signed-in operator in a browser; everyone else is sent to sign in.
    Page,
    /// The declared endpoint of an extension says who; the gateway asks it.
    Endpoint,
    /// A loopback peer, or a token with `metrics:read`.
    Metrics,
}
