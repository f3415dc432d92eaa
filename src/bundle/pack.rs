//! The reproducible writer: the same folder makes the same bytes on every machine.
//!
//! Everything that differs between machines and does not matter (order, times,
//! owners, modes, threads) is fixed, and everything that the reader would refuse
//! is refused here, all at once, before the first byte is written.

mod folder;
mod hashing;
#[cfg(test)]
mod tests;

use std::{
    fs, io,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use tar::{EntryType, Header};
use zstd::stream::raw::CParameter;

use self::folder::{Found, SourceFile};
use self::hashing::{HashingReader, HashingWriter};
use super::{BundleLimits, MANIFEST_PATH};
use crate::model::{ContentHash, FileEntry, Manifest, ManifestWarning, media_type};

/// A good ratio at 60 MB/s; higher levels gain a few percent for many times the time.
const LEVEL: i32 = 10;
/// 4 MiB: what the level has by default, said so that it stays.
const WINDOW_LOG: u32 = 22;

/// What packing made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// The SHA-256 of the bytes written.
    pub content_hash: ContentHash,
    /// How many bytes were written.
    pub size: u64,
    /// What is in the bundle, sorted by path.
    pub files: Vec<FileEntry>,
    /// Dot files and dot folders that are not in it.
    pub left_out: Vec<String>,
    /// What the manifest has that may not be meant.
    pub warnings: Vec<ManifestWarning>,
}

/// One thing that keeps a folder from being packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackProblem {
    /// The file, or the place in the manifest.
    pub path: String,
    /// A stable word for machines, the same that the reader would use.
    pub code: String,
    /// An English sentence.
    pub message: String,
}

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error("the folder cannot be packed: {}", list(.0))]
    Problems(Vec<PackProblem>),
    #[error("`{path}` could not be read")]
    Read { path: PathBuf, source: io::Error },
    #[error("`{path}` changed while it was packed")]
    Changed { path: PathBuf },
    #[error("the bundle could not be written")]
    Write(#[source] io::Error),
}

fn list(problems: &[PackProblem]) -> String {
    problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("; ")
}

/// Writes the bundle of `folder` to `out`.
pub fn pack(folder: &Path, out: &mut dyn Write) -> Result<Packed, PackError> {
    let limits = BundleLimits::default();
    let Found { files, left_out, mut problems } = folder::find(folder, &limits)?;
    let warnings = check_manifest(&files, &mut problems)?;
    if !problems.is_empty() {
        return Err(PackError::Problems(problems));
    }

    let mut out = HashingWriter::new(out);
    let mut entries = write_archive(&files, &mut out)?;
    let (content_hash, size) = out.finish();
    check_written(&files, size, &limits)?;
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Packed { content_hash, size, files: entries, left_out, warnings })
}

/// Holds the manifest against its rules and against the files.
fn check_manifest(
    files: &[SourceFile],
    problems: &mut Vec<PackProblem>,
) -> Result<Vec<ManifestWarning>, PackError> {
    let Some(file) = files.iter().find(|file| file.path.as_str() == MANIFEST_PATH) else {
        let message = "the folder has no `manifest.json`".to_owned();
        let (path, code) = (MANIFEST_PATH.to_owned(), "manifest_missing".to_owned());
        problems.push(PackProblem { path, code, message });
        return Ok(Vec::new());
    };
    let read_error = |source| PackError::Read { path: file.source.clone(), source };
    let json = fs::read(&file.source).map_err(read_error)?;
    match Manifest::parse(&json) {
        Ok((manifest, warnings)) => {
            let has = |path: &str| files.iter().any(|file| file.path.as_str() == path);
            // The author is here and can still add the file.
            let missing = manifest.missing_files(has).into_iter();
            problems.extend(missing.map(|ManifestWarning { path, code, message }| PackProblem {
                path,
                code,
                message,
            }));
            Ok(warnings)
        }
        Err(found) => {
            let found = found.0.into_iter();
            problems.extend(found.map(|p| PackProblem {
                path: p.path,
                code: p.code,
                message: p.message,
            }));
            Ok(Vec::new())
        }
    }
}

fn write_archive(
    files: &[SourceFile],
    out: &mut HashingWriter<'_>,
) -> Result<Vec<FileEntry>, PackError> {
    let mut encoder = zstd::Encoder::new(out, LEVEL).map_err(PackError::Write)?;
    encoder.include_checksum(true).map_err(PackError::Write)?;
    encoder.set_parameter(CParameter::WindowLog(WINDOW_LOG)).map_err(PackError::Write)?;
    let mut archive = tar::Builder::new(encoder);
    let entries: Result<Vec<_>, _> = files.iter().map(|file| append(&mut archive, file)).collect();
    let encoder = archive.into_inner().map_err(PackError::Write)?;
    encoder.finish().map_err(PackError::Write)?;
    entries
}

fn append<W: Write>(
    archive: &mut tar::Builder<W>,
    file: &SourceFile,
) -> Result<FileEntry, PackError> {
    let path = || file.source.clone();
    let source = fs::File::open(&file.source);
    let source = source.map_err(|source| PackError::Read { path: path(), source })?;
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_size(file.size);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    let mut reader = HashingReader::new(source.take(file.size + 1));
    archive.append_data(&mut header, file.path.as_str(), &mut reader).map_err(PackError::Write)?;
    // The size is in the header, before the data: a file that grew would shift all that follows.
    let (digest, read) = reader.finish();
    if read != file.size {
        return Err(PackError::Changed { path: path() });
    }
    let media_type = media_type(&file.path).to_owned();
    Ok(FileEntry { path: file.path.clone(), size: file.size, sha256: digest, media_type })
}

/// What only the written archive shows: its size and its ratio.
fn check_written(files: &[SourceFile], size: u64, limits: &BundleLimits) -> Result<(), PackError> {
    let unpacked: u64 = files.iter().map(|file| file.size.next_multiple_of(512) + 512).sum();
    let by_ratio = limits.ratio_floor_bytes + limits.max_ratio * size;
    let (code, message) = if size > limits.max_bundle_bytes {
        let limit = limits.max_bundle_bytes;
        ("bundle_too_large", format!("the bundle is {size} bytes; {limit} are allowed"))
    } else if unpacked > by_ratio {
        let message = format!("{size} bytes unpack to {unpacked}; {by_ratio} are allowed");
        ("bomb_ratio", message)
    } else {
        return Ok(());
    };
    let (path, code) = ("$".to_owned(), code.to_owned());
    Err(PackError::Problems(vec![PackProblem { path, code, message }]))
}
