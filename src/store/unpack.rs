//! Reading a stored archive again, every file held against the version's file table.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{StoreError, beneath};
use crate::bundle::{self, BundleLimits};
use crate::model::{ExtensionVersion, FileEntry, StreamHasher};

/// An archive of the store and the version it must be.
pub(super) struct StoredArchive<'a> {
    pub file: File,
    pub version: &'a ExtensionVersion,
    /// The key, for messages.
    pub key: String,
}

impl StoredArchive<'_> {
    /// Unpacks all files into `folder`, which is empty.
    pub(super) fn unpack_into(self, folder: &Path) -> Result<(), StoreError> {
        self.walk(&mut |entry, content| write_file(folder, entry, content))?;
        seal(folder).map_err(StoreError::io("unpack a bundle"))
    }

    /// The content of one file.
    pub(super) fn extract(self, wanted: &FileEntry) -> Result<Vec<u8>, StoreError> {
        let mut found = None;
        let (key, path) = (self.key.clone(), &wanted.path);
        self.walk(&mut |entry, content| {
            if entry.path == *path {
                let mut bytes = Vec::new();
                content.read_to_end(&mut bytes)?;
                found = Some(bytes);
            }
            Ok(())
        })?;
        found.ok_or_else(|| StoreError::integrity(key, format!("`{path}` is missing")))
    }

    /// Gives every file of the file table to `each`.
    ///
    /// The archive is judged at its end. What `each` made counts only if this is `Ok`.
    fn walk(
        mut self,
        each: &mut dyn FnMut(&FileEntry, &mut dyn Read) -> io::Result<()>,
    ) -> Result<(), StoreError> {
        let mut failed: Option<StoreError> = None;
        let mut seen = 0;
        let (version, key) = (self.version, &self.key);
        let result = bundle::unpack(&mut self.file, &limits(version), &mut |path, content| {
            // What the table does not name was ignored when the bundle was verified.
            let Some(entry) = version.file(path) else { return Ok(()) };
            let mut content = CheckedContent::new(content, entry.size);
            if let Err(error) = each(entry, &mut content) {
                if !content.broken {
                    failed = Some(StoreError::io("unpack a bundle")(error));
                }
                return Err(stop());
            }
            io::copy(&mut content, &mut io::sink())?;
            if !content.is(entry) {
                let problem = format!("`{path}` is not the file that was verified");
                failed = Some(StoreError::integrity(key, problem));
                return Err(stop());
            }
            seen += 1;
            Ok(())
        });
        match (failed, result) {
            (Some(error), _) => Err(error),
            (None, Ok(hash)) if hash == version.content_hash && seen == version.files.len() => {
                Ok(())
            }
            (None, Ok(_)) => {
                Err(StoreError::integrity(key, "it is not the archive that was verified"))
            }
            (None, Err(error)) => Err(self.why(error)),
        }
    }

    /// Whether the archive is damaged, or reading it failed for another reason.
    fn why(mut self, error: bundle::ArchiveError) -> StoreError {
        let hashed = self.file.rewind().and_then(|()| StreamHasher::of_reader(&mut self.file));
        match hashed {
            Ok((_, hash)) if hash == *self.version.content_hash.as_bytes() => {
                StoreError::unavailable("unpack a bundle", error)
            }
            Ok(_) => StoreError::integrity(self.key, error.to_string()),
            Err(error) => StoreError::io("read a bundle")(error),
        }
    }
}

/// Limits for what was accepted once: the configured ones may be lower by now.
///
/// What is written is bounded by the file table, whatever the archive says.
fn limits(version: &ExtensionVersion) -> BundleLimits {
    let unpacked: u64 = version.files.iter().map(|file| file.size).sum();
    let largest = version.files.iter().map(|file| file.size).max().unwrap_or(0);
    let defaults = BundleLimits::default();
    BundleLimits {
        max_bundle_bytes: defaults.max_bundle_bytes.max(version.size),
        // Tar has a header for each file and each folder, and fills up blocks.
        max_unpacked_bytes: defaults.max_unpacked_bytes.max(unpacked.saturating_mul(2)),
        max_entries: defaults.max_entries.max(version.files.len() as u64 * 4),
        max_file_bytes: defaults.max_file_bytes.max(largest),
        max_component_bytes: defaults.max_component_bytes.max(largest),
        ..defaults
    }
}

/// A file's content, counted and hashed as it is read.
struct CheckedContent<'a> {
    inner: io::Take<&'a mut dyn Read>,
    hasher: StreamHasher,
    size: u64,
    /// Reading failed: the archive is at fault, and not where it is written to.
    broken: bool,
}

impl<'a> CheckedContent<'a> {
    fn new(content: &'a mut dyn Read, size: u64) -> Self {
        // One byte more than there should be is enough to see that there is more.
        let inner = content.take(size.saturating_add(1));
        Self { inner, hasher: StreamHasher::new(), size: 0, broken: false }
    }

    fn is(self, entry: &FileEntry) -> bool {
        let digest: [u8; 32] = self.hasher.finalize();
        self.size == entry.size && digest == *entry.sha256.as_bytes()
    }
}

impl Read for CheckedContent<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer).inspect_err(|_| self.broken = true)?;
        self.hasher.update(&buffer[..read]);
        self.size += read as u64;
        Ok(read)
    }
}

fn write_file(folder: &Path, entry: &FileEntry, content: &mut dyn Read) -> io::Result<()> {
    let path = entry.path.as_str();
    if let Some((folders, _)) = path.rsplit_once('/') {
        fs::create_dir_all(folder.join(folders))?;
    }
    let mut file = beneath::create_new(folder, path)?;
    io::copy(content, &mut file)?;
    Ok(())
}

/// Takes the right to write from the folders inside `folder`, which itself still has to move.
fn seal(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            seal(&entry.path())?;
            fs::set_permissions(entry.path(), Permissions::from_mode(0o555))?;
        }
    }
    Ok(())
}

fn stop() -> io::Error {
    io::Error::other("the archive is not read further")
}
