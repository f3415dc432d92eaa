//! (skeleton)

use std::io::{self, Read};

use crate::model::{AssetPath, ContentHash};

/// (skeleton)
#[derive(Clone, Copy, Debug)]
pub struct BundleLimits {
    pub max_bundle_bytes: u64,
    pub max_unpacked_bytes: u64,
    pub max_ratio: u64,
    pub ratio_floor_bytes: u64,
    pub max_entries: u64,
    pub max_file_bytes: u64,
    pub max_pax_bytes: u64,
    pub max_frames: u64,
    pub window_log_max: u32,
    pub max_manifest_bytes: u64,
    pub max_component_bytes: u64,
}

impl Default for BundleLimits {
    fn default() -> Self {
        Self {
            max_bundle_bytes: 200 << 20,
            max_unpacked_bytes: 1 << 30,
            max_ratio: 100,
            ratio_floor_bytes: 64 << 20,
            max_entries: 20_000,
            max_file_bytes: 256 << 20,
            max_pax_bytes: 64 << 10,
            max_frames: 64,
            window_log_max: 23,
            max_manifest_bytes: 256 << 10,
            max_component_bytes: 64 << 20,
        }
    }
}

/// (skeleton)
#[derive(Debug, thiserror::Error)]
#[error("skeleton")]
pub struct ArchiveError;

impl ArchiveError {
    pub fn is_io(&self) -> bool {
        false
    }
}

/// (skeleton)
pub fn unpack(
    mut archive: impl Read,
    _limits: &BundleLimits,
    _each: &mut dyn FnMut(&AssetPath, &mut dyn Read) -> io::Result<()>,
) -> Result<ContentHash, ArchiveError> {
    let mut bytes = Vec::new();
    archive.read_to_end(&mut bytes).map_err(|_| ArchiveError)?;
    Ok(ContentHash::of(&bytes))
}
