//! The two files that are kept in memory while an archive goes by.

use super::below;
use super::error::ArchiveError;
use crate::bundle::{BundleLimits, MANIFEST_PATH};
use crate::model::{AssetPath, ExtensionVersion};

/// The manifest and the component, wherever they may turn out to lie.
///
/// Whether `x/manifest.json` is the manifest is known only at the end of the
/// archive, so that it is kept until then.
pub(super) struct Captures<'l> {
    limits: &'l BundleLimits,
    kept: Vec<Capture>,
}

/// The bytes of one file, as far as they are allowed.
pub(super) struct Capture {
    path: AssetPath,
    bytes: Vec<u8>,
    limit: u64,
    is_too_large: bool,
}

impl<'l> Captures<'l> {
    pub(super) fn new(limits: &'l BundleLimits) -> Self {
        Self { limits, kept: Vec::new() }
    }

    /// A place for the bytes of `path`, if they may be needed.
    pub(super) fn begin(&self, path: &AssetPath, top_folder: Option<&str>) -> Option<Capture> {
        let in_folder = top_folder.and_then(|folder| path.strip_folder(folder));
        let limit =
            [Some(path.as_str()), in_folder].into_iter().flatten().find_map(|p| match p {
                MANIFEST_PATH => Some(self.limits.max_manifest_bytes),
                ExtensionVersion::COMPONENT_PATH => Some(self.limits.max_component_bytes),
                _ => None,
            })?;
        Some(Capture { path: path.clone(), bytes: Vec::new(), limit, is_too_large: false })
    }

    pub(super) fn end(&mut self, capture: Option<Capture>) {
        self.kept.extend(capture);
    }

    /// The manifest, and the component if there is one.
    pub(super) fn finish(
        mut self,
        top_folder: Option<&str>,
    ) -> Result<(Vec<u8>, Option<Vec<u8>>), ArchiveError> {
        let manifest = self.take(MANIFEST_PATH, top_folder).ok_or(ArchiveError::ManifestMissing)?;
        if manifest.is_too_large {
            return Err(ArchiveError::ManifestTooLarge { limit: manifest.limit });
        }
        let component = self.take(ExtensionVersion::COMPONENT_PATH, top_folder);
        if let Some(Capture { is_too_large: true, limit, .. }) = component {
            return Err(ArchiveError::ComponentTooLarge { limit });
        }
        Ok((manifest.bytes, component.map(|capture| capture.bytes)))
    }

    fn take(&mut self, path: &str, top_folder: Option<&str>) -> Option<Capture> {
        let found = |kept: &Capture| below(&kept.path, top_folder).as_str() == path;
        let index = self.kept.iter().position(found)?;
        Some(self.kept.swap_remove(index))
    }
}

impl Capture {
    pub(super) fn extend(&mut self, piece: &[u8]) {
        self.is_too_large |= (self.bytes.len() + piece.len()) as u64 > self.limit;
        if !self.is_too_large {
            self.bytes.extend_from_slice(piece);
        }
    }
}
