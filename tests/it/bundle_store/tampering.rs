//! Somebody wrote into the store: nothing of it may be handed out.

use std::fs::{self, File};

use plugboard::model::ExtensionVersion;
use plugboard::store::StoreError;

use super::harness::{Bench, bundle_of_pages, bundle_with_component, names, verified};
use crate::support::random::noise;

/// Flips one bit at the beginning, in the middle or at the end; `turn` is 0, 1 or 2.
async fn flip(bench: &Bench, object: &str, turn: usize) {
    let mut content = bench.object(object).await;
    let offset = (content.len() - 1) * turn / 2;
    content[offset] ^= 1;
    bench.set_object(object, content).await;
}

/// The archive of a version, below the prefix.
fn archive_of(version: &ExtensionVersion) -> String {
    format!("{}/bundle.tar.zst", version.content_hash.hex())
}

/// One bundle on each kind of store.
async fn published() -> Vec<(Bench, ExtensionVersion)> {
    published_on(Bench::each_in_reach().await).await
}

async fn published_on(benches: Vec<Bench>) -> Vec<(Bench, ExtensionVersion)> {
    let page = noise(1, 30_000);
    let archive = bundle_of_pages("a", &[("ui/index.html", &page), ("ui/a.js", b"1")]);
    let mut published = Vec::new();
    for bench in benches {
        let version = bench.publish(&archive).await;
        published.push((bench, version));
    }
    published
}

#[tokio::test]
async fn nothing_of_a_tampered_archive_is_served() {
    for turn in 0..3 {
        for (bench, version) in published().await {
            flip(&bench, &archive_of(&version), turn).await;

            for path in ["ui/index.html", "ui/a.js"] {
                let opened = bench.read(&version, path).await;
                assert!(matches!(opened, Err(StoreError::Integrity { .. })), "{turn} {opened:?}");
            }
            assert!(names(&bench.unpacked("")).is_empty());
            assert!(names(&bench.folder.path().join("cache/tmp")).is_empty());
        }
    }
}

#[tokio::test]
async fn an_archive_of_another_length_is_not_served() {
    for (bench, version) in published().await {
        let mut content = bench.object(&archive_of(&version)).await;
        content.pop();
        bench.set_object(&archive_of(&version), content).await;

        let opened = bench.read(&version, "ui/a.js").await;

        assert!(matches!(opened, Err(StoreError::Integrity { .. })), "{opened:?}");
    }
}

#[tokio::test]
async fn another_bundle_in_the_place_of_one_is_not_served() {
    for (bench, version) in published().await {
        let page = noise(2, 30_000);
        let other = bundle_of_pages("a", &[("ui/index.html", &page), ("ui/a.js", b"1")]);
        let size = other.len() as u64;
        bench.set_object(&archive_of(&version), other).await;
        let version_of_its_size = ExtensionVersion { size, ..version };

        let opened = bench.read(&version_of_its_size, "ui/a.js").await;

        assert!(matches!(opened, Err(StoreError::Integrity { .. })), "{opened:?}");
        assert!(names(&bench.unpacked("")).is_empty());
    }
}

#[tokio::test]
async fn the_same_files_in_another_archive_are_not_served() {
    for (bench, version) in published().await {
        let archive = bench.object(&archive_of(&version)).await;
        let tar = zstd::decode_all(archive.as_slice()).unwrap();
        let other = zstd::encode_all(tar.as_slice(), 19).unwrap();
        let size = other.len() as u64;
        bench.set_object(&archive_of(&version), other).await;
        let version_of_its_size = ExtensionVersion { size, ..version };

        let opened = bench.read(&version_of_its_size, "ui/a.js").await;

        assert!(matches!(opened, Err(StoreError::Integrity { .. })), "{opened:?}");
        assert!(names(&bench.unpacked("")).is_empty());
    }
}

#[tokio::test]
async fn an_archive_that_is_not_as_the_file_table_says_is_not_served() {
    for (bench, version) in published().await {
        let mut other = version.clone();
        let page =
            other.files.iter_mut().find(|file| file.path.as_str() == "ui/index.html").unwrap();
        page.sha256 = [0; 32].into();

        let opened = bench.read(&other, "ui/a.js").await;

        assert!(matches!(opened, Err(StoreError::Integrity { .. })), "{opened:?}");
        assert!(names(&bench.unpacked("")).is_empty());
    }
}

#[tokio::test]
async fn a_missing_archive_is_damage_and_no_answer() {
    for (bench, version) in published().await {
        bench.remove_object(&archive_of(&version)).await;

        let opened = bench.read(&version, "ui/a.js").await;

        assert!(matches!(opened, Err(StoreError::Integrity { .. })), "{opened:?}");
    }
}

#[tokio::test]
async fn a_repaired_archive_is_served_again() {
    for (bench, version) in published_on(Bench::each_of_files().await).await {
        let archive = bench.stored(&archive_of(&version));
        let good = fs::read(&archive).unwrap();
        flip(&bench, &archive_of(&version), 1).await;
        bench.read(&version, "ui/a.js").await.unwrap_err();
        fs::remove_file(&archive).unwrap();

        fs::write(&archive, good).unwrap();
        // Another second: a server knows no finer times.
        let later =
            std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(2_000_000_000);
        File::options().write(true).open(&archive).unwrap().set_modified(later).unwrap();

        assert_eq!(bench.read(&version, "ui/a.js").await.unwrap(), b"1");
    }
}

#[tokio::test]
async fn an_archive_found_damaged_is_not_read_again_until_it_is_written() {
    for (bench, version) in published_on(Bench::each_of_files().await).await {
        let archive = bench.stored(&archive_of(&version));
        flip(&bench, &archive_of(&version), 1).await;
        bench.read(&version, "ui/a.js").await.unwrap_err();
        let written = fs::metadata(&archive).unwrap().modified().unwrap();

        // The same file at the same time: all that can be known without reading it.
        flip(&bench, &archive_of(&version), 1).await;
        File::options().write(true).open(&archive).unwrap().set_modified(written).unwrap();

        let opened = bench.read(&version, "ui/a.js").await;
        assert!(matches!(opened, Err(StoreError::Integrity { .. })), "{opened:?}");
    }
}

#[tokio::test]
async fn publishing_over_a_tampered_object_mends_it_and_says_so() {
    for object in ["bundle.tar.zst", "manifest.json", "entry.wasm"] {
        for turn in 0..3 {
            for bench in Bench::each_in_reach().await {
                let version = bench.publish(&bundle_with_component()).await;
                let damaged = format!("{}/{object}", version.content_hash.hex());
                let good = bench.object(&damaged).await;
                flip(&bench, &damaged, turn).await;
                let staged = bench.stage(&bundle_with_component()).await.unwrap();

                let kept = bench.store.put(&verified(&staged)).await.unwrap();

                assert_eq!(kept.mended, [bench.key(&damaged)], "{turn}");
                assert_eq!(bench.object(&damaged).await, good, "{object} {turn}");
            }
        }
    }
}

#[tokio::test]
async fn a_mended_archive_is_served_although_it_was_found_damaged_before() {
    for cut in [false, true] {
        for (bench, version) in published().await {
            let archive = archive_of(&version);
            let good = bench.object(&archive).await;
            if cut {
                bench.set_object(&archive, good[..7].to_vec()).await;
            } else {
                flip(&bench, &archive, 1).await;
            }
            bench.read(&version, "ui/a.js").await.unwrap_err();

            bench.publish(&good).await;

            assert_eq!(bench.read(&version, "ui/a.js").await.unwrap(), b"1", "{cut}");
        }
    }
}

#[tokio::test]
async fn putting_a_sound_bundle_again_mends_nothing() {
    for (bench, version) in published().await {
        let staged = bench.stage(&bench.object(&archive_of(&version)).await).await.unwrap();

        let kept = bench.store.put(&verified(&staged)).await.unwrap();

        assert!(kept.mended.is_empty(), "{kept:?}");
    }
}

#[tokio::test]
async fn a_tampered_component_is_taken_from_the_archive() {
    for turn in 0..3 {
        for bench in Bench::each_in_reach().await {
            let version = bench.publish(&bundle_with_component()).await;
            let good = bench.store.component(&version).await.unwrap();
            flip(&bench, &format!("{}/entry.wasm", version.content_hash.hex()), turn).await;

            assert_eq!(bench.store.component(&version).await.unwrap(), good);
        }
    }
}

#[tokio::test]
async fn a_missing_component_is_taken_from_the_archive() {
    for bench in Bench::each_in_reach().await {
        let version = bench.publish(&bundle_with_component()).await;
        let good = bench.store.component(&version).await.unwrap();
        bench.remove_object(&format!("{}/entry.wasm", version.content_hash.hex())).await;

        assert_eq!(bench.store.component(&version).await.unwrap(), good);
    }
}

#[tokio::test]
async fn a_component_is_not_handed_out_when_the_archive_is_tampered_too() {
    for turn in 0..3 {
        for bench in Bench::each_in_reach().await {
            let version = bench.publish(&bundle_with_component()).await;
            for object in ["entry.wasm", "bundle.tar.zst"] {
                let object = format!("{}/{object}", version.content_hash.hex());
                flip(&bench, &object, turn).await;
            }

            let component = bench.store.component(&version).await;

            assert!(matches!(component, Err(StoreError::Integrity { .. })), "{turn} {component:?}");
        }
    }
}
