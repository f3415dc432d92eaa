//! Putting back what an export gave.
//!
//! In steps, so that guests wait for no more than one: each is a transaction. The first
//! line that is refused ends it, and what came before stays. To be sure beforehand there is
//! the rehearsal, which writes nothing; and after an import that broke off the same one can
//! be made again, since a value that is there already is no conflict.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use super::import_report::{ImportError, ImportOptions, Imported, LineProblem};
use super::lines::LineReader;
use super::{App, KeepingError};
use crate::model::{AuditAction, InstallId, InstallLabels, Principal, ScopeKind};
use crate::registry::audit;
use crate::state::StateError;
use crate::state::kept::Kept;
use crate::state::values::{self, Import, Importing, Rehearsal};

/// Values of one step, and about how many bytes of them.
const STEP: (usize, u64) = (256, 1024 * 1024);

/// An import under way.
struct Run<'a> {
    app: &'a App,
    labels: Arc<InstallLabels>,
    options: ImportOptions,
    rehearsal: Rehearsal,
    done: Imported,
    /// The number of the line before the step.
    number: u64,
}

impl App {
    /// Puts back what an export gave, line by line, for an install that is there.
    ///
    /// The event is written first: an import that a crash broke off is in the audit trail,
    /// and is done by repeating it.
    pub async fn import_state<E>(
        &self,
        principal: &Principal,
        id: InstallId,
        options: ImportOptions,
        mut body: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<Imported, ImportError> {
        let labels = self.installed(principal, id)?;
        if !options.dry_run {
            let kept = Kept::of(&labels);
            let event = self.keeping_event(principal.actor(), AuditAction::StateImported, &kept);
            self.registry.write(move |txn| audit::append(txn, &event)).await?;
        }
        let mut lines = LineReader::new(self.state.limits().clone(), self.clock.now());
        let mut run = Run {
            app: self,
            labels,
            options,
            rehearsal: Rehearsal::default(),
            done: Imported::default(),
            number: 0,
        };
        let (mut step, mut bytes) = (Vec::new(), 0);
        let mut is_end = false;
        while !is_end {
            match body.next().await {
                Some(Ok(piece)) => lines.push(&piece),
                Some(Err(_)) => return Err(run.broken(step).await),
                None => is_end = true,
            }
            while let Some(line) = lines.next(is_end) {
                match line {
                    Ok(import) => {
                        bytes += import.bytes();
                        step.push(import);
                    }
                    Err(problem) => {
                        run.take(step).await?;
                        return Err(run.refused(lines.number(), problem.into()));
                    }
                }
                if step.len() == STEP.0 || bytes >= STEP.1 {
                    run.take(std::mem::take(&mut step)).await?;
                    bytes = 0;
                }
            }
        }
        run.take(step).await?;
        Ok(run.done)
    }

    /// The labels of an install of the caller's tenant that is there.
    fn installed(
        &self,
        principal: &Principal,
        id: InstallId,
    ) -> Result<Arc<InstallLabels>, KeepingError> {
        let install = self.live_of(principal, id).ok_or(KeepingError::UnknownInstall(id))?;
        super::check_allowed(principal, ScopeKind::InstallWrite, &install.install.name)?;
        Ok(Arc::clone(&install.labels))
    }
}

impl Run<'_> {
    /// Puts back the values of one step, up to the first that is refused.
    async fn take(&mut self, step: Vec<Import>) -> Result<(), ImportError> {
        let count = step.len() as u64;
        let outcomes = if self.options.dry_run {
            self.rehearse(step).await?
        } else {
            self.write(step).await?
        };
        for (place, outcome) in outcomes.into_iter().enumerate() {
            if let Some(problem) = self.done.count(outcome) {
                return Err(self.refused(self.number + place as u64 + 1, problem));
            }
        }
        self.number += count;
        Ok(())
    }

    async fn write(&self, step: Vec<Import>) -> Result<Vec<Importing>, StateError> {
        let (labels, replace) = (Arc::clone(&self.labels), self.options.replace);
        let (limits, now) = (self.app.state.limits().clone(), self.app.clock.now());
        let whose = Arc::clone(&self.labels);
        let bytes = step.iter().map(Import::bytes).sum::<u64>();
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let write = move |txn: &_| {
            up_to_the_first_refused(&step, |import| {
                values::import(txn, &labels, import, replace, &limits, now)
            })
        };
        self.app.state.write_for(whose, bytes, write).await
    }

    async fn rehearse(&mut self, step: Vec<Import>) -> Result<Vec<Importing>, StateError> {
        let (labels, replace) = (Arc::clone(&self.labels), self.options.replace);
        let (limits, now) = (self.app.state.limits().clone(), self.app.clock.now());
        let mut rehearsal = std::mem::take(&mut self.rehearsal);
        let read = move |txn: &_| {
            let outcomes = up_to_the_first_refused(&step, |import| {
                rehearsal.import(txn, &labels, import, replace, &limits, now)
            })?;
            Ok((outcomes, rehearsal))
        };
        let (outcomes, rehearsal) = self.app.state.read(read).await?;
        self.rehearsal = rehearsal;
        Ok(outcomes)
    }

    /// What is here of a body that broke off is put back like that of any other.
    async fn broken(mut self, step: Vec<Import>) -> ImportError {
        match self.take(step).await {
            Ok(()) => {
                let Self { number, done: before, options, .. } = self;
                ImportError::Broken { number, before, options }
            }
            Err(error) => error,
        }
    }

    fn refused(&self, number: u64, problem: LineProblem) -> ImportError {
        ImportError::Line { number, problem, before: self.done, options: self.options }
    }
}

/// What each value came to, with the first that was refused as the last.
fn up_to_the_first_refused(
    step: &[Import],
    mut import: impl FnMut(&Import) -> Result<Importing, StateError>,
) -> Result<Vec<Importing>, StateError> {
    let mut outcomes = Vec::with_capacity(step.len());
    for value in step {
        let outcome = import(value)?;
        outcomes.push(outcome);
        match outcome {
            Importing::Taken | Importing::Full | Importing::Gone => break,
            Importing::Created
            | Importing::Replaced
            | Importing::Unchanged
            | Importing::Expired => {}
        }
    }
    Ok(outcomes)
}
