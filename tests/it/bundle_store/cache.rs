//! Unpacked files: filled once, bounded, checked.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt;
use plugboard::config::StoreConfig;
use plugboard::model::ExtensionVersion;

use super::harness::{Bench, bundle_of_pages, config, file, names, small_bundle};
use crate::support::random::noise;

async fn with_page_open() -> (Bench, ExtensionVersion) {
    let bench = Bench::directory(&config());
    let version = bench.publish(&small_bundle("a")).await;
    bench.read(&version, "ui/index.html").await.unwrap();
    (bench, version)
}

async fn with_room_for_two_of_three() -> (Bench, [ExtensionVersion; 3]) {
    let bench = Bench::directory(&StoreConfig { cache_bytes: 25_000, ..config() });
    let publish = async |name: &str| {
        let page = noise(name.as_bytes()[0].into(), 10_000);
        bench.publish(&bundle_of_pages(name, &[("ui/index.html", &page)])).await
    };
    let versions = [publish("a").await, publish("b").await, publish("c").await];
    (bench, versions)
}

/// Puts something else in the place of an unpacked file.
fn replace(path: &Path, make: impl FnOnce(&Path)) {
    let folder = path.parent().unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
    fs::remove_file(path).unwrap();
    make(path);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_who_open_at_once_fill_once() {
    for bench in Bench::each().await {
        let version = Arc::new(bench.publish(&small_bundle("a")).await);
        let opening = (0..32).map(|_| {
            let (store, version) = (bench.store.clone(), Arc::clone(&version));
            tokio::spawn(async move { store.asset(&version, file(&version, "ui/a/b.js")).await })
        });

        let mut inodes = Vec::new();
        for opened in opening.collect::<Vec<_>>() {
            inodes.push(opened.await.unwrap().unwrap().file.metadata().unwrap().ino());
        }

        inodes.dedup();
        assert_eq!(inodes.len(), 1);
    }
}

#[tokio::test]
async fn a_request_that_is_given_up_disturbs_nobody() {
    let bench = Bench::directory(&config());
    let version = bench.publish(&small_bundle("a")).await;
    for polls in 1..6 {
        let mut opening = Box::pin(bench.store.asset(&version, file(&version, "ui/index.html")));
        for _ in 0..polls {
            let _ = (&mut opening).now_or_never();
            tokio::task::yield_now().await;
        }
    }

    assert!(bench.read(&version, "ui/index.html").await.is_ok());
}

#[tokio::test]
async fn unpacked_files_are_read_only() {
    let (bench, version) = with_page_open().await;

    let mode = |below: &str| {
        let path = bench.unpacked(&version.content_hash.hex()).join(below);
        fs::metadata(path).unwrap().permissions().mode() & 0o222
    };

    assert_eq!([mode("ui"), mode("ui/a"), mode("ui/a/b.js"), mode("manifest.json")], [0; 4]);
}

#[tokio::test]
async fn the_cache_keeps_to_its_bytes_and_drops_the_longest_unused() {
    let (bench, [a, b, c]) = &with_room_for_two_of_three().await;
    bench.read(a, "ui/index.html").await.unwrap();
    bench.read(b, "ui/index.html").await.unwrap();
    bench.read(a, "ui/index.html").await.unwrap();

    bench.read(c, "ui/index.html").await.unwrap();

    assert_eq!([a, b, c].map(|version| bench.has_unpacked(version)), [true, false, true]);
    assert!(bench.read(b, "ui/index.html").await.is_ok());
    assert_eq!(names(&bench.unpacked("")).len(), 2);
}

#[tokio::test]
async fn a_bundle_larger_than_the_cache_is_served_from_it_alone() {
    let bench = Bench::directory(&StoreConfig { cache_bytes: 100, ..config() });
    let first = bench.publish(&small_bundle("a")).await;
    let second = bench.publish(&small_bundle("b")).await;

    for version in [&first, &second, &first] {
        assert!(bench.read(version, "ui/index.html").await.is_ok());
        assert_eq!(names(&bench.unpacked("")), [version.content_hash.hex()]);
    }
}

#[tokio::test]
async fn unpacked_files_outlive_a_restart() {
    let (bench, version) = with_page_open().await;
    let page = bench.unpacked(&version.content_hash.hex()).join("ui/index.html");
    let before = fs::metadata(&page).unwrap().ino();

    let bench = bench.reopened();

    assert!(bench.read(&version, "ui/index.html").await.is_ok());
    assert_eq!(fs::metadata(&page).unwrap().ino(), before);
}

#[tokio::test]
async fn a_smaller_cache_drops_bundles_when_it_is_trimmed() {
    let (bench, _) = with_page_open().await;
    let config = StoreConfig { cache_bytes: 10, ..config() };

    let store = plugboard::store::BundleStore::open(&config, bench.folder.path()).unwrap();
    store.trim_cache().await.unwrap();

    assert!(names(&bench.unpacked("")).is_empty());
}

#[tokio::test]
async fn what_an_earlier_process_unpacked_counts_when_more_is_added() {
    let (bench, [a, b, c]) = with_room_for_two_of_three().await;
    bench.read(&a, "ui/index.html").await.unwrap();
    bench.read(&b, "ui/index.html").await.unwrap();

    let bench = bench.reopened();
    bench.read(&a, "ui/index.html").await.unwrap();
    bench.read(&c, "ui/index.html").await.unwrap();

    assert_eq!([&a, &b, &c].map(|version| bench.has_unpacked(version)), [true, false, true]);
}

#[tokio::test]
async fn a_link_in_the_cache_is_not_followed() {
    let (bench, version) = with_page_open().await;
    let good = bench.read(&version, "ui/index.html").await.unwrap();
    let page = bench.unpacked(&version.content_hash.hex()).join("ui/index.html");
    let secret = bench.folder.path().join("secret");
    // The same content: only the link itself can be what is refused.
    fs::write(&secret, &good).unwrap();
    replace(&page, |page| symlink(&secret, page).unwrap());

    let opened = bench.store.asset(&version, file(&version, "ui/index.html")).await.unwrap();

    assert_ne!(opened.file.metadata().unwrap().ino(), fs::metadata(&secret).unwrap().ino());
    assert!(!fs::symlink_metadata(&page).unwrap().is_symlink());
}

#[tokio::test]
async fn a_link_to_a_folder_in_the_cache_is_not_followed() {
    let (bench, version) = with_page_open().await;
    let bundle = bench.unpacked(&version.content_hash.hex());
    let outside = bench.folder.path().join("outside");
    fs::rename(&bundle, &outside).unwrap();
    symlink(&outside, &bundle).unwrap();

    assert!(bench.read(&version, "ui/index.html").await.is_ok());

    assert!(fs::symlink_metadata(&bundle).unwrap().is_dir());
}

#[tokio::test]
async fn a_damaged_file_is_unpacked_again() {
    let (bench, version) = with_page_open().await;
    let good = bench.read(&version, "ui/index.html").await.unwrap();
    let page = bench.unpacked(&version.content_hash.hex()).join("ui/index.html");
    let bad = vec![b'x'; good.len()];

    for damage in [bad.as_slice(), b"short", b""] {
        replace(&page, |page| fs::write(page, damage).unwrap());
        assert_eq!(bench.read(&version, "ui/index.html").await.unwrap(), good);
    }
}

#[tokio::test]
async fn a_missing_file_is_unpacked_again() {
    let (bench, version) = with_page_open().await;
    let page = bench.unpacked(&version.content_hash.hex()).join("ui/index.html");

    replace(&page, |_| {});

    assert!(bench.read(&version, "ui/index.html").await.is_ok());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_pipe_in_the_cache_holds_up_nobody() {
    let (bench, version) = with_page_open().await;
    let page = bench.unpacked(&version.content_hash.hex()).join("ui/index.html");
    replace(&page, |page| {
        let mode = rustix::fs::Mode::RUSR;
        rustix::fs::mknodat(rustix::fs::CWD, page, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    });

    assert!(bench.read(&version, "ui/index.html").await.is_ok());
}

#[tokio::test]
async fn strangers_in_the_cache_are_removed_at_the_start() {
    let (bench, version) = with_page_open().await;
    fs::write(bench.unpacked("stranger"), "x").unwrap();
    fs::create_dir(bench.unpacked("folder")).unwrap();

    let bench = bench.reopened();

    assert_eq!(names(&bench.unpacked("")), [version.content_hash.hex()]);
}
