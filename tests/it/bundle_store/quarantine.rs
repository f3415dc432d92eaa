//! Bundles that wait: kept whole, verified again, removed.

use std::fs;

use ed25519_dalek::SigningKey;
use plugboard::config::SigningPolicy;
use plugboard::model::ContentHash;
use plugboard::store::StoreError;
use plugboard::trust::{Verification, VerifiedBundle, keys, statement};
use serde_json::json;

use super::harness::{
    Bench, config, names, quarantined, small_bundle, subject, verified, verify, version_of,
};

#[tokio::test]
async fn a_kept_bundle_comes_back_whole() {
    for bench in Bench::each().await {
        let archive = small_bundle("a");
        let hash = bench.quarantine(&archive).await;

        let upload = bench.store.quarantined_upload(&hash, vec![b"{}".to_vec()]).await.unwrap();

        assert_eq!(fs::read(&upload.file).unwrap(), archive);
        assert_eq!((upload.content_hash, upload.size), (hash, archive.len() as u64));
        assert_eq!(upload.signatures, [b"{}".to_vec()]);
        assert_eq!(upload.reading.unwrap().content_hash(), hash);
    }
}

/// Two envelopes that say the same by the same key in other bytes.
fn two_envelopes(bundle: &VerifiedBundle) -> [Vec<u8>; 2] {
    let signed = statement::sign(&SigningKey::from_bytes(&[7; 32]), &subject(bundle));
    let document: serde_json::Value = serde_json::from_slice(&signed).unwrap();
    [signed, serde_json::to_vec_pretty(&document).unwrap()]
}

#[tokio::test]
async fn signatures_are_kept_with_the_bundle_and_none_displaces_another() {
    for bench in Bench::each().await {
        let mut staged = bench.stage(&small_bundle("a")).await.unwrap();
        let envelopes = two_envelopes(&verified(&staged));
        for envelope in &envelopes {
            let bundle = quarantined(staged.upload(None, vec![envelope.clone()]));
            bench.store.put_quarantined(&bundle).await.unwrap();
        }

        let upload = bench.store.quarantined_upload(&staged.content_hash, Vec::new()).await;

        let mut kept = upload.unwrap().kept;
        kept.sort();
        let mut expected = envelopes.to_vec();
        expected.sort();
        assert_eq!(kept, expected);
    }
}

#[tokio::test]
async fn a_new_signature_stands_beside_those_that_were_kept() {
    for bench in Bench::each().await {
        let mut staged = bench.stage(&small_bundle("a")).await.unwrap();
        let [kept, new] = two_envelopes(&verified(&staged));
        let bundle = quarantined(staged.upload(None, vec![kept.clone()]));
        bench.store.put_quarantined(&bundle).await.unwrap();
        let sent = vec![new.clone()];

        let upload = bench.store.quarantined_upload(&staged.content_hash, sent).await;

        let upload = upload.unwrap();
        assert_eq!((upload.signatures, upload.kept), (vec![new], vec![kept]));
    }
}

#[tokio::test]
async fn at_most_eight_signatures_are_kept_and_verified_again() {
    for bench in Bench::each().await {
        let mut staged = bench.stage(&small_bundle("a")).await.unwrap();
        let subject = subject(&verified(&staged));
        for seed in 1..=10 {
            let envelope = statement::sign(&SigningKey::from_bytes(&[seed; 32]), &subject);
            let bundle = quarantined(staged.upload(None, vec![envelope]));
            bench.store.put_quarantined(&bundle).await.unwrap();
        }

        let upload = bench.store.quarantined_upload(&staged.content_hash, vec![vec![1]]).await;

        let upload = upload.unwrap();
        assert_eq!((upload.signatures.len(), upload.kept.len()), (1, 8));
    }
}

#[tokio::test]
async fn an_envelope_that_names_several_keys_takes_one_place() {
    for bench in Bench::each().await {
        let mut staged = bench.stage(&small_bundle("a")).await.unwrap();
        let [signed, _] = two_envelopes(&verified(&staged));
        let mut envelope: serde_json::Value = serde_json::from_slice(&signed).unwrap();
        let another = keys::key_id(&SigningKey::from_bytes(&[8; 32]).verifying_key());
        let claim = json!({ "keyid": another, "sig": envelope["signatures"][0]["sig"] });
        envelope["signatures"].as_array_mut().unwrap().push(claim);
        let bundle = quarantined(staged.upload(None, vec![envelope.to_string().into_bytes()]));
        assert_eq!(bundle.signatures().len(), 2);

        bench.store.put_quarantined(&bundle).await.unwrap();

        let kept = bench.store.kept_signatures(&staged.content_hash).await.unwrap();
        assert_eq!(kept, [envelope.to_string().into_bytes()]);
    }
}

#[tokio::test]
async fn a_kept_bundle_is_not_published() {
    for bench in Bench::each().await {
        let hash = bench.quarantine(&small_bundle("a")).await;

        assert!(!bench.store.exists(&hash).await.unwrap());
    }
}

#[tokio::test]
async fn an_accepted_bundle_is_published_and_waits_to_be_removed() {
    for bench in Bench::each().await {
        let hash = bench.quarantine(&small_bundle("a")).await;
        let upload = bench.store.quarantined_upload(&hash, Vec::new()).await.unwrap();
        let Verification::Verified(bundle) = verify(upload, SigningPolicy::AllowUnsigned) else {
            panic!("not verified");
        };

        bench.store.put(&bundle).await.unwrap();

        // A crash here, before the registry knows, must not lose the waiting bundle.
        assert!(bench.store.quarantined_upload(&hash, Vec::new()).await.is_ok());
        bench.store.remove_quarantined(&hash).await.unwrap();
        assert!(bench.read(&version_of(&bundle), "ui/index.html").await.is_ok());
    }
}

#[tokio::test]
async fn a_bundle_still_untrusted_can_be_kept_again() {
    for bench in Bench::each().await {
        let hash = bench.quarantine(&small_bundle("a")).await;
        let upload = bench.store.quarantined_upload(&hash, Vec::new()).await.unwrap();

        bench.store.put_quarantined(&quarantined(upload)).await.unwrap();

        assert!(bench.store.quarantined_upload(&hash, Vec::new()).await.is_ok());
    }
}

#[tokio::test]
async fn a_removed_bundle_is_gone() {
    for bench in Bench::each().await {
        let hash = bench.quarantine(&small_bundle("a")).await;
        bench.store.quarantined_upload(&hash, Vec::new()).await.unwrap();

        bench.store.remove_quarantined(&hash).await.unwrap();
        bench.store.remove_quarantined(&hash).await.unwrap();

        let found = bench.store.quarantined_upload(&hash, Vec::new()).await;
        assert!(matches!(found, Err(StoreError::NotFound { .. })), "{found:?}");
    }
}

#[tokio::test]
async fn removing_leaves_no_file() {
    let bench = Bench::directory(&config());
    let hash = bench.quarantine(&small_bundle("a")).await;

    bench.store.remove_quarantined(&hash).await.unwrap();

    assert!(names(&bench.stored("_quarantine")).is_empty());
    assert!(names(&bench.stored("_staging")).is_empty());
}

#[tokio::test]
async fn a_changed_archive_is_not_verified_again() {
    for bench in Bench::each_in_reach().await {
        let archive = small_bundle("a");
        let hash = bench.quarantine(&archive).await;
        let object = format!("_quarantine/{}/bundle.tar.zst", hash.hex());
        bench.set_object(&object, vec![0; archive.len()]).await;

        let found = bench.store.quarantined_upload(&hash, Vec::new()).await;

        assert!(matches!(found, Err(StoreError::Integrity { .. })), "{found:?}");
    }
}

#[tokio::test]
async fn a_restart_counts_what_is_kept() {
    let archive = small_bundle("a");
    let limit = archive.len() as u64 + 10;
    let config = plugboard::config::StoreConfig { max_staged_bytes: limit, ..config() };
    let bench = Bench::directory(&config);
    bench.quarantine(&archive).await;

    let bench = bench.reopened();

    assert!(matches!(bench.stage(&[0; 11]).await, Err(StoreError::StagedFull { .. })));
    assert!(bench.stage(&[0; 10]).await.is_ok());
}

#[tokio::test]
async fn what_was_never_kept_is_not_found() {
    for bench in Bench::each().await {
        let found = bench.store.quarantined_upload(&ContentHash::of(b"x"), Vec::new()).await;

        assert!(matches!(found, Err(StoreError::NotFound { .. })), "{found:?}");
    }
}
