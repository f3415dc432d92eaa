//! Large bundles and several at once, on the upload page: paused, resumed, cut off.

mod taking_up;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fantoccini::wd::WebDriverCompatibleCommand;
use serde_json::{Value, json};
use url::{ParseError, Url};

use super::{PATIENCE, Stage, key};
use crate::support::bundle_builder::BundleBuilder;
use crate::support::test_app::sign_with;

/// What Chromium makes of the line to the appliance.
#[derive(Debug)]
struct Network {
    offline: bool,
    bytes_per_s: u64,
}

const FAST: Network = Network { offline: false, bytes_per_s: 1 << 30 };
const SLOW: Network = Network { offline: false, bytes_per_s: 2 << 20 };
const CUT: Network = Network { offline: true, bytes_per_s: 1 << 30 };

impl WebDriverCompatibleCommand for Network {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/chromium/network_conditions", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        let conditions = json!({
            "offline": self.offline,
            "latency": 1,
            "upload_throughput": self.bytes_per_s,
            "download_throughput": 1 << 30,
        });
        (http::Method::POST, Some(json!({ "network_conditions": conditions }).to_string()))
    }
}

impl Stage {
    /// Writes a bundle with some MiB that do not compress, and its signature.
    fn write_bundle(&self, name: &str, mib: usize) -> [PathBuf; 2] {
        let mut noise = vec![0; mib << 20];
        getrandom::fill(&mut noise).unwrap();
        let bundle = BundleBuilder::new(&format!("com.example.{name}"), "1.0.0");
        let archive = bundle.file("ui/noise.png", noise).build();
        let files =
            [".tar.zst", ".dsse.json"].map(|end| self.folder.path().join(format!("{name}{end}")));
        fs::write(&files[0], &archive).unwrap();
        fs::write(&files[1], sign_with(key(), &archive)).unwrap();
        files
    }

    /// Chooses the files and sends them.
    async fn upload_all(&self, bundles: &[[PathBuf; 2]]) {
        self.go("/admin/upload").await;
        for (index, field) in ["bundle", "signature"].into_iter().enumerate() {
            let paths: Vec<_> =
                bundles.iter().map(|files| files[index].to_string_lossy()).collect();
            self.fill(field, &paths.join("\n")).await;
        }
        self.press("Upload and verify").await;
    }

    async fn set_network(&self, network: Network) {
        self.browser.issue_cmd(network).await.unwrap();
    }

    /// Waits until the row of a file says something; gives all that it says.
    async fn until_row_says(&self, file: &str, wanted: &str) -> String {
        let script = "return [...document.querySelectorAll('[data-rows] > li')]
            .map((row) => row.innerText).find((text) => text.includes(arguments[0])) ?? ''";
        let begun = Instant::now();
        loop {
            let text = self.browser.execute(script, vec![json!(file)]).await.unwrap();
            let text = text.as_str().unwrap().to_owned();
            if text.contains(wanted) {
                return text;
            }
            assert!(begun.elapsed() < PATIENCE, "{file} does not say {wanted}: {text}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until more than some MiB of a file are sent.
    async fn until_row_has_sent(&self, file: &str, mib: f64) {
        let script = "const row = [...document.querySelectorAll('[data-rows] > li')]
            .find((row) => row.innerText.includes(arguments[0]));
            const state = row?.querySelector('[data-state]').textContent ?? '';
            const [, sent] = /Uploading ([\\d.]+) of [\\d.]+ MiB/.exec(state) ?? [];
            return Number(sent) >= arguments[1]";
        let begun = Instant::now();
        while self.browser.execute(script, vec![json!(file), json!(mib)]).await.unwrap() != true {
            assert!(begun.elapsed() < PATIENCE, "{file} does not get on");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn press_in_row(&self, file: &str, button: &str) {
        let script = "[...document.querySelectorAll('[data-rows] > li')]
            .find((row) => row.innerText.includes(arguments[0]))
            .querySelector(`[data-${arguments[1]}]`).click()";
        self.browser.execute(script, vec![json!(file), json!(button)]).await.unwrap();
    }

    async fn uploads_by_the_api(&self) -> Value {
        let script = "const [done] = [...arguments].slice(-1);
            fetch('/api/v1/uploads').then((answer) => answer.json())
                .then((list) => done(list.uploads))";
        self.browser.execute_async(script, vec![]).await.unwrap()
    }

    async fn offset_by_the_api(&self) -> Value {
        self.uploads_by_the_api().await[0]["offset"].clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_bundles_are_sent_from_the_page_and_one_pauses_meanwhile() {
    let stage = Stage::set().await;
    stage.sign_in().await;
    let bundles = [stage.write_bundle("large", 24), stage.write_bundle("small", 0)];
    stage.set_network(SLOW).await;
    stage.upload_all(&bundles).await;
    stage.until_row_has_sent("large.tar.zst", 8.0).await;

    stage.press_in_row("large.tar.zst", "pause").await;

    let paused = stage.until_row_says("large.tar.zst", "Paused at").await;
    assert!(paused.contains(" of 24 MiB") && paused.contains("Resume"), "{paused}");
    let small = stage.until_row_says("small.tar.zst", "is verified and published").await;
    assert!(small.contains("com.example.small 1.0.0"), "{small}");
    let arrived = stage.offset_by_the_api().await.as_u64().unwrap();
    // The page rounds to a tenth of a MiB.
    assert!((7 << 20..24 << 20).contains(&arrived), "{arrived}");
    stage.set_network(FAST).await;
    stage.press_in_row("large.tar.zst", "resume").await;
    let large = stage.until_row_says("large.tar.zst", "is verified and published").await;
    assert!(large.contains("To com.example.large"), "{large}");
    stage.browser.clone().close().await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_after_the_connection_was_lost() {
    let stage = Stage::set().await;
    stage.sign_in().await;
    let bundles = [stage.write_bundle("large", 24)];
    stage.set_network(SLOW).await;
    stage.upload_all(&bundles).await;
    stage.until_row_has_sent("large.tar.zst", 8.0).await;

    stage.set_network(CUT).await;

    stage.until_row_says("large.tar.zst", "The connection was lost; going on in").await;
    stage.set_network(FAST).await;
    stage.until_row_says("large.tar.zst", "is verified and published").await;
    stage.browser.clone().close().await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_files_land_in_the_field_of_their_kind() {
    let stage = Stage::set().await;
    stage.sign_in().await;
    stage.go("/admin/upload").await;
    let script = "const dropped = new DataTransfer();
        for (const name of ['a.tar.zst', 'b.tar.zst', 'a.dsse.json']) {
            dropped.items.add(new File(['x'], name));
        }
        document.querySelector('[data-drop]')
            .dispatchEvent(new DragEvent('drop', { dataTransfer: dropped, cancelable: true }));
        const names = (field) => [...document.querySelector(`input[name=${field}]`).files]
            .map((file) => file.name);
        return [names('bundle'), names('signature')];";

    let fields = stage.browser.execute(script, vec![]).await.unwrap();

    assert_eq!(fields, json!([["a.tar.zst", "b.tar.zst"], ["a.dsse.json"]]));
    stage.browser.clone().close().await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_says_why_and_the_others_go_on() {
    let stage = Stage::set().await;
    stage.sign_in().await;
    let good = stage.write_bundle("good", 0);
    let bad = stage.write_bundle("bad", 0);
    fs::write(&bad[0], "this is no bundle").unwrap();

    stage.upload_all(&[bad, good]).await;

    let bad = stage.until_row_says("bad.tar.zst", "The bundle is refused").await;
    assert!(bad.contains("not_zstd"), "{bad}");
    assert!(bad.find("archive") < bad.find("integrity"), "what failed comes first: {bad}");
    stage.until_row_says("good.tar.zst", "is verified and published").await;
    stage.browser.clone().close().await.ok();
}
