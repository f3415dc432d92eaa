//! An archive read to its last byte, whatever came out of it.

use std::io::{self, Read};

use super::error::ArchiveError;
use super::side_hash::SideHashed;
use super::{BundleContents, find};
use crate::bundle::BundleLimits;
use crate::model::ContentHash;

/// The bytes of a file, and what they are as a bundle.
///
/// [`Reading::of`] is the only constructor, and the hash is of the very bytes
/// that were parsed: who has one need not hash the file to know that.
#[derive(Debug)]
pub struct Reading {
    content_hash: ContentHash,
    size: u64,
    contents: Result<BundleContents, ArchiveError>,
}

impl Reading {
    /// Reads all of `archive`, to its end also when it is refused before. The
    /// error is one of reading: then nothing is known of the bundle.
    pub fn of(archive: impl Read, limits: &BundleLimits) -> io::Result<Self> {
        let mut archive = SideHashed::new(archive);
        let found = match find(&mut archive, limits) {
            Err(ArchiveError::Read(error)) => return Err(error),
            Err(error) => {
                // The report on what is refused names it by its hash.
                io::copy(&mut archive, &mut io::sink())?;
                Err(error)
            }
            Ok(found) => Ok(found),
        };
        let (content_hash, size) = archive.finish();
        let contents = found.map(|found| found.into_contents(content_hash, size));
        Ok(Self { content_hash, size, contents })
    }

    /// The SHA-256 of all bytes.
    pub fn content_hash(&self) -> ContentHash {
        self.content_hash
    }

    /// How many bytes there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What is in the bundle, or why it is none.
    pub fn into_contents(self) -> Result<BundleContents, ArchiveError> {
        self.contents
    }
}
