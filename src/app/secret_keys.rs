//! Which master key the secrets are sealed with: at a start, and when it changes.
//!
//! A key of the appliance's own is followed by another in four steps: the new one is written
//! beside it as `master.key.next`, all data keys are sealed with it in one transaction, it
//! takes the name of the old one, and the old one is gone. Between any two of them there is
//! at least the key that the data keys are sealed with, and a start goes on from there. A key
//! that is given changes with a restart, at which the one before is given, too.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::App;
use super::master_key::{MasterKey, MasterKeyError};
use crate::config::ServerConfig;
use crate::model::{AuditAction, AuditEvent, Principal};
use crate::registry::{Registry, RegistryError, audit};
use crate::state::secrets::{
    Secrets, SecretsError, WrappingKeyId, rewrap_at_start, wrapping_keys_in,
};
use crate::state::{State, StateError};

/// Why the secrets cannot be opened at a start.
#[derive(Debug, thiserror::Error)]
pub enum OpenSecretsError {
    #[error(transparent)]
    Key(#[from] MasterKeyError),
    /// One that a setting names.
    #[error(transparent)]
    GivenKey(MasterKeyError),
    #[error("the data keys of secrets cannot be sealed with the new master key: {0}")]
    Secrets(#[from] SecretsError),
    #[error(transparent)]
    State(#[from] StateError),
}

/// Why the master key was not changed.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    #[error("the master key is in {}, which is not the appliance's to change", .0.display())]
    Given(PathBuf),
    #[error(
        "an earlier change of the master key did not end: `master.key.next` is in the data folder"
    )]
    Unfinished,
    #[error(transparent)]
    Key(#[from] MasterKeyError),
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("the process is shutting down")]
    Stopped,
}

/// What changing the master key did.
#[derive(Debug)]
pub struct Rotated {
    pub key_id: WrappingKeyId,
    /// One for each install that has secrets.
    pub data_keys: usize,
}

/// Reads the master key, or makes it, and opens the secrets in `state` with it.
pub fn open_secrets(
    config: &ServerConfig,
    data_dir: &Path,
    state: &State,
) -> Result<(MasterKey, Secrets), OpenSecretsError> {
    let key = match given(config) {
        Some(file) => MasterKey::read_given(file).map_err(OpenSecretsError::GivenKey)?,
        None => settle(MasterKey::open(data_dir)?, data_dir, state)?,
    };
    let previous = &config.previous_master_key_file;
    if !previous.as_os_str().is_empty() {
        let previous = MasterKey::read_given(previous).map_err(OpenSecretsError::GivenKey)?;
        let count = rewrap(state, &previous, &key)?;
        tracing::warn!(
            "{count} data keys were sealed with the previous master key and now are with the new \
             one: `server.previous_master_key_file` is no longer needed, and should go"
        );
    }
    let secrets = Secrets::new(state.clone(), key.wrapping_key());
    for (id, count) in wrapping_keys_in(state)?.iter().filter(|(id, _)| **id != secrets.key_id()) {
        tracing::error!(
            "The secrets of {count} installs are sealed with the master key {id}, and that of \
             this appliance is {}: extensions cannot read them until the other is back",
            secrets.key_id()
        );
    }
    Ok((key, secrets))
}

/// Ends a change of the key that a crash has broken off, whichever way it has to.
fn settle(key: MasterKey, data_dir: &Path, state: &State) -> Result<MasterKey, OpenSecretsError> {
    let Some(next) = MasterKey::read_next(data_dir)? else { return Ok(key) };
    if wrapping_keys_in(state)?.contains_key(&next.wrapping_key().id()) {
        rewrap(state, &key, &next)?;
        MasterKey::adopt_next(data_dir)?;
        tracing::warn!("A change of the master key that was broken off is complete now");
        Ok(next)
    } else {
        MasterKey::remove_next(data_dir)?;
        tracing::warn!("A change of the master key was broken off: it is as before");
        Ok(key)
    }
}

fn rewrap(state: &State, from: &MasterKey, to: &MasterKey) -> Result<usize, SecretsError> {
    rewrap_at_start(state, from.wrapping_key(), Arc::new(to.wrapping_key()))
}

fn given(config: &ServerConfig) -> Option<&Path> {
    let file = config.master_key_file.as_path();
    (!file.as_os_str().is_empty()).then_some(file)
}

impl App {
    /// Makes a new master key and seals all data keys with it; the old one is forgotten.
    pub async fn rotate_master_key(&self, principal: &Principal) -> Result<Rotated, RotateError> {
        if let Some(file) = given(&self.config.server) {
            return Err(RotateError::Given(file.to_owned()));
        }
        let mut event = self.event(principal.actor(), AuditAction::MasterKeyRotated, None, "");
        event.detail = Some(format!("in place of {}", self.secrets.key_id()));
        let (data_dir, secrets, registry) =
            (self.data_dir.clone(), self.secrets.clone(), self.registry.clone());
        // To its end, also when whoever asked does not wait for it.
        let change =
            tokio::spawn(async move { change(&data_dir, &secrets, &registry, event).await });
        change.await.unwrap_or(Err(RotateError::Stopped))
    }
}

async fn change(
    data_dir: &Path,
    secrets: &Secrets,
    registry: &Registry,
    mut event: AuditEvent,
) -> Result<Rotated, RotateError> {
    let next = MasterKey::make_next(data_dir)?.ok_or(RotateError::Unfinished)?;
    event.subject = next.wrapping_key().id().to_string();
    let recorded = registry.write(move |txn| audit::append(txn, &event)).await;
    let recorded = recorded.map_err(RotateError::Registry);
    let rewrapped = match recorded {
        Ok(_number) => secrets.rewrap(next.wrapping_key()).await.map_err(RotateError::Secrets),
        Err(error) => Err(error),
    };
    match rewrapped {
        Ok(data_keys) => {
            MasterKey::adopt_next(data_dir)?;
            Ok(Rotated { key_id: secrets.key_id(), data_keys })
        }
        // Nobody knows what is on the disk: the next start does, and needs both keys.
        Err(error @ RotateError::Secrets(SecretsError::State(_))) => Err(error),
        Err(error) => {
            MasterKey::remove_next(data_dir)?;
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests;
