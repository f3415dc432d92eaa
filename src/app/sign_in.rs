//! Passwords and sessions (security.md 4.5).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, spawn_blocking};

use super::App;
use super::tokens::random;
use crate::model::{Actor, AuditAction, Operator, OperatorName, Session};
use crate::registry::{RegistryError, WriteTxn, audit, operators, sessions};

/// Free tries per account before each further one has to wait.
const FREE_TRIES: u32 = 5;
/// The longest wait between two tries, in seconds.
const MAX_WAIT_S: i64 = 15 * 60;
/// Tries per minute from one address.
const TRIES_PER_MINUTE: u32 = 20;
/// Accounts and addresses remembered at most: beyond that the oldest go.
const MAX_REMEMBERED: usize = 10_000;

/// Hashes and checks passwords: Argon2id, 64 MiB, two passes, two at once.
#[derive(Clone)]
pub struct Passwords {
    slots: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    /// Compared with when the account is unknown, so that both take as long.
    dummy: Arc<str>,
}

/// What a password could not be used for.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    #[error("a password has at least 12 characters; this one has {0}")]
    TooShort(usize),
    #[error("a password has at most 1,024 characters")]
    TooLong,
    #[error("this password is one of the most used ones")]
    TooCommon,
    #[error("too many passwords are being checked at once")]
    Busy,
    #[error("the password could not be hashed")]
    Hash,
    #[error("hashing was cancelled")]
    Cancelled(#[from] JoinError),
}

/// Counts failed sign-ins, per account and per address.
#[derive(Default)]
pub struct SignInLimits {
    tries: Mutex<Tries>,
}

#[derive(Default)]
struct Tries {
    accounts: HashMap<OperatorName, (u32, Timestamp)>,
    addresses: HashMap<IpAddr, (u32, Timestamp)>,
}

/// Addresses that sign an operator in, made by who runs the process.
///
/// Kept in memory only, and good for an hour: the demo prints one.
#[derive(Default)]
pub struct SignInLinks {
    links: Mutex<HashMap<[u8; 32], SignInLink>>,
}

#[derive(Clone)]
struct SignInLink {
    operator: OperatorName,
    path: String,
    expires_at: Timestamp,
}

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

impl Passwords {
    /// The parameters are fixed; stored hashes carry theirs.
    pub fn new() -> Self {
        let dummy = hash_blocking("plugboard: no such operator").unwrap_or_default();
        Self {
            slots: Arc::new(Semaphore::new(2)),
            queue: Arc::new(Semaphore::new(18)),
            dummy: dummy.into(),
        }
    }

    /// Hashes a new password, if it is good enough to keep.
    pub async fn hash(&self, password: SecretString) -> Result<String, PasswordError> {
        check_quality(password.expose_secret())?;
        let _waiting = self.queue.try_acquire().map_err(|_| PasswordError::Busy)?;
        let _slot = self.slots.acquire().await.map_err(|_| PasswordError::Busy)?;
        spawn_blocking(move || hash_blocking(password.expose_secret())).await?
    }

    /// Whether `password` is the one behind `hash`; `None` costs as much and is false.
    pub async fn check(
        &self,
        password: SecretString,
        hash: Option<String>,
    ) -> Result<bool, PasswordError> {
        let _waiting = self.queue.try_acquire().map_err(|_| PasswordError::Busy)?;
        let _slot = self.slots.acquire().await.map_err(|_| PasswordError::Busy)?;
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.dummy.to_string());
        let fits = spawn_blocking(move || {
            let Ok(parsed) = PasswordHash::new(&hash) else { return false };
            hasher().verify_password(password.expose_secret().as_bytes(), &parsed).is_ok()
        });
        Ok(fits.await? && known)
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

fn hasher() -> Argon2<'static> {
    let params = Params::new(64 * 1024, 2, 1, None).expect("the parameters are in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash_blocking(password: &str) -> Result<String, PasswordError> {
    let mut salt = [0; 16];
    random(&mut salt);
    let hash = hasher().hash_password_with_salt(password.as_bytes(), &salt);
    Ok(hash.map_err(|_| PasswordError::Hash)?.to_string())
}

fn check_quality(password: &str) -> Result<(), PasswordError> {
    let length = password.chars().count();
    if length < 12 {
        return Err(PasswordError::TooShort(length));
    }
    if length > 1024 {
        return Err(PasswordError::TooLong);
    }
    let lower = password.to_lowercase();
    let first = lower.chars().next();
    let one_letter = lower.chars().all(|c| Some(c) == first);
    // The most used passwords of twelve and more characters are these words,
    // runs of a keyboard or digits, and repetitions.
    let common = include_str!("sign_in/common_passwords.txt").lines().any(|line| line == lower);
    if one_letter || common { Err(PasswordError::TooCommon) } else { Ok(()) }
}

impl SignInLimits {
    /// Refuses a try that comes too early; counts it otherwise.
    fn begin(
        &self,
        name: &OperatorName,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<(), SignInError> {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((failed, last)) = tries.accounts.get(name)
            && let Some(over) = failed.checked_sub(FREE_TRIES)
        {
            let wait = 2_i64.saturating_pow(over + 1).min(MAX_WAIT_S);
            let next = *last + SignedDuration::from_secs(wait);
            if now < next {
                return Err(too_many(next, now));
            }
        }
        let Some(network) = address.map(network) else { return Ok(()) };
        if tries.addresses.len() >= MAX_REMEMBERED {
            tries.addresses.retain(|_, (_, start)| now < *start + SignedDuration::from_mins(1));
        }
        let (count, start) = tries.addresses.entry(network).or_insert((0, now));
        let end = *start + SignedDuration::from_mins(1);
        if now >= end {
            (*count, *start) = (0, now);
        } else if *count >= TRIES_PER_MINUTE {
            return Err(too_many(end, now));
        }
        *count += 1;
        Ok(())
    }

    fn failed(&self, name: &OperatorName, now: Timestamp) {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if tries.accounts.len() >= MAX_REMEMBERED {
            let old = now - SignedDuration::from_secs(MAX_WAIT_S);
            tries.accounts.retain(|_, (_, last)| *last > old);
        }
        let (count, last) = tries.accounts.entry(name.clone()).or_insert((0, now));
        (*count, *last) = (count.saturating_add(1), now);
    }

    fn succeeded(&self, name: &OperatorName) {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        tries.accounts.remove(name);
    }
}

/// One bucket per /24 and /64: an attacker owns whole networks.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            IpAddr::from([a, b, c, 0])
        }
        IpAddr::V6(v6) => {
            let mut segments = v6.segments();
            segments[4..].fill(0);
            IpAddr::from(segments)
        }
    }
}

fn too_many(next: Timestamp, now: Timestamp) -> SignInError {
    let seconds = next.duration_since(now).as_secs().max(0) + 1;
    SignInError::TooManyTries { retry_after_s: seconds.unsigned_abs() }
}

impl App {
    /// Signs an operator in: a new session under a new id.
    pub async fn sign_in(
        &self,
        name: &str,
        password: SecretString,
        address: Option<IpAddr>,
    ) -> Result<NewSession, SignInError> {
        let now = self.clock.now();
        // A name that cannot exist takes the same way and the same time.
        let parsed: Option<OperatorName> = name.trim().to_ascii_lowercase().parse().ok();
        let key = parsed.clone().unwrap_or_else(|| "-".parse().expect("a legal name"));
        self.sign_in_limits.begin(&key, address, now)?;
        let live = self.registry.live();
        let operator = parsed.as_ref().and_then(|name| live.operator(name)).cloned();
        let hash = operator.as_ref().map(|operator| operator.password_hash.clone());
        let fits = self.passwords.check(password, hash).await?;
        let Some(operator) = operator.filter(|_| fits) else {
            self.sign_in_limits.failed(&key, now);
            let event = self.event(Actor::System, AuditAction::SignInFailed, None, key.as_str());
            self.registry.write(move |txn| audit::append(txn, &event)).await?;
            return Err(SignInError::Wrong);
        };
        self.sign_in_limits.succeeded(&key);
        Ok(self.begin_session(&operator).await?)
    }

    /// Makes the secret of an address that signs `operator` in and leads to `path`.
    pub fn create_sign_in_link(&self, operator: &Operator, path: String) -> SecretString {
        let mut secret = [0; 32];
        random(&mut secret);
        let text = URL_SAFE_NO_PAD.encode(secret);
        let expires_at = self.clock.now() + SignedDuration::from_hours(1);
        let link = SignInLink { operator: operator.name.clone(), path, expires_at };
        let mut links = self.sign_in_links.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.insert(Sha256::digest(text.as_bytes()).into(), link);
        text.into()
    }

    /// Signs in who comes with such a secret; says where it leads.
    pub async fn follow_sign_in_link(
        &self,
        secret: &str,
    ) -> Result<(NewSession, String), SignInError> {
        let digest: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
        let found = {
            let links = self.sign_in_links.links.lock().unwrap_or_else(PoisonError::into_inner);
            links.get(&digest).cloned()
        };
        let now = self.clock.now();
        let link = found.filter(|link| now < link.expires_at).ok_or(SignInError::Wrong)?;
        let live = self.registry.live();
        let operator = live.operator(&link.operator).ok_or(SignInError::Wrong)?;
        Ok((self.begin_session(operator).await?, link.path))
    }

    /// Makes a session for an operator who has just proved who they are.
    pub(crate) async fn begin_session(
        &self,
        operator: &Operator,
    ) -> Result<NewSession, RegistryError> {
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
        let actor = Actor::Operator(operator.name.clone());
        let event = self.event(actor, AuditAction::SignedIn, None, operator.name.as_str());
        let row = session.clone();
        let write = move |txn: &WriteTxn| {
            sessions::insert(txn, &row)?;
            audit::append(txn, &event)
        };
        self.registry.write(write).await?;
        Ok(NewSession { cookie: URL_SAFE_NO_PAD.encode(id).into(), session })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn after_five_failures_each_try_waits_longer() {
        let limits = SignInLimits::default();
        let name: OperatorName = "ada".parse().unwrap();
        for _ in 0..5 {
            limits.begin(&name, None, at(0)).unwrap();
            limits.failed(&name, at(0));
        }

        assert!(limits.begin(&name, None, at(1)).is_err());
        assert!(limits.begin(&name, None, at(2)).is_ok());
        limits.failed(&name, at(2));
        assert!(limits.begin(&name, None, at(5)).is_err());
        assert!(limits.begin(&name, None, at(6)).is_ok());
        limits.succeeded(&name);
        assert!(limits.begin(&name, None, at(6)).is_ok());
    }

    #[test]
    fn one_network_gets_twenty_tries_a_minute() {
        let limits = SignInLimits::default();
        let address = |last: u8| Some(IpAddr::from([192, 0, 2, last]));
        for last in 0..20 {
            let name = format!("n{last}").parse().unwrap();
            limits.begin(&name, address(last), at(0)).unwrap();
        }
        let name = "ada".parse().unwrap();

        assert!(limits.begin(&name, address(99), at(59)).is_err());
        assert!(limits.begin(&name, Some(IpAddr::from([198, 51, 100, 1])), at(59)).is_ok());
        assert!(limits.begin(&name, address(99), at(60)).is_ok());
    }

    #[test]
    fn weak_passwords_are_refused() {
        for weak in ["short", "aaaaaaaaaaaaaa", "password1234", "Qwertyuiop123"] {
            assert!(check_quality(weak).is_err(), "{weak}");
        }
        assert!(check_quality("a socket in the board").is_ok());
    }

    #[tokio::test]
    async fn only_the_right_password_fits() {
        let passwords = Passwords::new();
        let hash = passwords.hash("correct horse battery".into()).await.unwrap();

        assert!(passwords.check("correct horse battery".into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.check("correct horse batterz".into(), Some(hash)).await.unwrap());
        assert!(!passwords.check("plugboard: no such operator".into(), None).await.unwrap());
    }
}
