//! The files of a version, as they were verified: `/admin/extensions/{name}/files`.

use askama::Template;

use super::{ByteSize, Chrome, ExtensionHead, ShortHash, counted};
use crate::model::{ExtensionVersion, FileEntry};

/// The files tab.
#[derive(Debug, Template)]
#[template(path = "pages/files.html")]
pub struct FilesPage {
    pub chrome: Chrome,
    pub head: ExtensionHead,
    pub rows: Vec<FileRow>,
    /// Of the whole bundle: `214 files`.
    pub file_count: String,
    pub unpacked_size: ByteSize,
    pub pager: Pager,
}

/// One file.
#[derive(Clone, Debug)]
pub struct FileRow {
    pub path: String,
    pub size: ByteSize,
    pub media_type: String,
    pub sha256: ShortHash,
}

/// Which part of a long list is shown. Links append `page=<n>` to `path`.
#[derive(Clone, Debug)]
pub struct Pager {
    /// Ends in `?` or `&`.
    pub path: String,
    /// Counted from 1.
    pub page: usize,
    pub pages: usize,
}

impl FilesPage {
    /// Rows on one page.
    pub const PAGE: usize = 200;

    /// Page `page` (from 1; too high shows the last) of the files of `version`.
    pub fn new(
        chrome: Chrome,
        head: ExtensionHead,
        version: &ExtensionVersion,
        page: usize,
    ) -> Self {
        let pages = version.files.len().div_ceil(Self::PAGE).max(1);
        let page = page.clamp(1, pages);
        let shown = version.files.iter().skip((page - 1) * Self::PAGE).take(Self::PAGE);
        Self {
            rows: shown.map(FileRow::from).collect(),
            file_count: counted(version.files.len() as u64, "file"),
            unpacked_size: ByteSize::new(version.files.iter().map(|file| file.size).sum()),
            pager: Pager {
                path: format!("/admin/extensions/{}/files?version={}&", head.name, head.version),
                page,
                pages,
            },
            chrome,
            head,
        }
    }
}

impl From<&FileEntry> for FileRow {
    fn from(file: &FileEntry) -> Self {
        Self {
            path: file.path.to_string(),
            size: ByteSize::new(file.size),
            media_type: file.media_type.clone(),
            sha256: file.sha256.into(),
        }
    }
}
