//! Where bundles are and what that place can do: `/admin/storage`.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;

use super::show::{chrome, page};
use super::{ByteSize, CheckMark, CheckRow, Chrome, Moment, counted};
use crate::app::App;
use crate::app::storage::Storage;
use crate::model::{FactState, StoreFact};
use crate::web::extract::{Answer, SignedIn};

/// A page to read: nothing on it changes anything.
#[derive(Debug, Template)]
#[template(path = "pages/storage.html")]
pub struct StoragePage {
    pub chrome: Chrome,
    /// The server and the bucket; `None`: the data folder.
    pub bucket: Option<String>,
    /// What is wrong with reaching it.
    pub problem: Option<String>,
    /// `2 unfinished uploads and 1 quarantined bundle`
    pub waiting: String,
    /// Bytes that they hold, and may hold.
    pub held: ByteSize,
    pub held_limit: ByteSize,
    /// `2 bundles`, if the bucket has some that no version here refers to.
    pub orphans: Option<String>,
    /// Free on the disk of the data folder, and what is kept free of it.
    pub free: Option<ByteSize>,
    pub floor: ByteSize,
    /// When it was tried out; `None`: not yet.
    pub checked: Option<Moment>,
    pub checks: Vec<CheckRow>,
}

impl StoragePage {
    fn sorted_checks(&self) -> Vec<CheckRow> {
        let mut rows = self.checks.clone();
        CheckRow::sort(&mut rows);
        rows
    }
}

impl From<&StoreFact> for CheckRow {
    fn from(fact: &StoreFact) -> Self {
        let status = match fact.state {
            FactState::Works => CheckMark::Pass,
            FactState::Missing if fact.capability.is_needed() => CheckMark::Fail,
            FactState::Missing => CheckMark::Warn,
            FactState::NotChecked => CheckMark::Skipped,
        };
        Self {
            name: fact.capability.as_str().replace('_', " "),
            status,
            code: String::new(),
            expected: None,
            found: Some(fact.sentence.clone()),
            hint: None,
        }
    }
}

/// `/admin/storage`
pub(in crate::web) async fn show_storage(State(app): State<Arc<App>>, who: SignedIn) -> Answer {
    let storage = app.storage().await?;
    let waiting = waiting(&storage);
    let Storage { bucket, problem, free_bytes, facts, held_bytes, orphans, .. } = storage;
    let rows = facts.iter().flat_map(|facts| &facts.facts).map(CheckRow::from);
    page(&StoragePage {
        chrome: chrome(&app, &who, "storage"),
        bucket,
        problem,
        waiting,
        held: ByteSize::new(held_bytes),
        held_limit: ByteSize::new(app.config.store.max_staged_bytes),
        orphans: (orphans > 0).then(|| counted(orphans, "bundle")),
        free: free_bytes.map(ByteSize::new),
        floor: ByteSize::new(app.config.store.min_free_bytes),
        checked: facts.as_ref().map(|facts| Moment::new(facts.checked_at, app.clock.now())),
        checks: rows.collect(),
    })
}

fn waiting(storage: &Storage) -> String {
    let uploads = counted(storage.unfinished as u64, "unfinished upload");
    format!("{uploads} and {}", counted(storage.quarantined as u64, "quarantined bundle"))
}
