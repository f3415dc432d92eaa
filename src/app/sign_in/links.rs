//! Addresses that sign somebody in, for who runs the process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use super::{NewSession, SignInError};
use crate::app::App;
use crate::app::tokens::random;
use crate::model::{Operator, OperatorName};

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

impl App {
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
}
