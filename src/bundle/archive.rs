//! The strict reader of `bundle.tar.zst`.
//!
//! Two uses of one walk: [`read`] finds out what is in an archive, [`unpack`]
//! hands out its files. What one of them accepts the other does, and so does
//! every common tar reader, with the same files: anything that readers disagree
//! about is refused. Memory does not grow with the archive, but for the
//! manifest, the component and the file table.

mod capture;
mod error;
mod file_reader;
mod frame_header;
mod frames;
mod header;
mod names;
mod paths;
mod pax;
mod reading;
mod side_hash;
mod walk;

use std::io::{self, Read, Seek, SeekFrom};

use self::capture::{Capture, Captures};
pub use self::error::ArchiveError;
use self::file_reader::FileReader;
pub use self::reading::Reading;
use self::side_hash::SideHashed;
use self::walk::{End, File, Walk};
use super::BundleLimits;
use crate::model::{AssetPath, ContentHash, FileDigest, FileEntry, StreamHasher, media_type};

/// Native code for an older host: taken from no bundle, ever.
const PRECOMPILED_FOLDER: &str = "precompiled";

/// What one pass over an archive found. Facts only; nothing is judged but the format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleContents {
    /// The SHA-256 of the compressed bytes.
    pub content_hash: ContentHash,
    /// How many compressed bytes there are.
    pub size: u64,
    /// How many bytes they unpack to, tar headers included.
    pub unpacked_size: u64,
    /// Every file, sorted by path.
    pub files: Vec<FileEntry>,
    /// The bytes of `manifest.json`, not yet parsed.
    pub manifest: Vec<u8>,
    /// The bytes of `dist/main.wasm`, not yet looked at.
    pub component: Option<Vec<u8>>,
    /// What was accepted and will not be used.
    pub warnings: Vec<ArchiveWarning>,
}

/// Something in an archive that is accepted and without effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveWarning {
    pub code: &'static str,
    pub message: String,
}

/// Reads an archive to its end and says what is in it.
pub fn read(archive: impl Read, limits: &BundleLimits) -> Result<BundleContents, ArchiveError> {
    let mut archive = SideHashed::new(archive);
    let found = find(&mut archive, limits)?;
    let (content_hash, size) = archive.finish();
    Ok(found.into_contents(content_hash, size))
}

/// [`BundleContents`] but for what is known of the compressed bytes.
struct Found {
    unpacked_size: u64,
    files: Vec<FileEntry>,
    manifest: Vec<u8>,
    component: Option<Vec<u8>>,
    warnings: Vec<ArchiveWarning>,
}

impl Found {
    fn into_contents(self, content_hash: ContentHash, size: u64) -> BundleContents {
        let Self { unpacked_size, files, manifest, component, warnings } = self;
        BundleContents { content_hash, size, unpacked_size, files, manifest, component, warnings }
    }
}

fn find(archive: impl Read, limits: &BundleLimits) -> Result<Found, ArchiveError> {
    let mut walk = Walk::new(archive, limits)?;
    let mut captures = Captures::new(limits);
    let mut files = Vec::new();
    while let Some(File { path, size }) = walk.next_file()? {
        let mut capture = captures.begin(&path, walk.layout().top_folder());
        let sha256 = hash_file(&mut walk, capture.as_mut())?;
        captures.end(capture);
        let media_type = media_type(&path).to_owned();
        files.push(FileEntry { path, size, sha256, media_type });
    }
    let End { unpacked_size, top_folder } = walk.finish();

    let top_folder = top_folder.as_deref();
    for file in &mut files {
        file.path = below(&file.path, top_folder);
    }
    let (manifest, component) = captures.finish(top_folder)?;
    let warnings = remove_precompiled(&mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Found { unpacked_size, files, manifest, component, warnings })
}

/// Calls `each` with every file of [`BundleContents::files`], in archive order.
///
/// Returns the hash of the compressed bytes. Until it is known to be the
/// expected one, nothing that `each` did may become visible.
pub fn unpack(
    mut archive: impl Read + Seek,
    limits: &BundleLimits,
    each: &mut dyn FnMut(&AssetPath, &mut dyn Read) -> io::Result<()>,
) -> Result<ContentHash, ArchiveError> {
    let top_folder = find_top_folder(&mut archive, limits)?;
    let mut archive = SideHashed::new(archive);
    let mut walk = Walk::new(&mut archive, limits)?;
    while let Some(file) = walk.next_file()? {
        let path = below(&file.path, top_folder.as_deref());
        if is_precompiled(&path) {
            continue;
        }
        let mut reader = FileReader::new(&mut walk);
        let outcome = each(&path, &mut reader);
        reader.check()?;
        outcome.map_err(ArchiveError::Write)?;
    }
    Ok(archive.finish().0)
}

fn hash_file<R: Read>(
    walk: &mut Walk<'_, R>,
    mut capture: Option<&mut Capture>,
) -> Result<FileDigest, ArchiveError> {
    let mut hasher = StreamHasher::new();
    loop {
        let piece = walk.fill()?;
        if piece.is_empty() {
            let digest: [u8; 32] = hasher.finalize();
            return Ok(FileDigest::from(digest));
        }
        hasher.update(piece);
        if let Some(capture) = &mut capture {
            capture.extend(piece);
        }
        let count = piece.len();
        walk.consume(count);
    }
}

/// A first, short pass: paths can only be told once it is known what they are below.
fn find_top_folder(
    archive: &mut (impl Read + Seek),
    limits: &BundleLimits,
) -> Result<Option<String>, ArchiveError> {
    let start = archive.stream_position().map_err(ArchiveError::Read)?;
    let mut walk = Walk::new(&mut *archive, limits)?;
    while walk.next_file()?.is_some() && !walk.layout().is_flat() {}
    let top_folder = walk.layout().top_folder().map(str::to_owned);
    archive.seek(SeekFrom::Start(start)).map_err(ArchiveError::Read)?;
    Ok(top_folder)
}

/// `path` without the one folder that everything is below.
fn below(path: &AssetPath, top_folder: Option<&str>) -> AssetPath {
    match top_folder.and_then(|folder| path.strip_folder(folder)) {
        Some(rest) => rest.parse().expect("the end of an asset path is one"),
        None => path.clone(),
    }
}

fn is_precompiled(path: &AssetPath) -> bool {
    path.strip_folder(PRECOMPILED_FOLDER).is_some()
}

fn remove_precompiled(files: &mut Vec<FileEntry>) -> Vec<ArchiveWarning> {
    let before = files.len();
    files.retain(|file| !is_precompiled(&file.path));
    let removed = before - files.len();
    if removed == 0 {
        return Vec::new();
    }
    let message =
        format!("{removed} file(s) below `precompiled/` are ignored: code is compiled here only");
    vec![ArchiveWarning { code: "precompiled_ignored", message }]
}
