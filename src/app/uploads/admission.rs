//! Whether one more upload of a caller is allowed.

use super::UploadError;
use crate::app::App;
use crate::model::Upload;
use crate::registry::{RegistryError, WriteTxn, uploads};

/// Finished uploads of one caller that are remembered, so that a lost answer can be asked for.
const MAX_FINISHED: usize = 100;

/// What the limits say of a new upload.
enum Admission {
    Added,
    TooMany { unfinished: u32 },
    TooManyBytes { held: u64 },
}

impl App {
    /// Adds the row of a new upload. Counting and adding is one commit: of two
    /// requests at once not both can be the last that is allowed.
    pub(super) async fn admit(&self, upload: &Upload) -> Result<(), UploadError> {
        let limits = &self.config.uploads;
        let (limit, limit_bytes) = (limits.max_unfinished, limits.max_unfinished_bytes);
        let row = upload.clone();
        let add = move |txn: &WriteTxn| add(txn, &row, limit, limit_bytes);
        match self.registry.write(add).await? {
            Admission::Added => Ok(()),
            Admission::TooMany { unfinished } => Err(UploadError::TooMany { limit, unfinished }),
            Admission::TooManyBytes { held } => {
                let length = upload.length;
                Err(UploadError::TooManyBytes { limit: limit_bytes, held, length })
            }
        }
    }
}

fn add(
    txn: &WriteTxn,
    row: &Upload,
    limit: u32,
    limit_bytes: u64,
) -> Result<Admission, RegistryError> {
    let mut own = uploads::list(txn, &row.tenant)?;
    own.retain(|other| other.owner == row.owner && !other.is_expired(row.created_at));
    let (finished, unfinished): (Vec<_>, Vec<_>) = own.into_iter().partition(|each| each.finished);
    if !row.finished {
        let count = u32::try_from(unfinished.len()).unwrap_or(u32::MAX);
        if count >= limit {
            return Ok(Admission::TooMany { unfinished: count });
        }
        let held = unfinished.iter().fold(0_u64, |held, each| held.saturating_add(each.length));
        if held.saturating_add(row.length) > limit_bytes {
            return Ok(Admission::TooManyBytes { held });
        }
    }
    // The oldest are forgotten first: nobody waits for their answer any longer.
    let surplus = (finished.len() + 1).saturating_sub(MAX_FINISHED);
    for old in finished.iter().take(surplus) {
        uploads::remove(txn, &old.tenant, &old.id)?;
    }
    uploads::put(txn, row)?;
    Ok(Admission::Added)
}
