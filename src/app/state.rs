//! What extensions keep, as operators see it: how much, all of it, and gone.
//!
//! It belongs to an install, and outlives it by `state.kept_days`. So an install is
//! looked for among those that are there, and then in the state, under the caller's
//! tenant: that of another is as unknown as one that never was.

mod import_report;
mod importing;
mod lines;
mod sweeping;

use futures_util::stream::{self, Stream};
use jiff::{SignedDuration, Timestamp};

use super::install::InstallError;
use super::{App, Denied, check_allowed};
use crate::model::{
    Actor, AuditAction, AuditEvent, ExtensionName, Install, InstallId, Principal, ScopeKind,
    TenantId,
};
use crate::registry::purges::{self, Purge};
use crate::registry::{RegistryError, audit};
use crate::state::kept::{self, Kept};
use crate::state::values::{self, After, Entry, Page, Usage};
use crate::state::{Owner, State, StateError};

pub use import_report::{ImportError, ImportOptions, Imported, LineProblem};
pub use lines::LineError;
pub(crate) use lines::write as write_line;

/// What of an export is in memory at once; a single value may be larger.
const EXPORT_PAGE: Page = Page { entries: 256, bytes: 1024 * 1024 };
/// Values that one transaction of a purge removes: guests wait for no more than that.
const PURGE_STEP: usize = 256;

/// What is kept of one install.
#[derive(Clone, Debug)]
pub struct StateReport {
    pub kept: Kept,
    pub usage: Usage,
    /// When it will be removed; `None` while it is installed.
    pub removed_at: Option<Timestamp>,
}

/// Why what an extension keeps cannot be had or removed.
#[derive(Debug, thiserror::Error)]
pub enum KeepingError {
    #[error("there is no install {0}, and nothing is kept of one")]
    UnknownInstall(InstallId),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Why a purge is not done yet; the next sweep tries again.
#[derive(Debug, thiserror::Error)]
enum FulfillError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl From<FulfillError> for KeepingError {
    fn from(error: FulfillError) -> Self {
        match error {
            FulfillError::State(error) => Self::State(error),
            FulfillError::Registry(error) => Self::Registry(error),
        }
    }
}

impl App {
    /// Of which installs of the caller's tenant something is kept: those that are there,
    /// by name, then those that are uninstalled, the last one first.
    pub async fn list_state(
        &self,
        principal: &Principal,
    ) -> Result<Vec<StateReport>, KeepingError> {
        let tenant = principal.tenant();
        let found = self.state.read(move |txn| {
            let rows = kept::list(txn)?.into_iter().filter(|row| row.tenant == tenant);
            let with_usage = |row: Kept| Ok((values::usage(txn, &row.owner())?, row));
            rows.map(with_usage).collect::<Result<Vec<_>, StateError>>()
        });
        let may_read = |name: &ExtensionName| principal.allows(ScopeKind::InstallRead, Some(name));
        let mut reports: Vec<_> = found
            .await?
            .into_iter()
            .filter(|(usage, row)| usage.keys > 0 && may_read(&row.extension))
            .map(|(usage, row)| self.report(row, usage))
            .collect();
        reports.sort_by(|a, b| {
            let at = |report: &StateReport| report.kept.uninstalled_at;
            let by_name = a.kept.extension.cmp(&b.kept.extension);
            at(b).is_none().cmp(&at(a).is_none()).then(at(b).cmp(&at(a))).then(by_name)
        });
        Ok(reports)
    }

    /// How much an install keeps.
    pub async fn usage_of_state(&self, install: &Install) -> Result<Usage, StateError> {
        let owner = Owner::new(&install.tenant, install.id);
        self.state.read(move |txn| values::usage(txn, &owner)).await
    }

    /// All that an install keeps, by namespace and key, a page at a time.
    ///
    /// Each page is read by itself: what is put or deleted meanwhile may be in it or
    /// not, and a slow reader holds no version of the file back.
    pub async fn export_state(
        &self,
        principal: &Principal,
        id: InstallId,
    ) -> Result<(Kept, impl Stream<Item = Result<Vec<Entry>, StateError>> + use<>), KeepingError>
    {
        let kept = self.find_kept(principal, id).await?;
        let event = self.keeping_event(principal.actor(), AuditAction::StateExported, &kept);
        self.registry.write(move |txn| audit::append(txn, &event)).await?;
        let begin = (self.state.clone(), kept.owner(), After::default());
        let pages = stream::try_unfold(begin, |(state, owner, after)| async move {
            let page =
                state.read(move |txn| values::list_all(txn, &owner, &after, EXPORT_PAGE)).await?;
            let next = After::the_last_of(&page);
            Ok(next.map(|next| (page, (state, owner, next))))
        });
        Ok((kept, pages))
    }

    /// Removes all that an install keeps, for good; says how much that was.
    ///
    /// The event is written first: a purge that a crash broke off is in the audit
    /// trail, and is done by repeating it.
    pub async fn purge_state(
        &self,
        principal: &Principal,
        id: InstallId,
    ) -> Result<Usage, KeepingError> {
        let kept = self.find_kept(principal, id).await?;
        let event = self.keeping_event(principal.actor(), AuditAction::StatePurged, &kept);
        self.registry.write(move |txn| audit::append(txn, &event)).await?;
        Ok(purge(&self.state, kept.owner()).await?)
    }

    /// What the commit that removes an install notes where what it keeps is to go, too.
    pub(super) fn wish_to_purge(&self, actor: Actor, install: &Install) -> (Purge, AuditEvent) {
        let wish = Purge::of(install);
        let event = self.keeping_event(actor, AuditAction::StatePurged, &gone(wish.clone()));
        (wish, event)
    }

    /// Remembers that an install is gone, which dates the end of what it kept, and
    /// removes that at once where it is to be purged.
    ///
    /// A crash between the registry's commit and this one leaves it to the sweep, which
    /// finds what belongs to no install, and what was wished.
    pub(super) async fn leave_state(
        &self,
        install: &Install,
        purge_it: bool,
    ) -> Result<(), InstallError> {
        let wish = Purge::of(install);
        if purge_it {
            return self.fulfill(wish).await.map_err(|error| match error {
                FulfillError::State(error) => InstallError::NotPurged(error),
                FulfillError::Registry(error) => InstallError::Registry(error),
            });
        }
        let (kept, now) = (gone(wish), self.clock.now());
        let closed = self.state.write(move |txn| kept::close(txn, &kept, now)).await;
        if let Err(error) = closed {
            tracing::warn!("What an uninstalled extension kept is not dated yet: {error}");
        }
        Ok(())
    }

    /// Removes all of an install that is gone, and then the wish. It can be repeated.
    async fn fulfill(&self, wish: Purge) -> Result<(), FulfillError> {
        let (install, kept, now) = (wish.install, gone(wish), self.clock.now());
        let owner = kept.owner();
        // Closed first: an execution that is still under way puts nothing behind the purge.
        self.state.write(move |txn| kept::close(txn, &kept, now)).await?;
        purge(&self.state, owner).await?;
        Ok(self.registry.write(move |txn| purges::remove(txn, &install)).await?)
    }

    async fn find_kept(&self, principal: &Principal, id: InstallId) -> Result<Kept, KeepingError> {
        let kept = if let Some(row) = self.live_of(principal, id) {
            Some(Kept::of(&row.labels))
        } else {
            let owner = Owner::new(&principal.tenant(), id);
            self.state.read(move |txn| kept::get(txn, &owner)).await?
        };
        let kept = kept.ok_or(KeepingError::UnknownInstall(id))?;
        // Also to read it: what customers entrusted to an extension is more than how it stands.
        check_allowed(principal, ScopeKind::InstallWrite, &kept.extension)?;
        Ok(kept)
    }

    fn report(&self, kept: Kept, usage: Usage) -> StateReport {
        let removed_at = kept.uninstalled_at.map(|at| at + self.kept_for());
        StateReport { kept, usage, removed_at }
    }

    fn kept_for(&self) -> SignedDuration {
        SignedDuration::from_hours(24 * i64::from(self.config.state.kept_days))
    }

    fn keeping_event(&self, actor: Actor, action: AuditAction, kept: &Kept) -> AuditEvent {
        let tenant: Option<TenantId> = Some(kept.tenant.clone());
        self.event(actor, action, tenant, format!("{} {}", kept.extension, kept.install))
    }
}

/// The row of an install that is gone.
fn gone(Purge { tenant, install, extension }: Purge) -> Kept {
    Kept { tenant, install, extension, uninstalled_at: None }
}

/// Removes what is there when it begins; what a guest puts meanwhile may stay.
async fn purge(state: &State, owner: Owner) -> Result<Usage, StateError> {
    let mut purged = Usage::default();
    let Some(last) = state.read(move |txn| values::last(txn, &owner)).await? else {
        return Ok(purged);
    };
    let mut next = Some(After::default());
    while let Some(after) = next {
        let last = last.clone();
        let step = move |txn: &_| values::purge(txn, &owner, (&after, &last), PURGE_STEP);
        let step = state.write(step).await?;
        purged.keys += step.usage.keys;
        purged.bytes += step.usage.bytes;
        next = step.next;
    }
    Ok(purged)
}
