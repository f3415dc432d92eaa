//! The tar layer: one entry after the other, none skipped, to the last byte.

use std::io::Read;

use super::error::ArchiveError;
use super::frames::Frames;
use super::header::{BLOCK_BYTES, EntryKind, Header};
use super::names::{Layout, Names};
use super::paths::entry_path;
use super::pax::{self, Overrides};
use crate::bundle::BundleLimits;
use crate::model::AssetPath;

/// The longest GNU name: a path, `./`, a slash and the NUL, with room to spare for
/// a message that names the path and not the header.
const MAX_LONG_NAME_BYTES: u64 = 4096;

/// A walk through an archive.
///
/// [`Walk::next_file`] goes to the next file, [`Walk::fill`] and
/// [`Walk::consume`] give its bytes; bytes not asked for are passed over.
pub(super) struct Walk<'l, R> {
    frames: Frames<'l, R>,
    limits: &'l BundleLimits,
    names: Names,
    /// Headers read, for messages and the limit.
    headers: u64,
    /// Bytes of the current file not used yet.
    left: u64,
    /// Bytes between the end of the current file and the next block.
    padding: u64,
}

/// A file of the archive.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: AssetPath,
    pub(super) size: u64,
}

/// What is known when every byte has been read.
#[derive(Debug)]
pub(super) struct End {
    pub(super) unpacked_size: u64,
    /// The one folder that every entry is below.
    pub(super) top_folder: Option<String>,
}

impl<'l, R: Read> Walk<'l, R> {
    pub(super) fn new(archive: R, limits: &'l BundleLimits) -> Result<Self, ArchiveError> {
        let frames = Frames::new(archive, limits)?;
        let names = Names::new(limits.max_entries);
        Ok(Self { frames, limits, names, headers: 0, left: 0, padding: 0 })
    }

    /// The names so far.
    pub(super) fn layout(&self) -> &Layout {
        self.names.layout()
    }

    /// Goes to the next file. `None` says that the archive ended as it should.
    pub(super) fn next_file(&mut self) -> Result<Option<File>, ArchiveError> {
        self.pass_rest()?;
        let mut overrides = None;
        loop {
            let Some(header) = self.next_header()? else {
                if overrides.is_some() {
                    return Err(self.conflict("the archive ends after a header for the next entry"));
                }
                return Ok(None);
            };
            if let Some(file) = self.take_entry(header, &mut overrides)? {
                return Ok(Some(file));
            }
        }
    }

    /// Deals with one header; a file is for the caller.
    fn take_entry(
        &mut self,
        header: Header,
        overrides: &mut Option<Overrides>,
    ) -> Result<Option<File>, ArchiveError> {
        let entry = self.headers;
        let limit = self.limits.max_pax_bytes;
        match header.kind {
            EntryKind::File => return self.begin_file(header, overrides.take()).map(Some),
            EntryKind::Folder => self.add_folder(header, overrides.take())?,
            // Of two headers for one entry some readers take the first, others the last.
            EntryKind::Pax | EntryKind::LongName | EntryKind::GlobalPax if overrides.is_some() => {
                return Err(self.conflict("two headers describe the entry that follows"));
            }
            EntryKind::Pax => {
                let data = self.read_metadata(header.size, limit)?;
                *overrides = Some(pax::parse(&data, entry)?);
            }
            EntryKind::LongName => {
                let data = self.read_metadata(header.size, MAX_LONG_NAME_BYTES)?;
                let path = Some(pax::long_name(data, entry)?);
                *overrides = Some(Overrides { path, size: None });
            }
            EntryKind::GlobalPax => {
                let data = self.read_metadata(header.size, limit)?;
                pax::check_global(&data, entry)?;
            }
        }
        Ok(None)
    }

    /// Ends the walk after the last file.
    pub(super) fn finish(self) -> End {
        End {
            unpacked_size: self.frames.unpacked(),
            top_folder: self.names.layout().top_folder().map(str::to_owned),
        }
    }

    /// The next bytes of the current file; none at its end.
    pub(super) fn fill(&mut self) -> Result<&[u8], ArchiveError> {
        if self.left == 0 {
            return Ok(&[]);
        }
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let piece = self.frames.fill()?;
        // At the end of the stream, where the file still had bytes to come.
        if piece.is_empty() {
            return Err(ArchiveError::Truncated("a file"));
        }
        Ok(&piece[..piece.len().min(left)])
    }

    /// Marks `count` of the bytes of [`Self::fill`] as used.
    pub(super) fn consume(&mut self, count: usize) {
        self.left -= count as u64;
        self.frames.consume(count);
    }

    fn conflict(&self, reason: &'static str) -> ArchiveError {
        ArchiveError::PaxConflict { entry: self.headers, reason }
    }

    fn begin_file(
        &mut self,
        header: Header,
        overrides: Option<Overrides>,
    ) -> Result<File, ArchiveError> {
        let size = header.size;
        let path = self.path_of(header, overrides, false)?;
        // Only a folder can be the root.
        let path = path.expect("a file has a path");
        let limit = self.limits.max_file_bytes;
        if size > limit {
            return Err(ArchiveError::FileTooLarge { path: path.into(), found: size, limit });
        }
        self.names.add_file(&path)?;
        self.begin_data(size);
        Ok(File { path, size })
    }

    fn add_folder(
        &mut self,
        header: Header,
        overrides: Option<Overrides>,
    ) -> Result<(), ArchiveError> {
        match self.path_of(header, overrides, true)? {
            Some(path) => self.names.add_folder(&path),
            None => Ok(()),
        }
    }

    fn path_of(
        &self,
        header: Header,
        overrides: Option<Overrides>,
        is_folder: bool,
    ) -> Result<Option<AssetPath>, ArchiveError> {
        let Overrides { path, size } = overrides.unwrap_or_default();
        if size.is_some_and(|size| size != header.size) {
            return Err(self.conflict("the PAX size is not the size in the header"));
        }
        entry_path(&path.unwrap_or(header.path), is_folder, self.headers)
    }

    /// The next header; `None` after a proper end of the archive.
    fn next_header(&mut self) -> Result<Option<Header>, ArchiveError> {
        let block = self.read_block()?;
        if block.iter().all(|&b| b == 0) {
            self.check_end()?;
            return Ok(None);
        }
        self.headers += 1;
        if self.headers > self.limits.max_entries {
            return Err(ArchiveError::TooManyEntries { limit: self.limits.max_entries });
        }
        Header::parse(&block, self.headers).map(Some)
    }

    /// After one zero block: another, then nothing but zeros.
    fn check_end(&mut self) -> Result<(), ArchiveError> {
        if self.read_block()?.iter().any(|&b| b != 0) {
            return Err(ArchiveError::MissingEnd);
        }
        loop {
            let piece = self.frames.fill()?;
            if piece.is_empty() {
                return Ok(());
            }
            // Entries behind the end are there for a reader that goes on.
            if piece.iter().any(|&b| b != 0) {
                return Err(ArchiveError::TrailingData);
            }
            let count = piece.len();
            self.frames.consume(count);
        }
    }

    fn read_block(&mut self) -> Result<[u8; BLOCK_BYTES], ArchiveError> {
        let mut block = [0; BLOCK_BYTES];
        let mut filled = 0;
        while filled < BLOCK_BYTES {
            let piece = self.frames.fill()?;
            // A cut between two entries must not pass for the end.
            if piece.is_empty() {
                return Err(ArchiveError::MissingEnd);
            }
            let count = piece.len().min(BLOCK_BYTES - filled);
            block[filled..filled + count].copy_from_slice(&piece[..count]);
            self.frames.consume(count);
            filled += count;
        }
        Ok(block)
    }

    fn begin_data(&mut self, size: u64) {
        self.left = size;
        self.padding = size.next_multiple_of(BLOCK_BYTES as u64) - size;
    }

    /// Reads the data of a header that describes the next entry.
    fn read_metadata(&mut self, size: u64, limit: u64) -> Result<Vec<u8>, ArchiveError> {
        if size > limit {
            return Err(ArchiveError::PaxTooLarge { entry: self.headers, found: size, limit });
        }
        self.begin_data(size);
        let mut data = Vec::new();
        while self.left > 0 {
            let piece = self.fill()?;
            data.extend_from_slice(piece);
            let count = piece.len();
            self.consume(count);
        }
        self.pass_rest()?;
        Ok(data)
    }

    /// Passes over what is left of the current file.
    fn pass_rest(&mut self) -> Result<(), ArchiveError> {
        self.left += std::mem::take(&mut self.padding);
        while self.left > 0 {
            let count = self.fill()?.len();
            self.consume(count);
        }
        Ok(())
    }
}
