//! Compressing a file, and finding out whether a compressed one is of a file.

use std::io::{self, BufReader, Read, Write};

use brotli::enc::BrotliEncoderParams;
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

use crate::model::{ContentCoding, FileEntry, StreamHasher};

/// Levels at which a megabyte takes a fraction of a second: nearly as short as the
/// highest, for a fraction of their time and memory.
const BROTLI_QUALITY: i32 = 9;
const ZSTD_LEVEL: i32 = 15;
const GZIP_LEVEL: u32 = 8;

/// A window that every client of `zstd` has to have room for is 8 MiB (RFC 9659).
const ZSTD_WINDOW_LOG: u32 = 23;

/// The bytes in a shorter form.
pub(in crate::store) fn encode(coding: ContentCoding, mut bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoded = Vec::new();
    match coding {
        ContentCoding::Brotli => {
            let quality = BROTLI_QUALITY;
            let params =
                BrotliEncoderParams { quality, size_hint: bytes.len(), ..Default::default() };
            brotli::BrotliCompress(&mut bytes, &mut encoded, &params)?;
        }
        ContentCoding::Zstd => {
            let mut writer = zstd::Encoder::new(&mut encoded, ZSTD_LEVEL)?;
            writer.set_pledged_src_size(Some(bytes.len() as u64))?;
            writer.write_all(bytes)?;
            writer.finish()?;
        }
        ContentCoding::Gzip => {
            let mut writer = GzEncoder::new(&mut encoded, Compression::new(GZIP_LEVEL));
            writer.write_all(bytes)?;
            writer.finish()?;
        }
        ContentCoding::Identity => encoded.extend_from_slice(bytes),
    }
    Ok(encoded)
}

/// Whether what `encoded` decodes to is `file`, and nothing follows. Not more than one
/// byte beyond the file is decoded.
pub(in crate::store) fn is_of(
    coding: ContentCoding,
    encoded: impl Read,
    file: &FileEntry,
) -> io::Result<bool> {
    let mut encoded = BufReader::new(encoded);
    let is_of_it = match coding {
        ContentCoding::Brotli => has_digest(brotli::Decompressor::new(&mut encoded, 8192), file)?,
        ContentCoding::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(&mut encoded)?.single_frame();
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            has_digest(decoder, file)?
        }
        ContentCoding::Gzip => has_digest(GzDecoder::new(&mut encoded), file)?,
        ContentCoding::Identity => has_digest(&mut encoded, file)?,
    };
    Ok(is_of_it && io::copy(&mut encoded, &mut io::sink())? == 0)
}

fn has_digest(decoded: impl Read, file: &FileEntry) -> io::Result<bool> {
    let beyond = file.size.saturating_add(1);
    match StreamHasher::of_reader(&mut decoded.take(beyond)) {
        Ok((size, digest)) => Ok(size == file.size && digest == *file.sha256.as_bytes()),
        // What does not decode is of no file; reading fails otherwise.
        Err(error) if is_of_the_disk(&error) => Err(error),
        Err(_) => Ok(false),
    }
}

fn is_of_the_disk(error: &io::Error) -> bool {
    error.raw_os_error().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FileDigest;

    fn entry(content: &[u8]) -> FileEntry {
        let (size, digest) = StreamHasher::of_reader(&mut &*content).unwrap();
        let sha256 = FileDigest::from(digest);
        let path = "ui/app.js".parse().unwrap();
        FileEntry { path, size, sha256, media_type: "text/javascript".to_owned() }
    }

    fn text() -> Vec<u8> {
        (0..4000).flat_map(|n: u32| format!("const a{n} = {};\n", n * n).into_bytes()).collect()
    }

    #[test]
    fn each_form_is_shorter_and_decodes_to_the_file() {
        let text = text();
        for coding in ContentCoding::MADE {
            let encoded = encode(coding, &text).unwrap();

            assert!(encoded.len() < text.len() / 2, "{coding:?}");
            assert!(is_of(coding, &*encoded, &entry(&text)).unwrap(), "{coding:?}");
        }
    }

    #[test]
    fn a_form_of_another_file_or_a_changed_one_is_not_of_it() {
        let text = text();
        for coding in ContentCoding::MADE {
            let of = |encoded: &[u8]| is_of(coding, encoded, &entry(&text)).unwrap();
            let good = encode(coding, &text).unwrap();
            let mut flipped = good.clone();
            flipped[good.len() / 2] ^= 1;

            assert!(!of(&encode(coding, &text[1..]).unwrap()), "{coding:?}: another");
            assert!(!of(&encode(coding, &[&*text, b" "].concat()).unwrap()), "{coding:?}: longer");
            assert!(!of(&good[..good.len() - 1]), "{coding:?}: cut");
            assert!(!of(&flipped), "{coding:?}: flipped");
            assert!(!of(&text), "{coding:?}: not coded");
            assert!(!of(b""), "{coding:?}: empty");
        }
    }

    #[test]
    fn nothing_may_follow_a_form() {
        let text = text();
        for coding in [ContentCoding::Zstd, ContentCoding::Gzip] {
            let good = encode(coding, &text).unwrap();

            let twice = [&*good, &*good].concat();
            assert!(!is_of(coding, &*twice, &entry(&text)).unwrap(), "{coding:?}");
        }
    }
}
