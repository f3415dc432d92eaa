//! Compressed data that is huge, hidden or damaged.

use std::io::{self, Read, Write};

use plugboard::bundle::{self, ArchiveError, BundleLimits};

use super::{code_of, code_within, start};
use crate::support::raw_tar::{RawHeader, RawTar, zstd, zstd_with};

const EMPTY_FRAME: [u8; 9] = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0];
const SKIPPABLE_FRAME: [u8; 12] = [0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, b'e', b'v', b'i', b'l'];

fn small() -> Vec<u8> {
    zstd(&start().file("ui/x", b"hello").end())
}

#[test]
fn what_is_not_zstd_is_refused() {
    for bytes in [
        &b""[..],
        b"x",
        b"PK\x03\x04 a zip file",
        b"\x1f\x8b\x08 a gzip file",
        &start().end(),
        // A frame of version 0.7, which the library can be built to read.
        b"\x27\xb5\x2f\xfd\0\0\0\0\0\0\0\0",
    ] {
        assert_eq!(code_of(bytes), "not_zstd");
    }
}

#[test]
fn a_bomb_is_refused_long_before_it_is_unpacked() {
    let zeros = io::repeat(0).take(4 << 30);
    let header = RawHeader::new(b'0', "zeros", 255 << 20);
    let tar = start().entry(&header, b"").open_end();
    let bomb = zstd::encode_all(Read::chain(&tar[..], zeros.take(300 << 20)), 1).unwrap();

    assert_eq!(code_of(&bomb), "bomb_ratio");
}

#[test]
fn the_ratio_counts_above_a_floor() {
    let limits = BundleLimits { ratio_floor_bytes: 1 << 20, ..BundleLimits::default() };
    let archive = |size| zstd(&start().file("zeros", &vec![0; size]).end());

    assert_eq!(code_within(&archive(900_000), &limits), "ok");
    assert_eq!(code_within(&archive(3_000_000), &limits), "bomb_ratio");
    assert_eq!(code_of(&archive(3_000_000)), "ok");
}

#[test]
fn sizes_count_exactly() {
    let archive = small();
    let unpacked = start().file("ui/x", b"hello").end().len() as u64;
    let within = |max_bundle_bytes, max_unpacked_bytes| {
        let limits = BundleLimits { max_bundle_bytes, max_unpacked_bytes, ..Default::default() };
        code_within(&archive, &limits)
    };
    let size = archive.len() as u64;

    assert_eq!(within(size, unpacked), "ok");
    assert_eq!(within(size - 1, unpacked), "bundle_too_large");
    assert_eq!(within(size, unpacked - 1), "unpacked_too_large");
}

#[test]
fn a_window_is_at_most_eight_mebibytes() {
    let windowed = |log| zstd_with(&start().end(), |encoder| encoder.window_log(log).unwrap());
    // The frame fits the buffers whole, so that the decoder would not look.
    let claimed = [&[0x28, 0xb5, 0x2f, 0xfd, 0, 0xa8, 1, 0, 0], &small()[..]].concat();
    let whole = [&[0x28, 0xb5, 0x2f, 0xfd, 0xa0, 1, 0, 128, 0, 1, 0, 0], &small()[..]].concat();

    assert_eq!(code_of(&windowed(23)), "ok");
    assert_eq!(code_of(&windowed(24)), "window_too_large");
    assert_eq!(code_of(&windowed(31)), "window_too_large");
    assert_eq!(code_of(&claimed), "window_too_large");
    assert_eq!(code_of(&whole), "window_too_large");
}

#[test]
fn frames_are_counted() {
    let split = |frames: usize| {
        let empty = EMPTY_FRAME.repeat(frames - 1);
        [small(), empty].concat()
    };

    assert_eq!(code_of(&split(64)), "ok");
    assert_eq!(code_of(&split(65)), "too_many_frames");
    assert_eq!(code_of(&EMPTY_FRAME.repeat(100_000)), "too_many_frames");
}

#[test]
fn an_archive_in_several_frames_is_one_archive() {
    let tar = start().file("ui/x", &[7; 3000]).end();

    let parts: Vec<u8> = tar.chunks(700).flat_map(zstd).collect();

    assert_eq!(code_of(&parts), "ok");
}

#[test]
fn nothing_hides_between_or_behind_frames() {
    let with = |tail: &[u8]| [&small()[..], tail].concat();

    assert_eq!(code_of(&with(b"x")), "trailing_data");
    assert_eq!(code_of(&with(b"trailing garbage, long enough")), "trailing_data");
    assert_eq!(code_of(&with(&[0; 64])), "trailing_data");
    assert_eq!(code_of(&with(&zstd(b"more"))), "trailing_data");
    assert_eq!(code_of(&with(&SKIPPABLE_FRAME)), "skippable_frame");
    assert_eq!(code_of(&[&SKIPPABLE_FRAME[..], &small()].concat()), "skippable_frame");
}

#[test]
fn a_dictionary_is_refused() {
    let samples: Vec<_> = (0..2000).map(|n| format!("sample {n} of a dictionary {n}")).collect();
    let dictionary = zstd::dict::from_samples(&samples, 4096).unwrap();
    let mut encoder = zstd::Encoder::with_dictionary(Vec::new(), 3, &dictionary).unwrap();
    encoder.write_all(&start().end()).unwrap();

    assert_eq!(code_of(&encoder.finish().unwrap()), "zstd_dictionary");
}

#[test]
fn damage_is_noticed_up_to_the_last_byte() {
    let archive = small();
    let mut wrong_checksum = archive.clone();
    *wrong_checksum.last_mut().unwrap() ^= 1;

    assert_eq!(code_of(&wrong_checksum), "zstd_damaged");
    for length in 1..archive.len() {
        let code = code_of(&archive[..length]);
        assert!(["truncated", "not_zstd"].contains(&code), "{length}: {code}");
    }
}

#[test]
fn a_failing_disk_is_not_the_fault_of_the_bundle() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is on fire"))
        }
    }

    let archive = small();
    let half = Read::chain(&archive[..20], Failing);
    let error = bundle::read(half, &BundleLimits::default()).unwrap_err();

    assert!(matches!(error, ArchiveError::Read(_)), "{error:?}");
    assert_eq!(error.code(), "io");
}

#[test]
fn a_full_disk_is_not_the_fault_of_the_bundle() {
    let archive = small();

    let full = |_: &_, _: &mut dyn Read| Err(io::Error::from(io::ErrorKind::StorageFull));
    let outcome =
        bundle::unpack(io::Cursor::new(&archive), &BundleLimits::default(), &mut { full });

    assert!(matches!(outcome, Err(ArchiveError::Write(_))), "{outcome:?}");
}

#[test]
fn files_that_are_not_read_are_passed_over() {
    let archive = zstd(&start().file("ui/x", &vec![7; 100_000]).file("ui/y", b"y").end());
    let mut seen = Vec::new();

    bundle::unpack(io::Cursor::new(&archive), &BundleLimits::default(), &mut |path, _| {
        seen.push(path.to_string());
        Ok(())
    })
    .unwrap();

    assert_eq!(seen, ["manifest.json", "ui/x", "ui/y"]);
}

#[test]
fn what_existing_clients_make_is_accepted() {
    // GNU tar with folders, `zstd -19`: an 8 MiB window and no content size.
    let tar = RawTar::new()
        .entry(&RawHeader::gnu(b'5', "dist/", 0).set(265..269, b"user"), b"")
        .entry(&RawHeader::gnu(b'0', "dist/main.wasm", 4).set(100..108, b"0000755\0"), b"\0asm")
        .entry(&RawHeader::gnu(b'0', "manifest.json", super::MANIFEST.len()), super::MANIFEST)
        .raw(&[0; 10240])
        .open_end();
    let mut encoder = zstd::Encoder::new(Vec::new(), 19).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(&tar).unwrap();

    let contents = bundle::read(&encoder.finish().unwrap()[..], &BundleLimits::default()).unwrap();

    assert_eq!(contents.component.as_deref(), Some(&b"\0asm"[..]));
    assert_eq!(contents.manifest, super::MANIFEST);
}
