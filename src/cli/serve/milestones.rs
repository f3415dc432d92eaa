//! The lines of the log between which a server was there.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::app::App;
use crate::cli::failure::Failure;
use crate::registry::{installs, versions};
use crate::trust::TrustBundleStatus;

/// What ended a server.
pub(super) struct Told {
    pub(super) signal: &'static str,
    pub(super) at: Instant,
}

/// What runs here, where, on which folder, and how much is in it.
pub(super) async fn log_start(app: &App) -> Result<(), Failure> {
    let counted = app.registry.read(|txn| {
        let published = versions::list(txn)?;
        let names: BTreeSet<_> = published.iter().map(|version| &version.name).collect();
        Ok((names.len(), installs::list_all(txn)?.len()))
    });
    let counted = counted.await;
    let (extensions, installs) =
        counted.map_err(|error| Failure::unfinished(anyhow::Error::new(error)))?;
    let data_dir = std::path::absolute(&app.data_dir).unwrap_or_else(|_| app.data_dir.clone());
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        address = %app.config.server.listen,
        data_dir = %data_dir.display(),
        extensions,
        installs,
        "Plugboard is started",
    );
    // Nobody who does not look at `/readyz` would know why all that is published waits.
    if let TrustBundleStatus::Unusable { reason } = app.trust.status(app.clock.now()) {
        tracing::error!(
            "`signing.trust_bundle` is not usable, and no bundle is verified until it is: {reason}"
        );
    }
    app.note_full_disk().await;
    Ok(())
}

/// How it ended, once everything is written.
pub(super) fn log_stop(told: Option<&Told>) {
    let (signal, took) = told.map(|told| (told.signal, told.at.elapsed())).unzip();
    let duration_ms = took.map(|took| took.as_secs_f64() * 1_000.0);
    tracing::info!(signal, duration_ms, "Plugboard is stopped");
}
