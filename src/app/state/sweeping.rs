//! What goes by itself: values whose time is over, and what uninstalled extensions kept.

use jiff::Timestamp;

use super::{App, KeepingError, PURGE_STEP, purge};
use crate::model::{Actor, AuditAction};
use crate::registry::{audit, purges};
use crate::state::StateError;
use crate::state::kept::{self, Kept};
use crate::state::values;

impl App {
    /// Removes values whose time is over. Called once a minute.
    pub async fn sweep_values(&self) -> Result<usize, StateError> {
        values::sweep_all(&self.state, self.clock.now(), PURGE_STEP).await
    }

    /// Says whose operations were refused since the last time. Called once a minute, so that a
    /// guest that asks too often does not fill the log as well.
    pub fn tell_refused_operations(&self) {
        for (install, refused) in self.state.settle_operations() {
            let per_s = self.config.state.max_operations_per_s;
            tracing::warn!(
                install.id = %install,
                "An install asks for more than `state.max_operations_per_s`, {per_s}: {refused} \
                 operations were refused",
            );
        }
    }

    /// Removes what installs kept that are gone for `state.kept_days`, or were to be purged
    /// when a crash came between; says of how many.
    pub(in crate::app) async fn sweep_state(&self, now: Timestamp) -> Result<usize, KeepingError> {
        let wishes = self.registry.read(purges::list).await?;
        let fulfilled = wishes.len();
        for wish in wishes {
            self.fulfill(wish).await?;
        }
        let rows = self.state.read(kept::list).await?;
        // After the rows: an install that is not there any more was there when it kept something.
        let live = self.registry.live();
        let mut removed = fulfilled;
        for row in rows {
            match row.uninstalled_at {
                None if live.install_by_id(&row.install).is_none() => {
                    self.state.write(move |txn| kept::close(txn, &row, now)).await?;
                }
                Some(at) if at <= now - self.kept_for() => {
                    removed += usize::from(self.remove_kept(row).await?);
                }
                None | Some(_) => {}
            }
        }
        Ok(removed)
    }

    /// Removes the last of an install; says whether there was something.
    async fn remove_kept(&self, kept: Kept) -> Result<bool, KeepingError> {
        let owner = kept.owner();
        let usage = self.state.read(move |txn| values::usage(txn, &owner)).await?;
        if usage.keys > 0 {
            let event = self.keeping_event(Actor::System, AuditAction::StatePurged, &kept);
            self.registry.write(move |txn| audit::append(txn, &event)).await?;
            purge(&self.state, owner).await?;
        }
        self.state.write(move |txn| kept::remove(txn, &owner)).await?;
        Ok(usage.keys > 0)
    }
}
