//! The header of one zstd frame (RFC 8878, section 3.1.1).
//!
//! Read before the decoder sees it: the decoder skips skippable frames without
//! a word, and decodes a frame that fits its buffers without a look at the window.

use super::error::ArchiveError;
use crate::bundle::BundleLimits;

/// Magic number, descriptor, window, dictionary id, content size.
pub(super) const LONGEST_HEADER: usize = 4 + 1 + 1 + 4 + 8;

const MAGIC: u32 = 0xFD2F_B528;
/// The upper 28 bits of the sixteen magic numbers of skippable frames.
const SKIPPABLE: u32 = 0x184D_2A50;

/// What a frame asks of its reader.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    /// Bytes of history the decoder must keep.
    window: u64,
    /// Set when the frame has the field, even if it is zero.
    dictionary: Option<u32>,
}

impl FrameHeader {
    /// Parses the header that `bytes` begins with.
    pub(super) fn parse(bytes: &[u8], first: bool) -> Result<Self, ArchiveError> {
        let unknown = || if first { ArchiveError::NotZstd } else { ArchiveError::TrailingData };
        let Some((magic, rest)) = bytes.split_first_chunk::<4>() else { return Err(unknown()) };
        let magic = u32::from_le_bytes(*magic);
        if magic & 0xFFFF_FFF0 == SKIPPABLE {
            return Err(ArchiveError::SkippableFrame);
        }
        if magic != MAGIC {
            return Err(unknown());
        }
        Self::parse_fields(rest).ok_or(ArchiveError::Truncated("a zstd frame header"))
    }

    fn parse_fields(bytes: &[u8]) -> Option<Self> {
        let (&descriptor, mut rest) = bytes.split_first()?;
        let single_segment = descriptor & 0x20 != 0;
        let window = if single_segment { None } else { Some(take_number(&mut rest, 1)?) };
        let dictionary_bytes = [0, 1, 2, 4][usize::from(descriptor & 3)];
        let dictionary = take_number(&mut rest, dictionary_bytes)?;
        let content_bytes = match descriptor >> 6 {
            0 => usize::from(single_segment),
            flag => 1 << flag,
        };
        let content = take_number(&mut rest, content_bytes)?;
        // A two-byte size counts from 256.
        let content = if content_bytes == 2 { content + 256 } else { content };
        let dictionary = u32::try_from(dictionary).ok().filter(|_| dictionary_bytes > 0);
        Some(Self { window: window.map_or(content, window_bytes), dictionary })
    }

    /// Refuses what costs memory beyond the limit, and what needs a dictionary we lack.
    pub(super) fn check(&self, limits: &BundleLimits) -> Result<(), ArchiveError> {
        if let Some(id) = self.dictionary {
            return Err(ArchiveError::ZstdDictionary(id));
        }
        let limit = 1 << limits.window_log_max;
        if self.window > limit {
            return Err(ArchiveError::WindowTooLarge { found: self.window, limit });
        }
        Ok(())
    }
}

/// The window descriptor: five bits of exponent, three of mantissa.
fn window_bytes(descriptor: u64) -> u64 {
    let base = 1 << (10 + (descriptor >> 3));
    base + base / 8 * (descriptor & 7)
}

fn take_number(bytes: &mut &[u8], count: usize) -> Option<u64> {
    let (field, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(field.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(bytes: &[u8]) -> FrameHeader {
        let mut frame = MAGIC.to_le_bytes().to_vec();
        frame.extend_from_slice(bytes);
        FrameHeader::parse(&frame, true).unwrap()
    }

    #[test]
    fn the_window_comes_from_its_descriptor() {
        assert_eq!(header(&[0x00, 0x58]).window, 1 << 21);
        assert_eq!(header(&[0x00, 0x59]).window, (1 << 21) + (1 << 18));
        assert_eq!(header(&[0x00, 0xff]).window, (1 << 41) + 7 * (1 << 38));
    }

    #[test]
    fn a_single_segment_needs_a_window_of_its_content() {
        assert_eq!(header(&[0x20, 7]).window, 7);
        assert_eq!(header(&[0x60, 0, 1]).window, 512);
        assert_eq!(header(&[0xa0, 0, 0, 0, 1]).window, 1 << 24);
        assert_eq!(header(&[0xe0, 0, 0, 0, 0, 1, 0, 0, 0]).window, 1 << 32);
    }

    #[test]
    fn a_dictionary_field_counts_even_when_it_is_zero() {
        assert_eq!(header(&[0x01, 0x58, 0]).dictionary, Some(0));
        assert_eq!(header(&[0x03, 0x58, 4, 3, 2, 1]).dictionary, Some(0x0102_0304));
    }

    #[test]
    fn a_cut_header_is_truncated() {
        let cut = FrameHeader::parse(&[0x28, 0xb5, 0x2f, 0xfd, 0xe0, 1], true);

        assert_eq!(cut.unwrap_err().code(), "truncated");
    }
}
