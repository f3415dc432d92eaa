//! (skeleton)

use std::path::{Path, PathBuf};

use crate::model::{ContentHash, FileEntry, KeyId};

/// (skeleton)
#[derive(Debug)]
pub struct StagedUpload {
    pub file: PathBuf,
    pub size: u64,
    pub content_hash: ContentHash,
    pub expected_hash: Option<ContentHash>,
    pub signatures: Vec<Vec<u8>>,
}

macro_rules! skeleton {
    ($name:ident) => {
        /// (skeleton)
        #[derive(Debug)]
        pub struct $name {
            file: PathBuf,
            size: u64,
            content_hash: ContentHash,
            files: Vec<FileEntry>,
            manifest_json: Vec<u8>,
            component: Option<Vec<u8>>,
            signatures: Vec<(KeyId, Vec<u8>)>,
        }
        impl $name {
            pub fn content_hash(&self) -> ContentHash {
                self.content_hash
            }
            pub fn size(&self) -> u64 {
                self.size
            }
            pub fn files(&self) -> &[FileEntry] {
                &self.files
            }
            pub fn component(&self) -> Option<&[u8]> {
                self.component.as_deref()
            }
            pub fn signatures(&self) -> &[(KeyId, Vec<u8>)] {
                &self.signatures
            }
            pub fn file(&self) -> &Path {
                &self.file
            }
            pub fn manifest_json(&self) -> &[u8] {
                &self.manifest_json
            }
        }
    };
}
skeleton!(VerifiedBundle);
skeleton!(QuarantinedBundle);
