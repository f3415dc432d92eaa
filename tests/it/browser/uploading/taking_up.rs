//! Uploads that a page has lost are taken up again, and what comes along with bundles.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;

use super::{FAST, PATIENCE, SLOW, Stage};
use crate::support::attachments::provenance;

/// What can be attached to a bundle.
fn attachments(stage: &Stage, name: &str, bundle: &Path) -> [PathBuf; 2] {
    let sbom = json!({"bomFormat": "CycloneDX", "specVersion": "1.6"}).to_string().into_bytes();
    let provenance = provenance(&fs::read(bundle).unwrap());
    [("cdx", sbom), ("intoto", provenance)].map(|(end, content)| {
        let file = stage.folder.path().join(format!("{name}.{end}.json"));
        fs::write(&file, content).unwrap();
        file
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_the_page_lost_goes_on_once_the_same_file_is_chosen_again() {
    let stage = Stage::set().await;
    stage.sign_in().await;
    let bundles = [stage.write_bundle("large", 24)];
    stage.set_network(SLOW).await;
    stage.upload_all(&bundles).await;
    stage.until_row_has_sent("large.tar.zst", 8.5).await;
    stage.go("/admin/storage").await;
    let arrived = stage.offset_by_the_api().await.as_u64().unwrap();
    stage.set_network(FAST).await;
    stage.go("/admin/upload").await;
    let listed = stage.find("[data-kept]").await.text().await.unwrap();
    let stored =
        stage.browser.execute("return localStorage.length + sessionStorage.length", vec![]);
    let stored = stored.await.unwrap();

    stage.upload_all(&bundles).await;

    stage.until_row_says("large.tar.zst", "is verified and published").await;
    assert!(listed.contains("large.tar.zst") && listed.contains("of 24 MiB"), "{listed}");
    assert!((8 << 20..24 << 20).contains(&arrived), "{arrived}");
    assert_eq!(stored, json!(0), "nothing is kept in the browser");
    assert_eq!(
        stage.uploads_by_the_api().await.as_array().unwrap().len(),
        1,
        "none was begun anew"
    );
    stage.browser.clone().close().await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_file_of_the_same_name_and_size_is_sent_anew() {
    let stage = Stage::set().await;
    stage.sign_in().await;
    stage.set_network(SLOW).await;
    let first = stage.write_bundle("large", 24);
    let size = fs::metadata(&first[0]).unwrap().len();
    stage.upload_all(&[first]).await;
    stage.until_row_has_sent("large.tar.zst", 8.5).await;
    stage.go("/admin/storage").await;
    stage.set_network(FAST).await;
    let mut other = stage.write_bundle("large", 24);
    while fs::metadata(&other[0]).unwrap().len() != size {
        other = stage.write_bundle("large", 24);
    }

    stage.upload_all(&[other]).await;

    stage.until_row_says("large.tar.zst", "is verified and published").await;
    assert_eq!(stage.uploads_by_the_api().await.as_array().unwrap().len(), 2);
    stage.browser.clone().close().await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_of_before_can_be_given_up() {
    let stage = Stage::set().await;
    stage.sign_in().await;
    stage.set_network(SLOW).await;
    stage.upload_all(&[stage.write_bundle("large", 24)]).await;
    stage.until_row_has_sent("large.tar.zst", 8.5).await;
    stage.set_network(FAST).await;
    stage.go("/admin/upload").await;

    stage.find("[data-forget]").await.click().await.unwrap();

    let begun = Instant::now();
    while stage.uploads_by_the_api().await != json!([]) {
        assert!(begun.elapsed() < PATIENCE, "it is still there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let shown = stage.find("[data-kept-list]").await.is_displayed().await.unwrap();
    assert!(!shown, "an empty list is not shown");
    stage.browser.clone().close().await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_each_of_several_bundles_is_attached_to_it() {
    let stage = Stage::set().await;
    stage.sign_in().await;
    let bundles = [stage.write_bundle("one", 0), stage.write_bundle("two", 0)];
    let [sbom, provenance] = attachments(&stage, "one", &bundles[0][0]);
    let [_, foreign] = attachments(&stage, "two", &bundles[0][0]);
    stage.go("/admin/upload").await;
    let names = |index: usize| {
        let paths = bundles.iter().map(|files| files[index].to_string_lossy().into_owned());
        paths.collect::<Vec<_>>().join("\n")
    };
    stage.fill("bundle", &names(0)).await;
    stage.fill("signature", &names(1)).await;
    stage.find("details.more > summary").await.click().await.unwrap();
    stage.fill("sbom", &sbom.to_string_lossy()).await;
    let both = format!("{}\n{}", provenance.to_string_lossy(), foreign.to_string_lossy());
    stage.fill("provenance", &both).await;

    stage.press("Upload and verify").await;

    stage.until_row_says("one.tar.zst", "is verified and published").await;
    let two = stage.until_row_says("two.tar.zst", "is verified and published").await;
    assert!(two.contains("The provenance two.intoto.json is not kept: "), "{two}");
    let script = "const [name, done] = arguments;
        fetch(`/api/v1/extensions/com.example.${name}/versions/1.0.0/attachments`)
            .then((answer) => answer.json())
            .then((list) => done(list.attachments.map((each) => each.kind)))";
    let of = |name| stage.browser.execute_async(script, vec![json!(name)]);
    assert_eq!(of("one").await.unwrap(), json!(["sbom", "provenance"]));
    assert_eq!(of("two").await.unwrap(), json!([]));
    stage.browser.clone().close().await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_waits_until_one_more_upload_is_allowed() {
    let stage = Stage::set().await;
    stage.sign_in().await;
    stage.go("/admin/upload").await;
    let script = "const [method, path, count, done] = arguments;
        const headers = {
            'tus-resumable': '1.0.0',
            'upload-length': '10',
            'x-csrf-token': document.querySelector('[name=csrf_token]').value,
        };
        Promise.all(Array.from({ length: count }, () => fetch(path, { method, headers })))
            .then((answers) => done(answers.filter(({ ok }) => ok).length))";
    let uploads = "/api/v1/uploads";
    let begun = vec![json!("POST"), json!(uploads), json!(16)];
    assert_eq!(stage.browser.execute_async(script, begun).await.unwrap(), json!(16));
    stage.upload_all(&[stage.write_bundle("large", 9)]).await;
    let said = "16 uploads of yours are under way; 16 are allowed; going on in";
    stage.until_row_says("large.tar.zst", said).await;

    let id = stage.uploads_by_the_api().await[0]["id"].as_str().unwrap().to_owned();
    let given_up = vec![json!("DELETE"), json!(format!("{uploads}/{id}")), json!(1)];
    assert_eq!(stage.browser.execute_async(script, given_up).await.unwrap(), json!(1));

    stage.until_row_says("large.tar.zst", "is verified and published").await;
    stage.browser.clone().close().await.ok();
}
