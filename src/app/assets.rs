//! Finding and reading a file of an extension's pages.

mod encoding;
mod pages;

pub use pages::{Page, PageBody, PageFile, Pages};

use std::sync::Arc;

use bytes::Bytes;

use super::App;
use crate::model::{ContentCoding, ContentHash, ExtensionName, ExtensionVersion, FileEntry};
use crate::store::{AssetFile, EncodedForms, StoreError, is_encodable};

/// Where a page file is: name, hash and path as the URL gave them, parsed.
#[derive(Clone, Debug)]
pub struct AssetLocation {
    pub name: ExtensionName,
    pub content_hash: ContentHash,
    /// Below `ui/`; may be empty or a client route.
    pub path: String,
}

/// A file that may be served: its row, and the version it belongs to.
#[derive(Clone, Debug)]
pub struct Asset {
    version: Arc<ExtensionVersion>,
    index: usize,
}

/// Why a page file is not served.
#[derive(Debug, thiserror::Error)]
pub enum AssetError {
    /// Unknown, not enabled, of another extension, or no such file: all alike.
    #[error("there is no such page")]
    NotFound,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl App {
    /// Finds a page file by exact look-up in the file table of a served version.
    ///
    /// No part of the URL ever becomes a path of the file system. A path whose
    /// last segment has no extension is a client route and gets the entry page.
    pub fn find_asset(&self, location: &AssetLocation) -> Result<Asset, AssetError> {
        let live = self.registry.live();
        let hours = self.config.ext_ui.previous_version_hours;
        let version = live
            .served(&location.name, &location.content_hash, self.clock.now(), hours)
            .ok_or(AssetError::NotFound)?;
        let ui = version.manifest.ui.as_ref().ok_or(AssetError::NotFound)?;
        let exact = index_of(version, &location.path);
        let index = match exact {
            Some(index) => Some(index),
            None if is_client_route(&location.path) => index_of(version, ui.entry.as_str()),
            None => None,
        };
        let index = index.ok_or(AssetError::NotFound)?;
        Ok(Asset { version: Arc::clone(version), index })
    }

    /// Whether answers about a file differ by what a client decodes.
    pub fn is_negotiable(&self, asset: &Asset) -> bool {
        is_encodable(asset.entry(), self.config.ext_ui.compress_max_file_bytes)
    }

    /// The shorter forms of a file that can be sent now. If nobody knows, they are
    /// made in the background.
    pub fn encoded_forms(&self, asset: &Asset) -> EncodedForms {
        if !self.is_negotiable(asset) {
            return EncodedForms::default();
        }
        let (hash, file) = (&asset.version.content_hash, &asset.entry().sha256);
        self.bundles.encoded_forms(hash, file).unwrap_or_else(|| {
            self.encode_in_background(&asset.version);
            EncodedForms::default()
        })
    }

    /// Opens a form of a found file; its bytes have been held against its digest. `None`
    /// if there is no such form, which never is so of the file itself.
    pub async fn open_asset(
        &self,
        asset: &Asset,
        coding: ContentCoding,
    ) -> Result<Option<AssetFile>, AssetError> {
        let (version, file) = (&asset.version, asset.entry());
        if coding == ContentCoding::Identity {
            return Ok(Some(self.bundles.asset(version, file).await?));
        }
        Ok(self.bundles.encoded_asset(version.content_hash, file, coding).await?)
    }

    /// The same, read whole: for what is kept in memory.
    pub async fn read_asset(
        &self,
        asset: &Asset,
        coding: ContentCoding,
    ) -> Result<Option<Bytes>, AssetError> {
        let (version, file) = (&asset.version, asset.entry());
        if coding == ContentCoding::Identity {
            return Ok(Some(self.bundles.asset_bytes(version, file).await?));
        }
        Ok(self.bundles.encoded_bytes(version.content_hash, file, coding).await?)
    }
}

impl Asset {
    /// The file's row in the file table.
    pub fn entry(&self) -> &FileEntry {
        &self.version.files[self.index]
    }

    /// The version that the file is of.
    pub fn version(&self) -> &ExtensionVersion {
        &self.version
    }
}

/// The files are in the order of their paths.
fn index_of(version: &ExtensionVersion, path: &str) -> Option<usize> {
    let compare = |file: &FileEntry| match file.path.strip_folder("ui") {
        Some(below) => below.cmp(path),
        None => file.path.as_str().cmp("ui/"),
    };
    version.files.binary_search_by(compare).ok()
}

/// Only plain text without a dot in its last segment: everything else must be a file.
fn is_client_route(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_~/:@+,".contains(c);
    // No dot anywhere: `index.html/` names a file that is not there.
    path.chars().all(plain) && !path.starts_with('/') && !path.contains("//")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_route_has_no_extension_and_no_tricks() {
        for path in ["", "settings", "clients/7", "clients/7/"] {
            assert!(is_client_route(path), "{path}");
        }
        for path in [
            "app.js",
            "index.html/",
            "/a",
            "a/../b",
            "a\\b",
            "a\0",
            "//evil",
            ".git",
            "a%2fb",
            "a?b",
        ] {
            assert!(!is_client_route(path), "{path}");
        }
    }
}
