//! Uploads in parts: bytes that outlive requests and starts, and nothing that was not promised.

use std::fs;

use bytes::Bytes;
use jiff::Timestamp;
use plugboard::config::StoreConfig;
use plugboard::model::{ContentHash, Upload, UploadId};
use plugboard::store::StoreError;

use super::harness::{Bench, config, names};
use crate::support::random::noise;

pub(super) fn row(length: u64, offset: u64) -> Upload {
    Upload {
        id: UploadId::random(),
        tenant: "default".parse().unwrap(),
        owner: "token aaaaaaaa".to_owned(),
        length,
        offset,
        declared_hash: None,
        filename: String::new(),
        created_at: Timestamp::UNIX_EPOCH,
        expires_at: Timestamp::MAX,
        presigned: None,
        finished: false,
        report: None,
    }
}

impl Bench {
    /// Writes without promising: what a process leaves that is killed before it answers.
    async fn append(&self, id: UploadId, offset: u64, bytes: &'static str) {
        self.append_all(id, offset, bytes.as_bytes()).await;
    }

    async fn append_all(&self, id: UploadId, offset: u64, bytes: &[u8]) {
        let hold = self.store.hold_upload(id).unwrap();
        let mut writer = self.store.append_upload(&hold, offset).await.unwrap();
        for chunk in bytes.chunks(64 * 1024) {
            writer.write(Bytes::copy_from_slice(chunk)).await.unwrap();
        }
        writer.sync().await.unwrap();
        writer.close().await;
    }
}

#[tokio::test]
async fn an_upload_goes_on_after_a_start_and_what_was_not_promised_is_cut_off() {
    let bench = Bench::directory(&config());
    let upload = row(10, 5);
    bench.store.reserve_upload(upload.id, 10).await.unwrap().keep();
    bench.append(upload.id, 0, "12345lost").await;

    let bench = bench.reopened();
    assert_eq!(bench.store.restore_uploads(std::slice::from_ref(&upload)).unwrap(), 0);
    bench.append(upload.id, 5, "67890").await;

    let hold = bench.store.hold_upload(upload.id).unwrap();
    let staged = bench.store.finish_upload(&hold, 10).await.unwrap();
    assert_eq!(staged.content_hash, ContentHash::of(b"1234567890"));
    assert_eq!(bench.store.staged_bytes(), 10);
    let path = format!("_staging/{}/bundle.tar.zst", upload.id);
    assert_eq!(staged.file.canonicalize().unwrap(), bench.stored(&path).canonicalize().unwrap());
}

/// The hash of an upload of three parts, of which each may be sent twice: first wrong.
async fn hash_of_parts(bench: &Bench, parts: &[Vec<u8>; 3], wrong: Option<usize>) -> ContentHash {
    let (id, length) = (UploadId::random(), parts.iter().map(|part| part.len() as u64).sum());
    bench.store.reserve_upload(id, length).await.unwrap().keep();
    let mut offset = 0;
    for (index, part) in parts.iter().enumerate() {
        if wrong == Some(index) {
            bench.append_all(id, offset, &noise(99, part.len())).await;
        }
        bench.append_all(id, offset, part).await;
        offset += part.len() as u64;
    }
    let hold = bench.store.hold_upload(id).unwrap();
    bench.store.finish_upload(&hold, length).await.unwrap().content_hash
}

#[tokio::test]
async fn what_was_read_of_bytes_that_were_cut_off_does_not_count() {
    let bench = Bench::directory(&config());
    let parts = [1, 2, 3].map(|seed| noise(seed, 2 * 1024 * 1024));
    let expected = ContentHash::of(&parts.concat());
    for wrong in [None, Some(0), Some(1), Some(2)] {
        assert_eq!(hash_of_parts(&bench, &parts, wrong).await, expected, "{wrong:?}");
    }
}

#[tokio::test]
async fn more_large_uploads_than_are_read_at_once_take_turns_and_arrive() {
    let bench = Bench::directory(&config());
    let uploads = [1, 2, 3, 4, 5, 6].map(|seed| (UploadId::random(), noise(seed, 4_500_000)));
    for (id, bytes) in &uploads {
        bench.store.reserve_upload(*id, bytes.len() as u64).await.unwrap().keep();
    }

    for offset in [0, 1_500_000, 3_000_000] {
        for (id, bytes) in &uploads {
            bench.append_all(*id, offset as u64, &bytes[offset..offset + 1_500_000]).await;
        }
    }

    for (id, bytes) in &uploads {
        let hold = bench.store.hold_upload(*id).unwrap();
        let staged = bench.store.finish_upload(&hold, bytes.len() as u64).await.unwrap();
        assert_eq!(staged.content_hash, ContentHash::of(bytes));
    }
}

#[tokio::test]
async fn an_upload_is_finished_as_often_as_it_is_asked_for() {
    let bench = Bench::directory(&config());
    let (id, bytes) = (UploadId::random(), noise(1, 3 * 1024 * 1024));
    bench.store.reserve_upload(id, bytes.len() as u64).await.unwrap().keep();
    bench.append_all(id, 0, &bytes).await;
    for _ in 0..2 {
        let hold = bench.store.hold_upload(id).unwrap();

        let mut staged = bench.store.finish_upload(&hold, bytes.len() as u64).await.unwrap();

        assert_eq!(staged.content_hash, ContentHash::of(&bytes));
        assert!(staged.upload(None, Vec::new()).reading.is_some());
    }
}

#[tokio::test]
async fn an_upload_whose_file_was_cut_while_it_was_read_is_lost() {
    let bench = Bench::directory(&config());
    let (id, length) = (UploadId::random(), 3 * 1024 * 1024);
    bench.store.reserve_upload(id, length).await.unwrap().keep();
    bench.append_all(id, 0, &noise(1, 3 * 1024 * 1024)).await;
    let file = bench.stored(&format!("_staging/{id}/bundle.tar.zst"));
    fs::OpenOptions::new().write(true).open(file).unwrap().set_len(length - 1).unwrap();

    let hold = bench.store.hold_upload(id).unwrap();
    let finished = bench.store.finish_upload(&hold, length).await.err();

    assert!(matches!(finished, Some(StoreError::Integrity { .. })), "{finished:?}");
}

#[tokio::test]
async fn what_was_not_promised_is_no_end_of_an_upload() {
    let bench = Bench::directory(&config());
    let id = UploadId::random();
    bench.store.reserve_upload(id, 7).await.unwrap().keep();
    bench.append(id, 0, "12345lost").await;
    bench.append(id, 5, "67").await;

    let hold = bench.store.hold_upload(id).unwrap();
    let staged = bench.store.finish_upload(&hold, 7).await.unwrap();

    assert_eq!((staged.size, staged.content_hash), (7, ContentHash::of(b"1234567")));
}

#[tokio::test]
async fn no_part_is_received_below_the_floor_of_the_disk() {
    let bench = Bench::directory(&StoreConfig { min_free_bytes: u64::MAX, ..config() });
    let hold = bench.store.hold_upload(UploadId::random()).unwrap();

    let refused = bench.store.append_upload(&hold, 0).await;

    assert!(matches!(refused, Err(StoreError::DiskFull { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_start_removes_uploads_without_a_row() {
    let bench = Bench::directory(&config());
    let (known, stranger) = (row(10, 5), row(10, 5));
    for upload in [&known, &stranger] {
        bench.store.reserve_upload(upload.id, 10).await.unwrap().keep();
        bench.append(upload.id, 0, "12345").await;
    }

    let bench = bench.reopened();
    let removed = bench.store.restore_uploads(std::slice::from_ref(&known)).unwrap();

    assert_eq!(removed, 1);
    assert_eq!(names(&bench.stored("_staging")), [known.id.to_string()]);
    assert_eq!(bench.store.staged_bytes(), 10);
}

#[tokio::test]
async fn an_upload_whose_bytes_are_gone_is_not_continued() {
    for bench in Bench::each().await {
        let upload = row(10, 5);
        bench.store.reserve_upload(upload.id, 10).await.unwrap().keep();
        bench.append(upload.id, 0, "123").await;
        let hold = bench.store.hold_upload(upload.id).unwrap();

        let continued = bench.store.append_upload(&hold, 5).await.err();
        let finished = bench.store.finish_upload(&hold, 10).await.err();

        for refused in [continued, finished] {
            assert!(matches!(refused, Some(StoreError::Integrity { .. })), "{refused:?}");
        }
    }
}

#[tokio::test]
async fn one_caller_at_a_time_holds_an_upload() {
    let bench = Bench::in_memory(&config());
    let id = UploadId::random();
    let hold = bench.store.hold_upload(id).unwrap();
    assert!(bench.store.hold_upload(id).is_none());

    drop(hold);

    assert!(bench.store.hold_upload(id).is_some());
}

#[tokio::test]
async fn room_is_kept_for_all_of_an_upload_and_given_back_with_it() {
    let bench = Bench::directory(&StoreConfig { max_staged_bytes: 100, ..config() });
    let id = UploadId::random();
    bench.store.reserve_upload(id, 60).await.unwrap().keep();
    let refused = bench.store.reserve_upload(UploadId::random(), 41).await.err();
    assert!(matches!(refused, Some(StoreError::StagedFull { limit: 100, in_use: 60 })));
    drop(bench.store.reserve_upload(UploadId::random(), 40).await.unwrap());
    assert_eq!(bench.store.staged_bytes(), 60);

    bench.append(id, 0, "12345").await;
    let hold = bench.store.hold_upload(id).unwrap();
    bench.store.remove_upload(&hold).await.unwrap();

    assert_eq!(bench.store.staged_bytes(), 0);
    assert!(names(&bench.stored("_staging")).is_empty());
}

#[tokio::test]
async fn the_sweep_leaves_kept_uploads_alone() {
    for bench in Bench::each().await {
        let id = UploadId::random();
        bench.store.reserve_upload(id, 10).await.unwrap().keep();
        bench.append(id, 0, "12345").await;

        assert_eq!(bench.store.sweep_staging(Timestamp::MAX).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn the_file_of_an_upload_is_its_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::directory(&config());
    let id = UploadId::random();
    bench.store.reserve_upload(id, 10).await.unwrap().keep();
    bench.append(id, 0, "12345").await;

    let folder = bench.stored(&format!("_staging/{id}"));
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;

    assert_eq!(mode(folder.clone()), 0o700);
    assert_eq!(mode(folder.join("bundle.tar.zst")), 0o600);
}
