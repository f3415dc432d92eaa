//! API tokens: `plug_<8 id>_<43 secret>_<6 checksum>` (docs/SECURITY.md, "Operators").

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use subtle::ConstantTimeEq;

use super::App;
use super::tenants::TenantError;
use crate::model::{
    Actor, AuditAction, ClaimedUser, InvalidClaims, Principal, Scope, ScopeKind, StreamHasher,
    TenantId, Token, TokenId, UserClaims,
};
use crate::registry::{RegistryError, WriteTxn, audit, tenants, tokens};

/// What to make.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    pub name: String,
    pub tenant: TenantId,
    pub scopes: Vec<Scope>,
    /// `None`: the configured default.
    pub days: Option<u32>,
    /// Whom it stands for when it calls extensions.
    pub user: Option<ClaimedUser>,
}

/// A token and its secret, shown once.
#[derive(Debug)]
pub struct CreatedToken {
    pub token: Token,
    /// The whole text to send as `Authorization: Bearer`.
    pub secret: secrecy::SecretString,
}

/// Why a token was not made or not accepted.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("a token needs at least one scope")]
    NoScope,
    #[error("a token name is 1 to 100 characters")]
    BadName,
    #[error("a token lives 1 to {max} days, not {asked}")]
    BadLifetime { asked: u32, max: u32 },
    #[error(transparent)]
    User(#[from] InvalidClaims),
    #[error("a user is told to extensions, and the token may call none: give it ext:invoke")]
    UserWithoutCalls,
    /// A token can give away only what it has.
    #[error("the scope {0} is more than the caller has")]
    Escalation(Scope),
    #[error("there is no token {0}")]
    Unknown(String),
    #[error(transparent)]
    Tenant(#[from] TenantError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl App {
    /// Makes a token. Its secret is not kept.
    pub async fn create_token(
        &self,
        principal: &Principal,
        request: TokenRequest,
    ) -> Result<CreatedToken, TokenError> {
        self.check_request(principal, &request)?;
        let user = request.user.clone().map(UserClaims::try_from).transpose()?;
        let tenant = request.tenant.clone();
        let known = self.registry.read(move |txn| tenants::exists(txn, &tenant)).await?;
        if !known {
            return Err(TenantError::Unknown(request.tenant).into());
        }
        let (mut token, secret) = self.make_token(&principal.actor(), request);
        token.user = user;
        let event = self.token_event(principal.actor(), AuditAction::TokenCreated, &token);
        let row = token.clone();
        let write = move |txn: &WriteTxn| {
            tokens::insert(txn, &row)?;
            audit::append(txn, &event)
        };
        self.registry.write(write).await?;
        Ok(CreatedToken { token, secret })
    }

    /// Builds a token row that stands for nobody; the caller writes it.
    pub(crate) fn make_token(
        &self,
        actor: &Actor,
        request: TokenRequest,
    ) -> (Token, secrecy::SecretString) {
        let now = self.clock.now();
        let days = request.days.unwrap_or(self.config.auth.token_default_days);
        let (id, secret, text) = random_token();
        let token = Token {
            id,
            name: request.name,
            tenant: request.tenant,
            scopes: request.scopes,
            secret_sha256: StreamHasher::digest(&secret),
            created_at: now,
            created_by: actor.to_string(),
            expires_at: now + SignedDuration::from_hours(24 * i64::from(days)),
            user: None,
            last_used_at: None,
        };
        (token, text.into())
    }

    fn check_request(
        &self,
        principal: &Principal,
        request: &TokenRequest,
    ) -> Result<(), TokenError> {
        if request.scopes.is_empty() {
            return Err(TokenError::NoScope);
        }
        let name_length = request.name.trim().chars().count();
        if name_length == 0 || name_length > 100 || request.name.chars().any(char::is_control) {
            return Err(TokenError::BadName);
        }
        let calls = request.scopes.iter().any(|scope| scope.kind == ScopeKind::ExtInvoke);
        if request.user.is_some() && !calls {
            return Err(TokenError::UserWithoutCalls);
        }
        let (asked, max) = (request.days.unwrap_or(1), self.config.auth.token_max_days);
        if asked == 0 || asked > max {
            return Err(TokenError::BadLifetime { asked, max });
        }
        if let Principal::Token(own) = principal {
            let has = |scope: &Scope| {
                own.scopes
                    .iter()
                    .any(|have| have == scope || have.kind == scope.kind && have.names.is_none())
            };
            if let Some(more) = request.scopes.iter().find(|scope| !has(scope)) {
                return Err(TokenError::Escalation(more.clone()));
            }
            if own.tenant != request.tenant {
                return Err(TenantError::Unknown(request.tenant.clone()).into());
            }
        }
        Ok(())
    }

    /// The tokens of the caller's tenant; of all tenants for operators.
    pub async fn list_tokens(&self, principal: &Principal) -> Result<Vec<Token>, RegistryError> {
        let tenant = principal.tenant();
        let mut all = self.registry.read(tokens::list_all).await?;
        if let Principal::Token(_) = principal {
            all.retain(|token| token.tenant == tenant);
        }
        Ok(all)
    }

    /// Revokes a token: the next request with it is refused.
    pub async fn revoke_token(&self, principal: &Principal, id: &str) -> Result<(), TokenError> {
        let unknown = || TokenError::Unknown(id.to_owned());
        let id: TokenId = id.parse().map_err(|_| unknown())?;
        let row = self.registry.live().token(&id).cloned().ok_or_else(unknown)?;
        if matches!(principal, Principal::Token(own) if own.tenant != row.tenant) {
            return Err(unknown());
        }
        let event = self.token_event(principal.actor(), AuditAction::TokenRevoked, &row);
        let write = move |txn: &WriteTxn| {
            tokens::remove(txn, &id)?;
            audit::append(txn, &event)
        };
        self.registry.write(write).await?;
        Ok(())
    }

    /// The token that `text` is, if it is one, not expired.
    pub fn authenticate_token(&self, text: &str) -> Option<Arc<Token>> {
        let (id, secret) = parse_token(text)?;
        let live = self.registry.live();
        let token = live.token(&id)?;
        let digest = StreamHasher::digest(&secret);
        let now = self.clock.now();
        let fits = bool::from(digest.ct_eq(&token.secret_sha256)) && now < token.expires_at;
        if !fits {
            return None;
        }
        self.registry.touch_token(&id, now);
        Some(Arc::clone(token))
    }

    fn token_event(
        &self,
        actor: Actor,
        action: AuditAction,
        token: &Token,
    ) -> crate::model::AuditEvent {
        let subject = format!("{} ({})", token.id, token.name);
        self.event(actor, action, Some(token.tenant.clone()), subject)
    }
}

fn random_token() -> (TokenId, [u8; 32], String) {
    let (mut id, mut secret) = ([0; 8], [0; 32]);
    random(&mut id);
    random(&mut secret);
    let letters = b"abcdefghijklmnopqrstuvwxyz012345";
    let id: String = id.iter().map(|b| char::from(letters[usize::from(b & 31)])).collect();
    let body = format!("plug_{id}_{}", URL_SAFE_NO_PAD.encode(secret));
    let text = format!("{body}_{}", checksum(&body));
    (id.parse().expect("made of the id alphabet"), secret, text)
}

/// Takes a token text apart. The checksum lets scanners and typing errors be
/// told from guesses without a look-up; it protects nothing.
fn parse_token(text: &str) -> Option<(TokenId, [u8; 32])> {
    let rest = text.strip_prefix("plug_")?;
    // The secret's alphabet has `_`, so the parts are cut by length.
    let (id, rest) = (rest.get(..8)?, rest.get(8..)?.strip_prefix('_')?);
    let (secret, check) = (rest.get(..43)?, rest.get(43..)?.strip_prefix('_')?);
    if check != checksum(text.get(..text.len() - 7)?) {
        return None;
    }
    let secret: [u8; 32] = URL_SAFE_NO_PAD.decode(secret).ok()?.try_into().ok()?;
    Some((id.parse().ok()?, secret))
}

/// CRC-32 of the text before it, six digits of base 62.
fn checksum(body: &str) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut crc = crc32fast::hash(body.as_bytes());
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(crc % 62) as usize];
        crc /= 62;
    }
    digits.map(char::from).iter().collect()
}

/// Fills `bytes` from the operating system's random source.
pub(crate) fn random(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system has a random source");
}

#[cfg(test)]
mod tests;
