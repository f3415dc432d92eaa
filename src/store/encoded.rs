//! Page files in shorter forms, made once and kept beside the unpacked ones.
//!
//! They are in `encoded/<hex>/` of the cache, named by the digest of the file they
//! were made from, with an index that says which there are. A form is derived: it
//! is gone with its bundle's unpacked files, and a bundle of which a form is missing
//! or damaged gets all of them anew. Nothing that is stored about a form is believed.
//! Before its first use in this process, and whenever it changed, it is decoded and
//! held against the digest that the file table has of the file. Its own digest, which
//! is its tag, is held against the index then.

pub(super) mod codec;

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::backend::blocking;
use super::disk_cache::EncodedDraft;
use super::{AssetFile, BundleStore, StoreError};
use crate::model::{ContentCoding, ContentHash, ExtensionVersion, FileDigest, FileEntry};

/// Shorter files fit into one packet anyway.
const MIN_BYTES: u64 = 1024;

/// How the forms are made. Whatever has another one is made anew.
const RECIPE: u32 = 1;

/// Media types whose content is not compressed already. Unknown ones are downloads
/// of whatever kind.
const COMPRESSIBLE: [&str; 7] = [
    "application/json",
    "application/manifest+json",
    "application/wasm",
    "font/otf",
    "font/ttf",
    "image/svg+xml",
    "image/vnd.microsoft.icon",
];

/// What is known of one form of a file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncodedForm {
    pub bytes: u64,
    /// Of the form itself. Two makings of one file may differ, and their digests with them.
    pub sha256: FileDigest,
}

/// The forms of a file; none of a coding in which it is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EncodedForms {
    #[serde(skip_serializing_if = "Option::is_none")]
    br: Option<EncodedForm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zstd: Option<EncodedForm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gzip: Option<EncodedForm>,
}

/// What there is of a bundle, by the digest of the file.
pub(super) type EncodedTable = HashMap<FileDigest, EncodedForms>;

impl EncodedForms {
    /// One form.
    pub fn of(&self, coding: ContentCoding) -> Option<EncodedForm> {
        match coding {
            ContentCoding::Brotli => self.br,
            ContentCoding::Zstd => self.zstd,
            ContentCoding::Gzip => self.gzip,
            ContentCoding::Identity => None,
        }
    }

    pub(super) fn set(&mut self, coding: ContentCoding, form: EncodedForm) {
        match coding {
            ContentCoding::Brotli => self.br = Some(form),
            ContentCoding::Zstd => self.zstd = Some(form),
            ContentCoding::Gzip => self.gzip = Some(form),
            ContentCoding::Identity => {}
        }
    }
}

/// Whether shorter forms of a page file are worth making; its answers differ by
/// `Accept-Encoding` then, whether or not they are there.
pub fn is_encodable(file: &FileEntry, max_bytes: u64) -> bool {
    let kind = file.media_type.as_str();
    (MIN_BYTES..=max_bytes).contains(&file.size)
        && file.path.as_str().starts_with("ui/")
        && (kind.starts_with("text/") || COMPRESSIBLE.contains(&kind))
}

impl BundleStore {
    /// The forms of a page file that can be sent. `None` if that is not known of its
    /// bundle: [`Self::encode`] was not there, or a form turned out to be damaged.
    pub fn encoded_forms(&self, hash: &ContentHash, file: &FileDigest) -> Option<EncodedForms> {
        self.inner.cache.encoded_forms(hash, file)
    }

    /// Makes the shorter forms of the pages of `version`, unless they are there. One
    /// bundle at a time; the others wait.
    ///
    /// It keeps a core busy for seconds when there is much to make, so nobody should
    /// wait for it.
    pub async fn encode(
        &self,
        version: &ExtensionVersion,
        max_file_bytes: u64,
    ) -> Result<(), StoreError> {
        let hash = version.content_hash;
        let encoding = Arc::clone(&self.inner.encoding);
        let _one = encoding.acquire_owned().await;
        if self.inner.cache.knows_encoded(&hash) {
            return Ok(());
        }
        let wanted: HashMap<FileDigest, FileEntry> = version
            .files
            .iter()
            .filter(|file| is_encodable(file, max_file_bytes))
            .map(|file| (file.sha256, file.clone()))
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let recipe = format!("{RECIPE}-{max_file_bytes}");
        let (inner, adopting) = (Arc::clone(&self.inner), recipe.clone());
        let adopt = move || Ok(inner.cache.adopt_encoded(hash, &adopting));
        if blocking("look for compressed pages", adopt).await? {
            return Ok(());
        }
        let mut draft: EncodedDraft = self.inner.cache.draft_encoded()?;
        for file in wanted.into_values() {
            let asset = self.asset(version, &file).await?;
            // One file per turn on a blocking thread: others want theirs.
            let add = move || draft.add(&file, asset.file).map(|()| draft);
            draft = blocking("compress a page", add).await?;
        }
        let inner = Arc::clone(&self.inner);
        blocking("keep compressed pages", move || inner.cache.keep_encoded(hash, draft, &recipe))
            .await
    }

    /// One form of a page file, open and checked. `None` if it is not there or not
    /// what it should be: then there is the file itself.
    pub async fn encoded_asset(
        &self,
        hash: ContentHash,
        file: &FileEntry,
        coding: ContentCoding,
    ) -> Result<Option<AssetFile>, StoreError> {
        let Some(form) = self.form_of(&hash, file, coding) else { return Ok(None) };
        let at_once = self.inner.cache.open_encoded_at_once(&hash, file, coding, &form);
        if let Some(opened) = at_once {
            return Ok(Some(AssetFile { file: opened, size: form.bytes }));
        }
        let (inner, file) = (Arc::clone(&self.inner), file.clone());
        blocking("open a file", move || {
            let opened = inner.cache.open_encoded(&hash, &file, coding, &form)?;
            Ok(opened.map(|file| AssetFile { file, size: form.bytes }))
        })
        .await
    }

    /// The same, read whole: these very bytes were checked.
    pub async fn encoded_bytes(
        &self,
        hash: ContentHash,
        file: &FileEntry,
        coding: ContentCoding,
    ) -> Result<Option<Bytes>, StoreError> {
        let Some(form) = self.form_of(&hash, file, coding) else { return Ok(None) };
        let (inner, file) = (Arc::clone(&self.inner), file.clone());
        let read = move || inner.cache.read_encoded(&hash, &file, coding, &form);
        blocking("read a file", read).await
    }

    fn form_of(
        &self,
        hash: &ContentHash,
        file: &FileEntry,
        coding: ContentCoding,
    ) -> Option<EncodedForm> {
        self.encoded_forms(hash, &file.sha256)?.of(coding)
    }
}
