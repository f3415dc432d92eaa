//! How large, deep and crooked a bundle may be.

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// What the reader refuses to go beyond. The defaults are those of a fresh appliance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleLimits {
    /// Bytes of the compressed archive.
    pub max_bundle_bytes: u64,
    /// Bytes of everything in it, tar headers included.
    pub max_unpacked_bytes: u64,
    /// Unpacked bytes per compressed byte, above the floor.
    pub max_ratio: u64,
    /// So many unpacked bytes are fine at any ratio.
    pub ratio_floor_bytes: u64,
    /// Files and folders, named or implied.
    pub max_entries: u64,
    /// Bytes of one file.
    pub max_file_bytes: u64,
    /// Bytes of one PAX header.
    pub max_pax_bytes: u64,
    /// Concatenated zstd frames.
    pub max_frames: u64,
    /// Base-2 logarithm of the zstd window.
    pub window_log_max: u32,
    /// Bytes of `manifest.json`.
    pub max_manifest_bytes: u64,
    /// Bytes of `dist/main.wasm`.
    pub max_component_bytes: u64,
}

impl Default for BundleLimits {
    fn default() -> Self {
        Self {
            max_bundle_bytes: 200 * MIB,
            max_unpacked_bytes: 1024 * MIB,
            max_ratio: 100,
            ratio_floor_bytes: 64 * MIB,
            max_entries: 20_000,
            max_file_bytes: 256 * MIB,
            max_pax_bytes: 64 * KIB,
            max_frames: 64,
            // `zstd -19`, which existing clients use, has this window.
            window_log_max: 23,
            max_manifest_bytes: 256 * KIB,
            max_component_bytes: 64 * MIB,
        }
    }
}
