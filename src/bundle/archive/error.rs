//! Why an archive is refused: one variant, one stable code and one hint per cause.

use std::io;

use crate::model::InvalidAssetPath;

/// Why an archive was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("the archive could not be read from disk")]
    Read(#[source] io::Error),
    #[error("an unpacked file could not be written")]
    Write(#[source] io::Error),

    #[error("the file is larger than {limit} bytes")]
    BundleTooLarge { limit: u64 },
    #[error("the file does not begin with a zstd frame")]
    NotZstd,
    #[error("the archive ends in the middle of {0}")]
    Truncated(&'static str),
    #[error("the compressed data is damaged: {0}")]
    ZstdDamaged(String),
    #[error("the compressed data has a skippable frame, which could hide anything")]
    SkippableFrame,
    #[error("the compressed data needs dictionary {0}")]
    ZstdDictionary(u32),
    #[error("the compressed data needs a window of {found} bytes; {limit} are allowed")]
    WindowTooLarge { found: u64, limit: u64 },
    #[error("the compressed data has more than {limit} frames")]
    TooManyFrames { limit: u64 },
    #[error("there is more data after the end of the archive")]
    TrailingData,
    #[error("the archive unpacks to more than {limit} bytes")]
    UnpackedTooLarge { limit: u64 },
    #[error("{compressed} compressed bytes unpack to {unpacked} or more; {limit} are allowed")]
    BombRatio { compressed: u64, unpacked: u64, limit: u64 },

    #[error("entry {entry} has a bad tar header: {reason}")]
    BadHeader { entry: u64, reason: &'static str },
    #[error("entry {entry} has a tar header whose checksum is wrong")]
    BadChecksum { entry: u64 },
    #[error("entry {entry} has a `{field}` field that is not a plain octal number")]
    BadNumber { entry: u64, field: &'static str },
    #[error("`{path}` is a link")]
    LinkEntry { path: String },
    #[error("`{path}` is a device, a pipe or a socket")]
    DeviceEntry { path: String },
    #[error("`{path}` is a sparse file or part of a multi-volume archive")]
    SparseEntry { path: String },
    #[error("`{path}` has the entry type {kind}, which is neither file nor folder")]
    EntryType { path: String, kind: String },
    #[error("entry {entry} has a broken PAX header: {reason}")]
    PaxMalformed { entry: u64, reason: &'static str },
    #[error("entry {entry} has a PAX header with the key `{key}`, which could change its meaning")]
    PaxKey { entry: u64, key: String },
    #[error("entry {entry} says two different things of itself: {reason}")]
    PaxConflict { entry: u64, reason: &'static str },
    #[error("entry {entry} is a PAX or long-name header of {found} bytes; {limit} are allowed")]
    PaxTooLarge { entry: u64, found: u64, limit: u64 },
    #[error("entry {entry} has a broken GNU long name: {reason}")]
    LongName { entry: u64, reason: &'static str },
    #[error("the archive does not end in two zero blocks")]
    MissingEnd,

    #[error("entry {entry} has a name that is not UTF-8")]
    PathEncoding { entry: u64 },
    #[error("`{path}` would leave the folder it is unpacked into")]
    PathTraversal { path: String },
    #[error("`{path}` cannot be a path in a bundle: {reason}")]
    PathInvalid { path: String, reason: InvalidAssetPath },
    #[error("`{path}` is in the archive twice")]
    DuplicateEntry { path: String },
    #[error("`{path}` and `{other}` differ only in upper and lower case")]
    CaseCollision { path: String, other: String },
    #[error("`{path}` is both a file and a folder")]
    PathConflict { path: String },
    #[error("the archive has more than {limit} files and folders")]
    TooManyEntries { limit: u64 },
    #[error("`{path}` is {found} bytes long; {limit} are allowed")]
    FileTooLarge { path: String, found: u64, limit: u64 },

    #[error("the archive has no `manifest.json`")]
    ManifestMissing,
    #[error("`manifest.json` is longer than {limit} bytes")]
    ManifestTooLarge { limit: u64 },
    #[error("`dist/main.wasm` is longer than {limit} bytes")]
    ComponentTooLarge { limit: u64 },
}

const REPACK: &str = "pack the folder again with `plugboard pack`";
const SHRINK: &str = "leave out what the extension does not need, or raise the limit";
const DAMAGED: &str = "the file was damaged or changed on its way: compare its hash and send again";
const RENAME: &str =
    "use relative paths of letters, digits and `_@+.- ()[]`, at most 240 bytes and 16 folders deep";

impl ArchiveError {
    /// A stable word for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read(_) | Self::Write(_) => "io",
            Self::BundleTooLarge { .. } => "bundle_too_large",
            Self::NotZstd => "not_zstd",
            Self::Truncated(_) => "truncated",
            Self::ZstdDamaged(_) => "zstd_damaged",
            Self::SkippableFrame => "skippable_frame",
            Self::ZstdDictionary(_) => "zstd_dictionary",
            Self::WindowTooLarge { .. } => "window_too_large",
            Self::TooManyFrames { .. } => "too_many_frames",
            Self::TrailingData => "trailing_data",
            Self::UnpackedTooLarge { .. } => "unpacked_too_large",
            Self::BombRatio { .. } => "bomb_ratio",
            Self::BadHeader { .. } => "bad_header",
            Self::BadChecksum { .. } => "bad_checksum",
            Self::BadNumber { .. } => "bad_number",
            Self::LinkEntry { .. } => "link_entry",
            Self::DeviceEntry { .. } => "device_entry",
            Self::SparseEntry { .. } => "sparse_entry",
            Self::EntryType { .. } => "entry_type",
            Self::PaxMalformed { .. } => "pax_malformed",
            Self::PaxKey { .. } => "pax_key",
            Self::PaxConflict { .. } => "pax_conflict",
            Self::PaxTooLarge { .. } => "pax_too_large",
            Self::LongName { .. } => "long_name",
            Self::MissingEnd => "missing_end",
            Self::PathEncoding { .. } => "path_encoding",
            Self::PathTraversal { .. } => "path_traversal",
            Self::PathInvalid { .. } => "path_invalid",
            Self::DuplicateEntry { .. } => "duplicate_entry",
            Self::CaseCollision { .. } => "case_collision",
            Self::PathConflict { .. } => "path_conflict",
            Self::TooManyEntries { .. } => "too_many_entries",
            Self::FileTooLarge { .. } => "file_too_large",
            Self::ManifestMissing => "manifest_missing",
            Self::ManifestTooLarge { .. } => "manifest_too_large",
            Self::ComponentTooLarge { .. } => "component_too_large",
        }
    }

    /// What the publisher, or the operator, can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Read(_) | Self::Write(_) => "look at the appliance's disk, then send it again",
            Self::NotZstd => {
                "a bundle is a tar archive compressed with zstd, made by `plugboard pack`"
            }
            Self::Truncated(_) | Self::ZstdDamaged(_) | Self::TrailingData => DAMAGED,
            Self::WindowTooLarge { .. } => "compress with `zstd -19` or less and without `--long`",
            Self::BundleTooLarge { .. }
            | Self::UnpackedTooLarge { .. }
            | Self::BombRatio { .. }
            | Self::TooManyEntries { .. }
            | Self::FileTooLarge { .. }
            | Self::ManifestTooLarge { .. }
            | Self::ComponentTooLarge { .. } => SHRINK,
            Self::LinkEntry { .. } | Self::DeviceEntry { .. } => {
                "a bundle has only files and folders: copy the target in place of the link"
            }
            Self::PathEncoding { .. } | Self::PathTraversal { .. } | Self::PathInvalid { .. } => {
                RENAME
            }
            Self::CaseCollision { .. } | Self::PathConflict { .. } => "rename one of the two",
            Self::ManifestMissing => {
                "put `manifest.json` at the top of the archive, or below its only top folder"
            }
            Self::SkippableFrame
            | Self::ZstdDictionary(_)
            | Self::TooManyFrames { .. }
            | Self::BadHeader { .. }
            | Self::BadChecksum { .. }
            | Self::BadNumber { .. }
            | Self::SparseEntry { .. }
            | Self::EntryType { .. }
            | Self::PaxMalformed { .. }
            | Self::PaxKey { .. }
            | Self::PaxConflict { .. }
            | Self::PaxTooLarge { .. }
            | Self::LongName { .. }
            | Self::MissingEnd
            | Self::DuplicateEntry { .. } => REPACK,
        }
    }
}
