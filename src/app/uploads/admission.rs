//! Whether one more upload of a caller is allowed, however it is sent.
//!
//! What arrives in parts is a row, what is sent in one request is counted in
//! memory, and one rule holds for both together: so many uploads, so many bytes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::UploadError;
use crate::app::App;
use crate::config::UploadsConfig;
use crate::model::{Principal, TenantId, Upload};
use crate::registry::{RegistryError, WriteTxn, uploads};

/// Finished uploads of one caller that are remembered, so that a lost answer can be asked for.
const MAX_FINISHED: usize = 100;

/// What each caller is sending in one request.
#[derive(Debug, Default)]
pub struct InFlight {
    callers: Callers,
    /// Held from the count to what changes it: of two at once not both can be
    /// the last that is allowed.
    deciding: tokio::sync::Mutex<()>,
}

type Callers = Arc<Mutex<HashMap<Caller, UnderWay>>>;
type Caller = (TenantId, String);

/// What a caller has begun and not ended.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::app) struct UnderWay {
    pub(in crate::app) uploads: u32,
    pub(in crate::app) bytes: u64,
}

/// A bundle that is sent in one request. Dropped, it counts no more.
#[derive(Debug)]
pub(in crate::app) struct Sending {
    callers: Callers,
    caller: Caller,
    bytes: u64,
}

impl App {
    /// Admits a bundle that is sent in one request and has at most so many bytes.
    pub(in crate::app) async fn admit_sending(
        &self,
        principal: &Principal,
        bytes: u64,
    ) -> Result<Sending, UploadError> {
        let caller = caller(principal);
        let _deciding = self.in_flight.deciding.lock().await;
        let under_way = self.in_parts(&caller).await?.and(self.in_flight.of(&caller));
        check(&self.config.uploads, under_way, bytes)?;
        Ok(self.in_flight.begin(caller, bytes))
    }

    /// Adds the row of a new upload. Counting and adding is one commit.
    pub(super) async fn admit(&self, upload: &Upload) -> Result<(), UploadError> {
        let limits = self.config.uploads.clone();
        let row = upload.clone();
        let _deciding = self.in_flight.deciding.lock().await;
        let in_flight = self.in_flight.of(&(row.tenant.clone(), row.owner.clone()));
        let add = move |txn: &WriteTxn| add(txn, &row, &limits, in_flight);
        self.registry.write(add).await?
    }

    /// All that a caller has under way.
    pub(in crate::app) async fn under_way(
        &self,
        principal: &Principal,
    ) -> Result<UnderWay, UploadError> {
        let caller = caller(principal);
        Ok(self.in_parts(&caller).await?.and(self.in_flight.of(&caller)))
    }

    async fn in_parts(&self, (tenant, owner): &Caller) -> Result<UnderWay, UploadError> {
        let tenant = tenant.clone();
        let rows = self.registry.read(move |txn| uploads::list(txn, &tenant)).await?;
        let now = self.clock.now();
        let own = rows.iter().filter(|row| row.owner == *owner && !row.is_expired(now));
        Ok(UnderWay::of_rows(own.filter(|row| !row.finished)))
    }
}

impl UnderWay {
    fn of_rows<'a>(rows: impl Iterator<Item = &'a Upload>) -> Self {
        rows.fold(Self::default(), |sum, row| sum.and(Self { uploads: 1, bytes: row.length }))
    }

    fn and(self, other: Self) -> Self {
        let uploads = self.uploads.saturating_add(other.uploads);
        Self { uploads, bytes: self.bytes.saturating_add(other.bytes) }
    }
}

impl InFlight {
    fn of(&self, caller: &Caller) -> UnderWay {
        lock(&self.callers).get(caller).copied().unwrap_or_default()
    }

    fn begin(&self, caller: Caller, bytes: u64) -> Sending {
        let mut callers = lock(&self.callers);
        let sent = callers.entry(caller.clone()).or_default();
        *sent = sent.and(UnderWay { uploads: 1, bytes });
        Sending { callers: Arc::clone(&self.callers), caller, bytes }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let mut callers = lock(&self.callers);
        let Some(sent) = callers.get_mut(&self.caller) else { return };
        sent.uploads -= 1;
        sent.bytes -= self.bytes;
        if sent.uploads == 0 {
            callers.remove(&self.caller);
        }
    }
}

fn caller(principal: &Principal) -> Caller {
    (principal.tenant(), principal.actor().to_string())
}

fn lock(callers: &Callers) -> MutexGuard<'_, HashMap<Caller, UnderWay>> {
    callers.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The rule.
fn check(limits: &UploadsConfig, under_way: UnderWay, length: u64) -> Result<(), UploadError> {
    let UnderWay { uploads: unfinished, bytes: held } = under_way;
    if unfinished >= limits.max_unfinished {
        return Err(UploadError::TooMany { limit: limits.max_unfinished, unfinished });
    }
    let limit = limits.max_unfinished_bytes;
    if held.saturating_add(length) > limit {
        return Err(UploadError::TooManyBytes { limit, held, length });
    }
    Ok(())
}

fn add(
    txn: &WriteTxn,
    row: &Upload,
    limits: &UploadsConfig,
    in_flight: UnderWay,
) -> Result<Result<(), UploadError>, RegistryError> {
    let mut own = uploads::list(txn, &row.tenant)?;
    own.retain(|other| other.owner == row.owner && !other.is_expired(row.created_at));
    let (finished, unfinished): (Vec<_>, Vec<_>) = own.into_iter().partition(|each| each.finished);
    if !row.finished {
        let under_way = UnderWay::of_rows(unfinished.iter()).and(in_flight);
        if let Err(refusal) = check(limits, under_way, row.length) {
            return Ok(Err(refusal));
        }
    }
    // The oldest are forgotten first: nobody waits for their answer any longer.
    let surplus = (finished.len() + 1).saturating_sub(MAX_FINISHED);
    for old in finished.iter().take(surplus) {
        uploads::remove(txn, &old.tenant, &old.id)?;
    }
    uploads::put(txn, row)?;
    Ok(Ok(()))
}
