//! What we accept, others read as the same files; nothing makes us panic.

mod other_programs;

use std::{collections::BTreeMap, io::Read};

use plugboard::bundle::{self, BundleContents, BundleLimits};
use plugboard::model::ContentHash;
use proptest::prelude::*;
use tokio::io::AsyncReadExt;

use super::{MANIFEST, start};
use crate::support::raw_tar::{RawHeader, RawTar, zstd};

/// Path to size and hash.
type Listing = BTreeMap<String, (u64, String)>;

fn cleaned(path: &str) -> String {
    path.strip_prefix("./").unwrap_or(path).to_owned()
}

fn hash(bytes: &[u8]) -> String {
    ContentHash::of(bytes).hex()
}

fn ours(contents: &BundleContents) -> Listing {
    let entry =
        |f: &plugboard::model::FileEntry| (f.path.to_string(), (f.size, f.sha256.to_string()));
    contents.files.iter().map(entry).collect()
}

fn by_tar(tar: &[u8]) -> Listing {
    let mut archive = tar::Archive::new(tar);
    let mut listing = Listing::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        if entry.header().entry_type().is_file() {
            let old = listing.insert(cleaned(&path), (entry.size(), hash(&bytes)));
            assert_eq!(old, None);
        }
    }
    listing
}

async fn by_tokio_tar(tar: &[u8]) -> Listing {
    use futures_util::StreamExt;
    let mut archive = tokio_tar::Archive::new(tar);
    let mut entries = archive.entries().unwrap();
    let mut listing = Listing::new();
    while let Some(entry) = entries.next().await {
        let mut entry = entry.unwrap();
        let path = String::from_utf8(entry.path_bytes().unwrap().into_owned()).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).await.unwrap();
        if entry.header().entry_type().is_file() {
            listing.insert(cleaned(&path), (bytes.len() as u64, hash(&bytes)));
        }
    }
    listing
}

fn assert_same_everywhere(tar: &[u8]) {
    let Ok(contents) = bundle::read(&zstd(tar)[..], &BundleLimits::default()) else { return };
    let listing = ours(&contents);

    assert_eq!(listing, by_tar(tar));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(listing, runtime.block_on(by_tokio_tar(tar)));
}

#[test]
fn other_readers_see_the_files_that_we_see() {
    let long = format!("ui/{}", "x".repeat(200));
    let comment = [("comment", "0123456789")];
    for tar in [
        start().folder("ui/").file("ui/x", &[7; 5000]).file("ui/empty", b"").end(),
        start()
            .file(&long, b"long")
            .pax(&[("path", "ui/pax.js"), ("size", "3")])
            .file("p", b"pax")
            .end(),
        start().pax(&comment).file("c", b"c").end(),
        start().entry(&RawHeader::new(b'0', "x.js", 1).set(345..347, b"ui"), b"x").end(),
        start().entry(&RawHeader::new(0, "old", 3), b"old").end(),
        RawTar::new().folder("./").file("./manifest.json", MANIFEST).file("./ui/x", b"x").end(),
    ] {
        assert!(bundle::read(&zstd(&tar)[..], &BundleLimits::default()).is_ok());
        assert_same_everywhere(&tar);
    }
}

/// An archive with one of everything, to be damaged.
fn varied() -> Vec<u8> {
    let long = format!("ui/{}", "x".repeat(120));
    start()
        .folder("ui/")
        .file("ui/a.js", &[1; 600])
        .pax(&[("path", "ui/pax.js"), ("size", "3"), ("mtime", "1.5")])
        .file("p", b"pax")
        .file(&long, b"long")
        .end()
}

/// Where to write which byte, and whether to mend the checksum of its block.
type Damage = Vec<(usize, u8, bool)>;

fn damage() -> impl Strategy<Value = Damage> {
    prop::collection::vec((0usize..6000, any::<u8>(), any::<bool>()), 1..4)
}

fn damaged(damage: Damage) -> Vec<u8> {
    let mut tar = varied();
    for (at, byte, fix_sum) in damage {
        let at = at % tar.len();
        tar[at] = byte;
        if fix_sum {
            let start = at / 512 * 512;
            let block: &mut [u8] = &mut tar[start..start + 512];
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
    tar
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_damaged_tar_is_refused_or_read_alike(damage in damage()) {
        assert_same_everywhere(&damaged(damage));
    }

    #[test]
    fn damaged_compression_never_panics(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)
    ) {
        let mut archive = zstd(&varied());
        for (at, byte) in damage {
            let at = at.index(archive.len());
            archive[at] ^= byte;
        }
        let _ = bundle::read(&archive[..], &BundleLimits::default());
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = bundle::read(&bytes[..], &BundleLimits::default());
        let _ = bundle::read(&zstd(&bytes)[..], &BundleLimits::default());
        let _ = plugboard::model::Manifest::parse(&bytes);
    }
}
