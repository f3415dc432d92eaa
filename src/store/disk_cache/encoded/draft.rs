//! Making the shorter forms of a bundle's pages, and the index that says which there are.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{file_name, read_up_to};
use crate::model::{ContentCoding, FileDigest, FileEntry, StreamHasher};
use crate::store::durable::{create_private_dir, remove_tree};
use crate::store::encoded::{EncodedForm, EncodedForms, EncodedTable, codec};
use crate::store::{StoreError, beneath};

const INDEX: &str = "index.json";
/// More than the index of the largest bundle has.
const MAX_INDEX_BYTES: u64 = 64 * 1024 * 1024;

/// Forms in the making, in a folder that goes away with this unless it is kept.
pub(in crate::store) struct EncodedDraft {
    pub(super) folder: PathBuf,
    table: EncodedTable,
    /// Of all that is in the folder.
    pub(super) bytes: u64,
}

/// What the index file says.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    recipe: String,
    files: EncodedTable,
}

impl EncodedDraft {
    pub(super) fn begin(folder: PathBuf) -> Result<Self, StoreError> {
        create_private_dir(&folder).map_err(StoreError::io("keep compressed pages"))?;
        Ok(Self { folder, table: EncodedTable::new(), bytes: 0 })
    }

    /// Makes the forms of `file`, as far as each is shorter by a twentieth or more.
    pub(in crate::store) fn add(
        &mut self,
        entry: &FileEntry,
        file: File,
    ) -> Result<(), StoreError> {
        let io = StoreError::io("compress a page");
        let bytes = read_up_to(file, entry.size).map_err(&io)?;
        if StreamHasher::digest(&bytes) != *entry.sha256.as_bytes() {
            return Err(io(io::Error::other("the file changed meanwhile")));
        }
        let mut forms = EncodedForms::default();
        for coding in ContentCoding::MADE {
            let encoded = codec::encode(coding, &bytes).map_err(&io)?;
            if encoded.len() > bytes.len() - bytes.len() / 20 {
                continue;
            }
            write(&self.folder, &file_name(&entry.sha256, coding), &encoded).map_err(&io)?;
            let sha256 = StreamHasher::digest(&encoded).into();
            let form = EncodedForm { bytes: encoded.len() as u64, sha256 };
            forms.set(coding, form);
            self.bytes += form.bytes;
        }
        if forms != EncodedForms::default() {
            self.table.insert(entry.sha256, forms);
        }
        Ok(())
    }

    /// Writes the index, and says what is in it.
    pub(super) fn finish(&mut self, recipe: &str) -> Result<EncodedTable, StoreError> {
        let files = std::mem::take(&mut self.table);
        let listing = Listing { recipe: recipe.to_owned(), files };
        let text = serde_json::to_vec(&listing).expect("digests and numbers are JSON");
        write(&self.folder, INDEX, &text).map_err(StoreError::io("keep compressed pages"))?;
        self.bytes += text.len() as u64;
        Ok(listing.files)
    }
}

impl Drop for EncodedDraft {
    fn drop(&mut self) {
        if let Err(error) = remove_tree(&self.folder) {
            tracing::warn!(%error, "Could not remove half compressed pages: {error}");
        }
    }
}

/// What the index in `folder` says, if it was made by this recipe and every form it names
/// is there.
pub(super) fn listed(folder: &Path, recipe: &str) -> Option<EncodedTable> {
    let index = beneath::open(folder, INDEX).ok()?;
    let listing: Listing =
        serde_json::from_slice(&read_up_to(index, MAX_INDEX_BYTES).ok()?).ok()?;
    let is_there = |digest: &FileDigest, coding: ContentCoding, bytes: u64| {
        let metadata = fs::symlink_metadata(folder.join(file_name(digest, coding)));
        metadata.is_ok_and(|metadata| metadata.is_file() && metadata.len() == bytes)
    };
    let complete = listing.files.iter().all(|(digest, forms)| {
        ContentCoding::MADE
            .into_iter()
            .all(|coding| forms.of(coding).is_none_or(|form| is_there(digest, coding, form.bytes)))
    });
    (listing.recipe == recipe && complete).then_some(listing.files)
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    beneath::create_new(folder, name)?.write_all(bytes)
}
