//! Sessions: signing in, staying in, signing out (docs/SECURITY.md, "Operators").

mod limits;
mod links;
mod passwords;
mod step_up;

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub use limits::SignInLimits;
pub use links::SignInLinks;
pub use passwords::{PasswordError, Passwords};

use super::App;
use super::tokens::random;
use crate::model::{Actor, AuditAction, Operator, OperatorName, Session};
use crate::registry::{RegistryError, WriteTxn, audit, operators, sessions};

/// A new session: the cookie's value leaves here and is kept nowhere.
#[derive(Debug)]
pub struct NewSession {
    pub cookie: SecretString,
    pub session: Session,
}

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// One text for unknown name and wrong password.
    #[error("the name or the password is wrong")]
    Wrong,
    #[error("too many tries; the next one is possible in {retry_after_s} s")]
    TooManyTries { retry_after_s: u64 },
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl App {
    /// Signs an operator in: a new session under a new id.
    ///
    /// # Panics
    ///
    /// Never: the stand-in for an impossible name is a legal one.
    pub async fn sign_in(
        &self,
        name: &str,
        password: SecretString,
        address: Option<IpAddr>,
    ) -> Result<NewSession, SignInError> {
        // A name that cannot exist takes the same way and the same time.
        let parsed: Option<OperatorName> = name.trim().to_ascii_lowercase().parse().ok();
        let key = parsed.clone().unwrap_or_else(|| "-".parse().expect("a legal name"));
        let known = parsed.and_then(|name| self.registry.live().operator(&name).cloned());
        let operator = self.check_password(&key, known, password, address).await?;
        self.begin_session(&operator).await
    }

    /// Holds a password against that of `known`, as often as the limits allow;
    /// nobody's takes as long and is wrong.
    async fn check_password(
        &self,
        name: &OperatorName,
        known: Option<Arc<Operator>>,
        password: SecretString,
        address: Option<IpAddr>,
    ) -> Result<Arc<Operator>, SignInError> {
        let counted = self.sign_in_limits.begin(name, address, self.clock.now())?;
        let hash = known.as_ref().map(|operator| operator.password_hash.clone());
        let fits = match self.passwords.check(password, hash).await {
            Ok(fits) => fits,
            Err(error) => {
                self.sign_in_limits.take_back(name, &counted);
                return Err(error.into());
            }
        };
        let Some(operator) = known.filter(|_| fits) else {
            let event = self.event(Actor::System, AuditAction::SignInFailed, None, name.as_str());
            self.registry.write(move |txn| audit::append(txn, &event)).await?;
            return Err(SignInError::Wrong);
        };
        self.sign_in_limits.succeeded(name);
        Ok(operator)
    }

    /// Begins a session for an operator who has just proved who they are.
    ///
    /// Not if their password is another one by now: a reset ends sessions that are about to
    /// begin, too.
    pub(crate) async fn begin_session(
        &self,
        operator: &Operator,
    ) -> Result<NewSession, SignInError> {
        let made = self.new_session(operator);
        let actor = Actor::Operator(operator.name.clone());
        let event = self.event(actor, AuditAction::SignedIn, None, operator.name.as_str());
        let (row, checked) = (made.session.clone(), operator.clone());
        let write = move |txn: &WriteTxn| {
            let goes_on = is_current(txn, &checked)?;
            if goes_on {
                sessions::insert(txn, &row)?;
                audit::append(txn, &event)?;
            }
            Ok(goes_on)
        };
        if self.registry.write(write).await? { Ok(made) } else { Err(SignInError::Wrong) }
    }

    fn new_session(&self, operator: &Operator) -> NewSession {
        let now = self.clock.now();
        let mut id = [0; 32];
        random(&mut id);
        let session = Session {
            operator: operator.name.clone(),
            id_sha256: Sha256::digest(id).into(),
            created_at: now,
            last_seen_at: now,
            authenticated_at: now,
        };
        NewSession { cookie: URL_SAFE_NO_PAD.encode(id).into(), session }
    }

    /// The session behind a cookie, if it is known and not over.
    pub fn authenticate_session(&self, cookie: &str) -> Option<Arc<Session>> {
        let id: [u8; 32] = URL_SAFE_NO_PAD.decode(cookie).ok()?.try_into().ok()?;
        let digest: [u8; 32] = Sha256::digest(id).into();
        let live = self.registry.live();
        let session = live.session(&digest)?;
        let now = self.clock.now();
        let auth = &self.config.auth;
        let idle = seconds(auth.session_idle_s);
        let absolute = seconds(auth.session_absolute_s);
        let seen = self.registry.last_seen(session);
        if now >= seen + idle || now >= session.created_at + absolute {
            return None;
        }
        self.registry.touch_session(&digest, now);
        Some(Arc::clone(session))
    }

    /// Ends a session on the server, whatever the browser keeps.
    pub async fn sign_out(&self, session: &Session) -> Result<(), RegistryError> {
        let actor = Actor::Operator(session.operator.clone());
        let event = self.event(actor, AuditAction::SignedOut, None, session.operator.as_str());
        let id = session.id_sha256;
        let write = move |txn: &WriteTxn| {
            sessions::remove(txn, &id)?;
            audit::append(txn, &event)
        };
        self.registry.write(write).await.map(|_| ())
    }

    /// Whether the password was asked for recently enough for dangerous actions.
    pub fn is_stepped_up(&self, session: &Session) -> bool {
        self.clock.now() < session.authenticated_at + seconds(self.config.auth.step_up_s)
    }

    /// Replaces an operator's password and ends all their sessions.
    pub async fn reset_password(
        &self,
        actor: Actor,
        name: OperatorName,
        password: SecretString,
    ) -> Result<bool, SignInError> {
        let password_hash = self.passwords.hash(password).await?;
        let now = self.clock.now();
        let event = self.event(actor, AuditAction::PasswordReset, None, name.as_str());
        let write = move |txn: &WriteTxn| {
            let Some(mut operator) = operators::get(txn, &name)? else { return Ok(false) };
            operator.password_hash = password_hash;
            operator.password_changed_at = now;
            operators::put(txn, &operator)?;
            sessions::remove_of(txn, &name)?;
            audit::append(txn, &event)?;
            Ok(true)
        };
        Ok(self.registry.write(write).await?)
    }
}

/// Whether the password that was checked is still the operator's: checking takes its time, and
/// it may have been replaced meanwhile.
fn is_current(txn: &WriteTxn, checked: &Operator) -> Result<bool, RegistryError> {
    let row = operators::get(txn, &checked.name)?;
    Ok(row.is_some_and(|row| row.password_hash == checked.password_hash))
}

/// The CSRF token of a session: derived from the cookie, which only the browser
/// and this request have.
pub fn csrf_token(cookie: &str) -> String {
    let token = blake3::derive_key("plugboard csrf v1", cookie.as_bytes());
    URL_SAFE_NO_PAD.encode(token)
}

/// Compares a sent CSRF token with the session's, in constant time.
pub fn csrf_token_fits(cookie: &str, sent: &str) -> bool {
    csrf_fits(&csrf_token(cookie), sent)
}

/// The same, for who has the token at hand.
pub fn csrf_fits(token: &str, sent: &str) -> bool {
    token.as_bytes().ct_eq(sent.as_bytes()).into()
}

/// Seconds of the configuration as a span of time.
pub(crate) fn seconds(count: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(count).unwrap_or(i64::MAX))
}
