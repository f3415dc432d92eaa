//! Where things are: the only place that knows the names of keys.
//!
//! `<prefix>/<hex>/{bundle.tar.zst, manifest.json, entry.wasm, signatures/<key>.dsse.json}`
//! for published bundles, with `attachments/<kind>.<digest>.json` beside, the same
//! below `_quarantine/` for those that wait, `_staging/<id>/bundle.tar.zst` for
//! uploads, and `_probe/<id>/` for objects that only find out what the store can do.

use object_store::path::Path as Key;

use super::StoreError;
use crate::model::{Attachment, ContentHash, KeyId, UploadId};

/// The file name of an archive, wherever it is.
pub(super) const ARCHIVE: &str = "bundle.tar.zst";

/// The keys below one prefix.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    prefix: Key,
}

/// Which of the two sets of bundles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Published,
    Quarantine,
}

impl Layout {
    pub(super) fn new(prefix: &str) -> Result<Self, StoreError> {
        let prefix = parse(prefix)
            .map_err(|error| StoreError::InvalidBase { problem: error.to_string() })?;
        Ok(Self { prefix })
    }

    /// The folder with all bundles of `place`.
    pub(super) fn place(&self, place: Place) -> Key {
        match place {
            Place::Published => self.prefix.clone(),
            Place::Quarantine => self.below("_quarantine"),
        }
    }

    /// The folder of uploads.
    pub(super) fn staging(&self) -> Key {
        self.below("_staging")
    }

    /// Where somebody else may send the bundle of an upload.
    pub(super) fn staged(&self, id: UploadId) -> Key {
        join(&join(&self.staging(), &id.to_string()), ARCHIVE)
    }

    /// The folder in which a probe makes and removes objects of its own.
    pub(super) fn probe(&self) -> Key {
        self.below("_probe")
    }

    /// Everything below the prefix.
    pub(super) fn prefix(&self) -> &Key {
        &self.prefix
    }

    /// Everything of one bundle.
    pub(super) fn bundle(&self, place: Place, hash: &ContentHash) -> Key {
        join(&self.place(place), &hash.hex())
    }

    pub(super) fn archive(&self, place: Place, hash: &ContentHash) -> Key {
        join(&self.bundle(place, hash), ARCHIVE)
    }

    pub(super) fn manifest(&self, hash: &ContentHash) -> Key {
        join(&self.bundle(Place::Published, hash), "manifest.json")
    }

    pub(super) fn component(&self, hash: &ContentHash) -> Key {
        join(&self.bundle(Place::Published, hash), "entry.wasm")
    }

    pub(super) fn signatures(&self, place: Place, hash: &ContentHash) -> Key {
        join(&self.bundle(place, hash), "signatures")
    }

    /// The envelope of `key_id`. `variant` tells apart several that claim the same key.
    pub(super) fn signature(
        &self,
        place: Place,
        hash: &ContentHash,
        key_id: &KeyId,
        variant: Option<&str>,
    ) -> Key {
        let digits = key_id.as_str().trim_start_matches("sha256:");
        let name = match variant {
            None => format!("{digits}.dsse.json"),
            Some(variant) => format!("{digits}.{variant}.dsse.json"),
        };
        join(&self.signatures(place, hash), &name)
    }

    pub(super) fn attachments(&self, hash: &ContentHash) -> Key {
        join(&self.bundle(Place::Published, hash), "attachments")
    }

    pub(super) fn attachment(&self, attachment: &Attachment) -> Key {
        let Attachment { content_hash, kind, sha256, .. } = attachment;
        join(&self.attachments(content_hash), &format!("{kind}.{sha256}.json"))
    }

    fn below(&self, name: &str) -> Key {
        join(&self.prefix, name)
    }
}

/// The bundle whose folder has this name; `_staging`, `_quarantine` and strangers have none.
pub(super) fn hash_of_folder(name: &str) -> Option<ContentHash> {
    format!("sha256:{name}").parse().ok()
}

/// The key id that an envelope is kept under, from its name.
pub(super) fn key_of_signature(key: &Key) -> Option<KeyId> {
    let digits = key.filename()?.strip_suffix(".dsse.json")?;
    format!("sha256:{digits}").parse().ok()
}

/// `Key::parse`, never `Key::from`: the latter rewrites what it does not like
/// into another key without a word.
fn parse(text: &str) -> Result<Key, object_store::path::Error> {
    Key::parse(text)
}

pub(super) fn join(folder: &Key, name: &str) -> Key {
    let text =
        if folder.as_ref().is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    parse(&text).expect("hex digits and fixed names make a valid key")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_as_the_documents_say() {
        let layout = Layout::new("sha256/").unwrap();
        let hash = ContentHash::of(b"abc");
        let hex = hash.hex();
        let key_id: KeyId = format!("sha256:{}", "a".repeat(64)).parse().unwrap();

        let keys = [
            layout.archive(Place::Published, &hash),
            layout.archive(Place::Quarantine, &hash),
            layout.signature(Place::Published, &hash, &key_id, None),
        ];

        assert_eq!(
            keys.map(String::from),
            [
                format!("sha256/{hex}/bundle.tar.zst"),
                format!("sha256/_quarantine/{hex}/bundle.tar.zst"),
                format!("sha256/{hex}/signatures/{}.dsse.json", "a".repeat(64)),
            ]
        );
    }

    #[test]
    fn an_empty_base_puts_bundles_at_the_root() {
        assert_eq!(Layout::new("").unwrap().staging().as_ref(), "_staging");
    }

    #[test]
    fn a_base_that_leaves_the_store_is_refused() {
        for base in ["../x", "a/../../b", "a//b"] {
            assert!(matches!(Layout::new(base), Err(StoreError::InvalidBase { .. })), "{base}");
        }
    }

    #[test]
    fn only_hash_folders_are_bundles() {
        let hash = ContentHash::of(b"abc");

        assert_eq!(hash_of_folder(&hash.hex()), Some(hash));
        assert_eq!(hash_of_folder("_staging"), None);
    }
}
