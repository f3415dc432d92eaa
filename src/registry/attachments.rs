//! Files attached to published bundles, keyed by content hash and kind.

use redb::{ReadableTable, TableDefinition, WriteTransaction};

use crate::model::{Attachment, AttachmentKind, ContentHash};

use super::txn::{decode, encode};
use super::{ReadTables, RegistryError, WriteTxn};

/// `(content hash, kind)` to a JSON [`Attachment`].
const ATTACHMENTS: TableDefinition<(&[u8; 32], &str), &[u8]> = TableDefinition::new("attachments");

pub(super) fn create_table(txn: &WriteTransaction) -> Result<(), RegistryError> {
    txn.open_table(ATTACHMENTS)?;
    Ok(())
}

/// Records an attachment; returns the one whose place it takes.
pub fn put(txn: &WriteTxn, attachment: &Attachment) -> Result<Option<Attachment>, RegistryError> {
    let old = get(txn, &attachment.content_hash, attachment.kind)?;
    let key = (attachment.content_hash.as_bytes(), attachment.kind.as_str());
    let row = encode(&ATTACHMENTS, attachment)?;
    txn.table(ATTACHMENTS)?.insert(key, row.as_slice())?;
    Ok(old)
}

/// A bundle's attachment of one kind.
pub fn get(
    txn: &impl ReadTables,
    hash: &ContentHash,
    kind: AttachmentKind,
) -> Result<Option<Attachment>, RegistryError> {
    let rows = txn.rows(ATTACHMENTS)?;
    let row = rows.get((hash.as_bytes(), kind.as_str()))?;
    row.map(|row| decode(&ATTACHMENTS, row.value())).transpose()
}

/// Everything that is attached to a bundle.
pub fn list_of(
    txn: &impl ReadTables,
    hash: &ContentHash,
) -> Result<Vec<Attachment>, RegistryError> {
    let found = AttachmentKind::ALL.into_iter().map(|kind| get(txn, hash, kind));
    Ok(found.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// Removes an attachment and returns what was known of it.
pub fn remove(
    txn: &WriteTxn,
    hash: &ContentHash,
    kind: AttachmentKind,
) -> Result<Option<Attachment>, RegistryError> {
    let known = get(txn, hash, kind)?;
    txn.table(ATTACHMENTS)?.remove((hash.as_bytes(), kind.as_str()))?;
    Ok(known)
}

/// Removes everything that is attached to a bundle.
pub fn remove_all(txn: &WriteTxn, hash: &ContentHash) -> Result<(), RegistryError> {
    AttachmentKind::ALL.into_iter().try_for_each(|kind| remove(txn, hash, kind).map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::samples::{at, registry};

    fn attachment(kind: AttachmentKind, size: u64) -> Attachment {
        Attachment {
            content_hash: ContentHash::of(b"bundle"),
            kind,
            format: "CycloneDX 1.6".to_owned(),
            media_type: "application/vnd.cyclonedx+json".to_owned(),
            size,
            sha256: [1; 32].into(),
            attached_at: at(0),
            attached_by: "operator ada".to_owned(),
        }
    }

    #[test]
    fn a_bundle_has_one_attachment_of_a_kind() {
        let registry = registry();
        let (first, second) =
            (attachment(AttachmentKind::Sbom, 1), attachment(AttachmentKind::Sbom, 2));
        let other = attachment(AttachmentKind::Provenance, 3);

        let replaced = registry
            .write_blocking(|txn| Ok([put(txn, &first)?, put(txn, &second)?, put(txn, &other)?]))
            .unwrap();

        assert_eq!(replaced, [None, Some(first.clone()), None]);
        let hash = first.content_hash;
        let listed = registry.read_blocking(|txn| list_of(txn, &hash)).unwrap();
        assert_eq!(listed, [second, other]);
        registry.write_blocking(|txn| remove_all(txn, &hash)).unwrap();
        assert!(registry.read_blocking(|txn| list_of(txn, &hash)).unwrap().is_empty());
    }
}
