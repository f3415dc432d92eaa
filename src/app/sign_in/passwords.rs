//! Passwords: what is good enough, and how they are kept.

use std::hint::black_box;
use std::sync::Arc;

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, spawn_blocking};

use crate::app::tokens::random;

/// Hashes and checks passwords: Argon2id, 64 MiB, two passes, two at once.
#[derive(Clone)]
pub struct Passwords {
    slots: Arc<Semaphore>,
    queue: Arc<Semaphore>,
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

impl Passwords {
    /// The parameters are fixed; stored hashes carry theirs.
    pub fn new() -> Self {
        Self { slots: Arc::new(Semaphore::new(2)), queue: Arc::new(Semaphore::new(18)) }
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
        Ok(spawn_blocking(move || fits(password.expose_secret(), hash.as_deref())).await?)
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

fn hasher() -> Argon2<'static> {
    #[cfg(test)]
    tests::HASHERS.set(tests::HASHERS.get() + 1);
    let params = Params::new(64 * 1024, 2, 1, None).expect("the parameters are in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Nothing fits where there is no hash. The password is hashed all the same, as comparing it would.
fn fits(password: &str, hash: Option<&str>) -> bool {
    let Some(hash) = hash else {
        drop(black_box(hash_blocking(password)));
        return false;
    };
    let Ok(parsed) = PasswordHash::new(hash) else { return false };
    hasher().verify_password(password.as_bytes(), &parsed).is_ok()
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
    let common = include_str!("common_passwords.txt").lines().any(|line| line == lower);
    if one_letter || common { Err(PasswordError::TooCommon) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// How often this thread has got ready to hash.
        pub(super) static HASHERS: Cell<u32> = const { Cell::new(0) };
    }

    #[test]
    fn an_unknown_account_costs_one_hash_as_a_known_one_does() {
        let hash = hash_blocking("correct horse battery").unwrap();
        let cost = |hash| {
            let before = HASHERS.get();
            assert!(!fits("correct horse batterz", hash));
            HASHERS.get() - before
        };

        assert_eq!(cost(Some(hash.as_str())), 1);
        assert_eq!(cost(None), 1);
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
        assert!(!passwords.check("correct horse battery".into(), None).await.unwrap());
    }
}
