//! Housekeeping in the background: what expires, and what a crash left behind.

use std::collections::HashSet;
use std::time::Duration;

use super::App;
use super::quarantine::QuarantineError;
use crate::model::{Actor, AuditAction};
use crate::registry::{RegistryError, audit, quarantine, sessions, versions};

/// How long an upload or an object that nobody refers to is left alone.
const LEFTOVER_AGE: Duration = Duration::from_secs(24 * 60 * 60);

impl App {
    /// Writes the last-used times that are only in memory. Called once a minute.
    pub async fn flush_touches(&self) -> Result<(), RegistryError> {
        self.registry.flush_touches().await
    }

    /// Removes expired sessions, expired quarantined bundles, and left-over files.
    pub async fn sweep(&self) -> Result<(), QuarantineError> {
        let now = self.clock.now();
        let idle = i64::try_from(self.config.auth.session_absolute_s).unwrap_or(i64::MAX);
        let oldest = now - jiff::SignedDuration::from_secs(idle);
        self.registry.write(move |txn| sessions::remove_older(txn, oldest)).await?;
        let expired = self.registry.read(move |txn| quarantine::expired(txn, now)).await?;
        for row in expired {
            let subject = format!("{} {} {}", row.name, row.version, row.content_hash);
            let mut event =
                self.event(Actor::System, AuditAction::QuarantineDeleted, None, subject);
            event.detail = Some("expired".to_owned());
            let hash = row.content_hash;
            let write = move |txn: &_| {
                quarantine::remove(txn, &hash)?;
                audit::append(txn, &event)
            };
            self.registry.write(write).await?;
            self.bundles.remove_quarantined(hash).await?;
        }
        self.bundles.sweep_staging(LEFTOVER_AGE).await?;
        let known = self.registry.read(|txn| {
            let versions = versions::list(txn)?.into_iter().map(|row| row.content_hash);
            Ok(versions.collect::<HashSet<_>>())
        });
        self.bundles.sweep_orphans(&known.await?, LEFTOVER_AGE).await?;
        Ok(())
    }
}
