//! The zstd layer: compressed bytes in, tar bytes out, both counted.
//!
//! The decoder is driven by hand, because only so are frame headers seen before
//! they take effect and frame boundaries known. Memory is two buffers and the
//! decoder's window, whatever the archive claims.

use std::io::{self, Read};

use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use super::error::ArchiveError;
use super::frame_header::{FrameHeader, LONGEST_HEADER};
use crate::bundle::BundleLimits;

/// Large enough that system calls do not count, small enough for the processor's cache.
const BUFFER_BYTES: usize = 256 * 1024;

/// The decompressed bytes of an archive, a piece at a time.
pub(super) struct Frames<'l, R> {
    archive: R,
    limits: &'l BundleLimits,
    decoder: Decoder<'static>,
    input: Piece,
    output: Piece,
    /// The archive has no more bytes.
    at_end: bool,
    in_frame: bool,
    begun: u64,
    /// Bytes read from the archive.
    compressed: u64,
    /// Of these, bytes given to the decoder.
    decoded: u64,
    /// Bytes the decoder made of them.
    unpacked: u64,
}

/// A buffer of which `start..end` is filled and not yet used.
struct Piece {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Piece {
    fn new() -> Self {
        Self { bytes: vec![0; BUFFER_BYTES].into_boxed_slice(), start: 0, end: 0 }
    }

    fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }
}

impl<'l, R: Read> Frames<'l, R> {
    pub(super) fn new(archive: R, limits: &'l BundleLimits) -> Result<Self, ArchiveError> {
        let mut decoder = Decoder::new().map_err(ArchiveError::Read)?;
        let window = DParameter::WindowLogMax(limits.window_log_max);
        decoder.set_parameter(window).map_err(ArchiveError::Read)?;
        Ok(Self {
            archive,
            limits,
            decoder,
            input: Piece::new(),
            output: Piece::new(),
            at_end: false,
            in_frame: false,
            begun: 0,
            compressed: 0,
            decoded: 0,
            unpacked: 0,
        })
    }

    /// The next decompressed bytes; none at the end of the last frame.
    pub(super) fn fill(&mut self) -> Result<&[u8], ArchiveError> {
        while self.output.filled().is_empty() {
            if !self.in_frame && !self.begin_frame()? {
                break;
            }
            self.decode()?;
        }
        Ok(self.output.filled())
    }

    /// Marks `count` of the bytes of [`Self::fill`] as used.
    pub(super) fn consume(&mut self, count: usize) {
        self.output.start += count;
        debug_assert!(self.output.start <= self.output.end);
    }

    /// Bytes decompressed.
    pub(super) fn unpacked(&self) -> u64 {
        self.unpacked
    }

    /// Looks at the header of the next frame; false when there is none.
    fn begin_frame(&mut self) -> Result<bool, ArchiveError> {
        while self.input.filled().len() < LONGEST_HEADER && !self.at_end {
            self.refill()?;
        }
        if self.input.filled().is_empty() && self.begun > 0 {
            return Ok(false);
        }
        let header = FrameHeader::parse(self.input.filled(), self.begun == 0)?;
        header.check(self.limits)?;
        self.begun += 1;
        // Empty frames cost time and add nothing.
        if self.begun > self.limits.max_frames {
            return Err(ArchiveError::TooManyFrames { limit: self.limits.max_frames });
        }
        self.decoder.reinit().map_err(|error| damaged(&error))?;
        self.in_frame = true;
        Ok(true)
    }

    fn decode(&mut self) -> Result<(), ArchiveError> {
        if self.input.filled().is_empty() && !self.at_end {
            self.refill()?;
        }
        let mut source = InBuffer::around(self.input.filled());
        let mut target = OutBuffer::around(&mut self.output.bytes[..]);
        let wanted = self.decoder.run(&mut source, &mut target).map_err(|error| damaged(&error))?;
        let (taken, made) = (source.pos(), target.pos());
        if taken == 0 && made == 0 && wanted != 0 && self.at_end {
            return Err(ArchiveError::Truncated("a zstd frame"));
        }
        self.in_frame = wanted != 0;
        self.input.start += taken;
        self.decoded += taken as u64;
        (self.output.start, self.output.end) = (0, made);
        self.unpacked += made as u64;
        self.check_unpacked()
    }

    /// Bounds what comes out by what went in: 134 KiB can otherwise become 4 GiB.
    fn check_unpacked(&self) -> Result<(), ArchiveError> {
        let BundleLimits { max_unpacked_bytes, max_ratio, ratio_floor_bytes, .. } = *self.limits;
        if self.unpacked > max_unpacked_bytes {
            return Err(ArchiveError::UnpackedTooLarge { limit: max_unpacked_bytes });
        }
        let limit = ratio_floor_bytes.saturating_add(max_ratio.saturating_mul(self.decoded));
        if self.unpacked > limit {
            let (compressed, unpacked) = (self.decoded, self.unpacked);
            return Err(ArchiveError::BombRatio { compressed, unpacked, limit });
        }
        Ok(())
    }

    /// Reads more of the archive behind what is still unused.
    fn refill(&mut self) -> Result<(), ArchiveError> {
        let Piece { bytes, start, end } = &mut self.input;
        bytes.copy_within(*start..*end, 0);
        (*start, *end) = (0, *end - *start);
        let read = read_some(&mut self.archive, &mut bytes[*end..]).map_err(ArchiveError::Read)?;
        *end += read;
        self.compressed += read as u64;
        self.at_end = read == 0;
        if self.compressed > self.limits.max_bundle_bytes {
            return Err(ArchiveError::BundleTooLarge { limit: self.limits.max_bundle_bytes });
        }
        Ok(())
    }
}

fn read_some(archive: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match archive.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

fn damaged(error: &io::Error) -> ArchiveError {
    ArchiveError::ZstdDamaged(error.to_string())
}
