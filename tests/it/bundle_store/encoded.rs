//! Pages in shorter forms beside the unpacked ones: counted, kept, gone with their bundle.

use std::fs;
use std::path::PathBuf;

use plugboard::config::StoreConfig;
use plugboard::model::{ContentCoding, ExtensionVersion};

use super::harness::{Bench, bundle_of_pages, config, file, names};
use crate::support::random::noise;

const LIMIT: u64 = 1_000_000;

fn text() -> Vec<u8> {
    "a line of text that comes again\n".repeat(1000).into_bytes()
}

async fn encoded(config: &StoreConfig) -> (Bench, ExtensionVersion) {
    let bench = Bench::directory(config);
    let pages = [("ui/index.html", &text()[..]), ("ui/noise.txt", &noise(1, 5_000))];
    let version = bench.publish(&bundle_of_pages("a", &pages)).await;
    bench.store.encode(&version, LIMIT).await.unwrap();
    (bench, version)
}

fn forms(bench: &Bench, version: &ExtensionVersion) -> PathBuf {
    bench.folder.path().join("cache/encoded").join(version.content_hash.hex())
}

fn brotli_bytes(bench: &Bench, version: &ExtensionVersion) -> Option<u64> {
    let digest = file(version, "ui/index.html").sha256;
    let there = bench.store.encoded_forms(&version.content_hash, &digest)?;
    there.of(ContentCoding::Brotli).map(|form| form.bytes)
}

#[tokio::test]
async fn a_file_that_compresses_is_kept_in_three_forms_and_another_in_none() {
    let (bench, version) = encoded(&config()).await;

    assert_eq!(names(&forms(&bench, &version)).len(), 4, "three forms and an index");
    let noise = &file(&version, "ui/noise.txt").sha256;
    let there = bench.store.encoded_forms(&version.content_hash, noise).unwrap();
    assert!(ContentCoding::MADE.into_iter().all(|coding| there.of(coding).is_none()));
}

#[tokio::test]
async fn forms_go_with_their_bundle() {
    let (bench, version) = encoded(&config()).await;

    bench.store.remove_published(&version.content_hash).await.unwrap();

    assert!(!forms(&bench, &version).exists());
    assert_eq!(brotli_bytes(&bench, &version), None);
    assert!(names(&bench.folder.path().join("cache/tmp")).is_empty());
}

#[tokio::test]
async fn forms_are_taken_over_at_a_restart_and_not_made_again() {
    let (bench, version) = encoded(&config()).await;
    let index = forms(&bench, &version).join("index.json");
    let before = fs::metadata(&index).unwrap().modified().unwrap();

    let bench = bench.reopened();
    assert_eq!(brotli_bytes(&bench, &version), None);
    bench.store.encode(&version, LIMIT).await.unwrap();

    assert!(brotli_bytes(&bench, &version).is_some());
    assert_eq!(fs::metadata(&index).unwrap().modified().unwrap(), before);
}

#[tokio::test]
async fn forms_that_were_made_otherwise_or_are_not_all_there_are_made_anew() {
    for break_them in [
        |forms: &PathBuf| fs::remove_file(forms.join("index.json")).unwrap(),
        |forms: &PathBuf| {
            let of_index = |name: &String| name == "index.json";
            let form = names(forms).into_iter().find(|name| !of_index(name)).unwrap();
            fs::remove_file(forms.join(form)).unwrap();
        },
        |forms: &PathBuf| {
            let index = fs::read_to_string(forms.join("index.json")).unwrap();
            fs::remove_file(forms.join("index.json")).unwrap();
            let other = index.replace(&format!("-{LIMIT}"), "-999");
            fs::write(forms.join("index.json"), other).unwrap();
        },
    ] {
        let (bench, version) = encoded(&config()).await;
        break_them(&forms(&bench, &version));

        let bench = bench.reopened();
        bench.store.encode(&version, LIMIT).await.unwrap();

        assert_eq!(names(&forms(&bench, &version)).len(), 4);
        let index = fs::read_to_string(forms(&bench, &version).join("index.json")).unwrap();
        assert!(index.contains(&format!("-{LIMIT}")), "{index}");
    }
}

#[tokio::test]
async fn forms_of_a_bundle_that_is_not_unpacked_are_removed_at_the_start() {
    let (bench, version) = encoded(&config()).await;
    let unpacked = bench.unpacked(&version.content_hash.hex());
    fs::rename(&unpacked, bench.folder.path().join("away")).unwrap();

    let bench = bench.reopened();

    assert!(!forms(&bench, &version).exists());
}

#[tokio::test]
async fn forms_that_would_push_out_their_bundle_are_not_kept() {
    let (_, version) = encoded(&config()).await;
    let cache_bytes = version.files.iter().map(|file| file.size).sum::<u64>() + 10;
    let (bench, version) = encoded(&StoreConfig { cache_bytes, ..config() }).await;

    assert!(!forms(&bench, &version).exists());
    assert!(bench.unpacked(&version.content_hash.hex()).exists());
    assert_eq!(brotli_bytes(&bench, &version), None);
    assert!(names(&bench.folder.path().join("cache/tmp")).is_empty());
}
