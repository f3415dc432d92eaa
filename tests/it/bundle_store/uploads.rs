//! Uploads in parts: bytes that outlive requests and starts, and nothing that was not promised.

use std::fs;

use bytes::Bytes;
use jiff::Timestamp;
use plugboard::config::StoreConfig;
use plugboard::model::{ContentHash, Upload, UploadId};
use plugboard::store::StoreError;

use super::harness::{Bench, config, names};

fn row(length: u64, offset: u64) -> Upload {
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
        let hold = self.store.hold_upload(id).unwrap();
        let mut writer = self.store.append_upload(&hold, offset).await.unwrap();
        writer.write(&Bytes::from_static(bytes.as_bytes())).await.unwrap();
        writer.sync().await.unwrap();
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
