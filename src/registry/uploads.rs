//! Uploads that arrive in parts, keyed by tenant and upload id.

use redb::{ReadableTable, TableDefinition, WriteTransaction};

use crate::model::{TenantId, Upload, UploadId};

use super::txn::{decode, encode, rows_of};
use super::{ReadTables, RegistryError, WriteTxn};

/// `(tenant, upload id)` to a JSON [`Upload`].
const UPLOADS: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("uploads");

pub(super) fn create_table(txn: &WriteTransaction) -> Result<(), RegistryError> {
    txn.open_table(UPLOADS)?;
    Ok(())
}

/// Adds an upload, or replaces what was known of it.
pub fn put(txn: &WriteTxn, upload: &Upload) -> Result<(), RegistryError> {
    let row = encode(&UPLOADS, upload)?;
    let id = upload.id.to_string();
    txn.table(UPLOADS)?.insert((upload.tenant.as_str(), id.as_str()), row.as_slice())?;
    Ok(())
}

/// The upload with this id, if it is the tenant's.
pub fn get(
    txn: &impl ReadTables,
    tenant: &TenantId,
    id: &UploadId,
) -> Result<Option<Upload>, RegistryError> {
    let rows = txn.rows(UPLOADS)?;
    let row = rows.get((tenant.as_str(), id.to_string().as_str()))?;
    row.map(|row| decode(&UPLOADS, row.value())).transpose()
}

/// The uploads of one tenant, the oldest first.
pub fn list(txn: &impl ReadTables, tenant: &TenantId) -> Result<Vec<Upload>, RegistryError> {
    let read = |_: &str, row: &[u8]| decode::<Upload>(&UPLOADS, row);
    let mut uploads = rows_of(txn, UPLOADS, tenant.as_str(), read)?;
    uploads.sort_by_key(|upload| (upload.created_at, upload.id));
    Ok(uploads)
}

/// Every upload, by tenant and id.
pub fn list_all(txn: &impl ReadTables) -> Result<Vec<Upload>, RegistryError> {
    let rows = txn.rows(UPLOADS)?;
    let rows = rows.iter()?;
    rows.map(|row| decode(&UPLOADS, row?.1.value())).collect()
}

/// Records that the first `offset` bytes are durable; an upload that is gone stays gone.
pub fn set_offset(
    txn: &WriteTxn,
    tenant: &TenantId,
    id: &UploadId,
    offset: u64,
) -> Result<Option<Upload>, RegistryError> {
    let Some(mut upload) = get(txn, tenant, id)? else { return Ok(None) };
    upload.offset = offset;
    put(txn, &upload)?;
    Ok(Some(upload))
}

/// Removes an upload and returns what was known of it.
pub fn remove(
    txn: &WriteTxn,
    tenant: &TenantId,
    id: &UploadId,
) -> Result<Option<Upload>, RegistryError> {
    let upload = get(txn, tenant, id)?;
    txn.table(UPLOADS)?.remove((tenant.as_str(), id.to_string().as_str()))?;
    Ok(upload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::samples::{registry, tenant, upload};

    #[test]
    fn an_upload_is_seen_by_its_tenant_only() {
        let registry = registry();
        let (ours, theirs) = (upload("acme", 10), upload("acme-2", 20));
        registry.write_blocking(|txn| put(txn, &ours).and_then(|()| put(txn, &theirs))).unwrap();

        let (mine, foreign, list) = registry
            .read_blocking(|txn| {
                let acme = tenant("acme");
                Ok((get(txn, &acme, &ours.id)?, get(txn, &acme, &theirs.id)?, list(txn, &acme)?))
            })
            .unwrap();

        assert_eq!((mine, foreign, list), (Some(ours.clone()), None, vec![ours]));
    }

    #[test]
    fn an_offset_is_remembered_and_does_not_bring_a_removed_upload_back() {
        let registry = registry();
        let row = upload("acme", 10);
        registry.write_blocking(|txn| put(txn, &row)).unwrap();

        let moved =
            registry.write_blocking(|txn| set_offset(txn, &row.tenant, &row.id, 7)).unwrap();
        registry.write_blocking(|txn| remove(txn, &row.tenant, &row.id)).unwrap();
        let late = registry.write_blocking(|txn| set_offset(txn, &row.tenant, &row.id, 9)).unwrap();

        assert_eq!(moved, Some(Upload { offset: 7, ..row }));
        assert_eq!(late, None);
        assert_eq!(registry.read_blocking(list_all).unwrap(), []);
    }
}
