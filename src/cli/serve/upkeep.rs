//! What a server does beside answering.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::allocator::give_memory_back;
use crate::app::App;

/// How often last-used times are written, and what is no longer used leaves memory.
const FLUSH_EVERY: Duration = Duration::from_mins(1);
/// How often memory that is free is given back to the system.
const PURGE_EVERY: Duration = Duration::from_secs(10);
/// How often expired and left-over things are removed.
const SWEEP_EVERY: Duration = Duration::from_hours(1);
/// How long a start has to itself first: sweeping looks at every bundle of the store.
const SWEEP_AFTER: Duration = Duration::from_secs(30);

/// Writes last-used times and removes what has expired, until aborted.
pub(super) async fn keep_up(app: Arc<App>) {
    let mut flush = tokio::time::interval(FLUSH_EVERY);
    let mut purge = tokio::time::interval(PURGE_EVERY);
    let mut sweep = tokio::time::interval_at(Instant::now() + SWEEP_AFTER, SWEEP_EVERY);
    loop {
        tokio::select! {
            _ = flush.tick() => {
                if let Err(error) = app.flush_touches().await {
                    tracing::warn!("Could not write last-used times: {error}");
                }
                if let Err(error) = app.sweep_values().await {
                    tracing::warn!("Could not remove values whose time is over: {error}");
                }
                app.tell_refused_operations();
                if let Err(error) = app.settle_learning().await {
                    tracing::warn!("Could not put on record that installs have learned: {error}");
                }
                app.settle_usages();
                app.release_components();
                if app.bundles.facts().is_some() && !app.has_probed_store() {
                    app.probe_store().await;
                }
            }
            () = app.runner.until_loaded() => app.release_beyond_limit(None),
            _ = purge.tick() => give_memory_back(),
            _ = sweep.tick() => {
                if let Err(error) = app.sweep().await {
                    tracing::warn!("Could not clean up: {error}");
                }
            }
        }
    }
}
