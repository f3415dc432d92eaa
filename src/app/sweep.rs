//! Housekeeping in the background: what expires, and what a crash left behind.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::App;
use super::sign_in::seconds;
use super::state::KeepingError;
use super::uploads::UploadError;
use crate::model::{Actor, AuditAction, ContentHash, ExtensionVersion};
use crate::registry::{
    RegistryError, WriteTxn, audit, awaited, quarantine, removals, sessions, versions,
};
use crate::state::StateError;
use crate::store::StoreError;

/// How long an upload or an object that nobody refers to is left alone.
pub(super) const LEFTOVER_AGE: SignedDuration = SignedDuration::from_hours(24);

/// Orphans named in the log each hour; the rest is a number.
const MAX_REPORTED: usize = 10;

/// Why something was not cleaned up; the next sweep tries again.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    #[error(transparent)]
    Upload(#[from] UploadError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Keeping(#[from] KeepingError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error("the lines of extensions that are gone cannot be removed: {0}")]
    Lines(io::Error),
    #[error("the folder of compiled components cannot be swept: {0}")]
    Compiled(io::Error),
}

/// The first error of the steps of a sweep.
#[derive(Default)]
struct Steps(Option<SweepError>);

impl Steps {
    /// What a step came to; nothing, if it failed. Of the errors after the first the log knows.
    fn take<T: Default>(&mut self, step: Result<T, impl Into<SweepError>>) -> T {
        step.unwrap_or_else(|error| {
            let error: SweepError = error.into();
            if self.0.is_some() {
                tracing::warn!("Could not clean up: {error}");
            } else {
                self.0 = Some(error);
            }
            T::default()
        })
    }
}

impl App {
    /// Writes the last-used times that are only in memory. Called once a minute.
    pub async fn flush_touches(&self) -> Result<(), RegistryError> {
        self.registry.flush_touches().await
    }

    /// Removes expired sessions, uploads and quarantined bundles, and left-over files.
    ///
    /// A step that fails ends none of those after it: they may free the very disk that is full.
    pub async fn sweep(&self) -> Result<(), SweepError> {
        let now = self.clock.now();
        let auth = &self.config.auth;
        let (idle, absolute) = (seconds(auth.session_idle_s), seconds(auth.session_absolute_s));
        let expire = move |txn: &WriteTxn| {
            awaited::remove_expired(txn, now)?;
            sessions::remove_expired(txn, now - idle, now - absolute)
        };
        let mut steps = Steps::default();
        steps.take(self.registry.write(expire).await);
        let state = steps.take(self.sweep_state(now).await);
        let secrets = steps.take(self.sweep_secrets().await);
        let logs = steps.take(self.sweep_lines().await);
        // What an earlier process left may be more than this one is to keep. Before all that
        // needs the server of the bundles.
        steps.take(self.bundles.trim_cache().await);
        let quarantined = steps.take(self.sweep_expired(now).await);
        let uploads = steps.take(self.sweep_uploads().await);
        let removed = steps.take(self.sweep_removed(now - LEFTOVER_AGE).await);
        let staged = steps.take(self.bundles.sweep_staging(now - LEFTOVER_AGE).await);
        let found = steps.take(self.sweep_orphans(now).await.map(Some));
        let unknown = steps.take(self.sweep_quarantine(now).await);
        let compiled = steps.take(self.sweep_compiled().await);
        let unfinished = steps.take(self.bundles.sweep_unfinished(now - LEFTOVER_AGE).await);
        let (orphans, left) = match found {
            // In a bucket they stay: another appliance may use them.
            Some(found) if self.bundles.is_shared() => (0, Some(found)),
            Some(found) => (found, Some(0)),
            None => (0, None),
        };
        let removed = [
            ("state", state),
            ("upload", uploads),
            ("staged", staged),
            ("quarantined", quarantined + unknown),
            ("removed_version", removed),
            ("orphan", orphans),
            ("compiled", compiled),
            ("unfinished", unfinished),
            ("secret", secrets),
            ("log", logs),
        ];
        self.metrics.observe_sweep(&removed, left);
        for (kind, count) in removed.into_iter().filter(|(_, count)| *count > 0) {
            tracing::info!(store.leftovers = kind, "The sweep removed {count}");
        }
        steps.0.map_or(Ok(()), Err)
    }

    /// Deletes the bundles whose time in quarantine is over; says how many.
    async fn sweep_expired(&self, now: Timestamp) -> Result<usize, SweepError> {
        let mut removed = 0;
        for row in self.registry.read(move |txn| quarantine::expired(txn, now)).await? {
            let subject = format!("{} {} {}", row.name, row.version, row.content_hash);
            let mut event =
                self.event(Actor::System, AuditAction::QuarantineDeleted, None, subject);
            event.detail = Some("expired".to_owned());
            let hash = row.content_hash;
            let _settling = self.bundles.settling(hash).await;
            // It may have been sent again or approved since it was found.
            let expire = move |txn: &WriteTxn| {
                let is_over = quarantine::get(txn, &hash)?.is_some_and(|row| row.expires_at <= now);
                if is_over {
                    quarantine::remove(txn, &hash)?;
                    audit::append(txn, &event)?;
                }
                Ok(is_over)
            };
            if self.registry.write(expire).await? {
                self.bundles.remove_quarantined(&hash).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Deletes what was compiled of components that no version has; says how many.
    async fn sweep_compiled(&self) -> Result<usize, SweepError> {
        let known = self.registry.read(|txn| {
            let versions = versions::list(txn)?;
            let component = |row: &ExtensionVersion| row.component().map(|file| file.sha256);
            Ok(versions.iter().filter_map(component).collect::<HashSet<_>>())
        });
        let (known, runner) = (known.await?, Arc::clone(&self.runner));
        let sweep = move || runner.sweep_compiled(&known);
        let swept = tokio::task::spawn_blocking(sweep).await.map_err(io::Error::other);
        swept.flatten().map_err(SweepError::Compiled)
    }

    /// Finds bundles without a version; says how many. Those on a disk are gone then.
    async fn sweep_orphans(&self, now: Timestamp) -> Result<usize, SweepError> {
        let known = self.registry.read(move |txn| {
            let mut known = removals::removed_after(txn, now - LEFTOVER_AGE)?;
            known.extend(versions::list(txn)?.into_iter().map(|row| row.content_hash));
            Ok(known.into_iter().collect::<HashSet<_>>())
        });
        let orphans = self.bundles.sweep_orphans(&known.await?, now - LEFTOVER_AGE).await?;
        if self.bundles.is_shared() {
            report_orphans(&orphans);
        }
        Ok(orphans.len())
    }

    /// Deletes quarantined bundles that have no row; says how many.
    async fn sweep_quarantine(&self, now: Timestamp) -> Result<usize, SweepError> {
        let waiting = self.registry.read(|txn| {
            let rows = quarantine::list(txn)?.into_iter().map(|row| row.content_hash);
            Ok(rows.collect::<HashSet<_>>())
        });
        // In a bucket another appliance may have the row: wait until its row, too, has expired.
        let days = i64::from(self.config.store.quarantine_days);
        let kept_for = SignedDuration::from_hours(24 * days);
        let age = if self.bundles.is_shared() { kept_for.max(LEFTOVER_AGE) } else { LEFTOVER_AGE };
        Ok(self.bundles.sweep_quarantine(&waiting.await?, now - age).await?.len())
    }

    /// Deletes the objects of versions removed at `until` or before; says of how
    /// many. Those that cannot be deleted, as in a bucket that forbids it, are
    /// tried again.
    async fn sweep_removed(&self, until: Timestamp) -> Result<usize, RegistryError> {
        let mut removed = 0;
        for tombstone in self.registry.read(move |txn| removals::due(txn, until)).await? {
            let hash = tombstone.content_hash;
            // Objects are found by their content: another number may have the same.
            let live = self.registry.read(move |txn| versions::get_by_hash(txn, &hash)).await?;
            if live.is_none()
                && let Err(error) = self.bundles.remove_published(&hash).await
            {
                tracing::warn!(bundle.hash = %hash, "Could not delete a removed bundle: {error}");
                continue;
            }
            let write = move |txn: &WriteTxn| removals::set_objects_removed(txn, tombstone);
            self.registry.write(write).await?;
            removed += 1;
        }
        Ok(removed)
    }
}

fn report_orphans(orphans: &[ContentHash]) {
    for hash in orphans.iter().take(MAX_REPORTED) {
        tracing::warn!(
            bundle.hash = %hash,
            "A bundle in the bucket has no version here; it stays, as another appliance may use it",
        );
    }
    if orphans.len() > MAX_REPORTED {
        tracing::warn!("And {} more bundles without a version", orphans.len() - MAX_REPORTED);
    }
}
