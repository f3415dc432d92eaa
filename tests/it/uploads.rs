//! Bundles that arrive in parts: the tus protocol, its end in a publish, its limits.

mod at_once;
mod limits;
mod ownership;
mod parts;
mod presigned;
mod protocol;
mod publishing;

use std::fs;

use axum::body::Body;
use axum::http::{Method, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::support::bundle_builder::BundleBuilder;
use crate::support::test_app::{Answer, Call, TestApp};

const PART: &str = "application/offset+octet-stream";

fn reports() -> BundleBuilder {
    BundleBuilder::new("com.example.reports", "1.2.0").page("<h1>Reports</h1>")
}

impl TestApp {
    fn tus(&self, method: Method, path: &str) -> Call<'_> {
        self.call(method, path).header("tus-resumable", "1.0.0")
    }

    fn creation(&self, length: usize) -> Call<'_> {
        self.tus(Method::POST, "/api/v1/uploads").header("upload-length", &length.to_string())
    }

    /// Begins an upload; gives its address.
    async fn begin(&self, length: usize) -> String {
        let created = self.creation(length).send().await;
        assert_eq!(created.status, StatusCode::CREATED, "{}", created.text());
        created.header("location").to_owned()
    }

    fn part(&self, path: &str, offset: usize, bytes: impl Into<Body>) -> Call<'_> {
        self.tus(Method::PATCH, path)
            .header("content-type", PART)
            .header("upload-offset", &offset.to_string())
            .body(bytes)
    }

    /// Begins an upload and sends all of it; gives its address.
    async fn send_whole(&self, archive: &[u8]) -> String {
        let path = self.begin(archive.len()).await;
        let sent = self.part(&path, 0, archive.to_vec()).send().await;
        assert_eq!(sent.status, StatusCode::NO_CONTENT, "{}", sent.text());
        path
    }

    async fn publish_upload(&self, path: &str, signature: &[u8]) -> Answer {
        let call = self.call(Method::POST, &format!("{path}/publish"));
        call.header("plugboard-signature", &STANDARD.encode(signature)).send().await
    }

    /// The offset by `HEAD`.
    async fn offset(&self, path: &str) -> String {
        self.tus(Method::HEAD, path).send().await.header("upload-offset").to_owned()
    }

    /// How many folders there are in the staging area.
    fn staged(&self) -> usize {
        fs::read_dir(self.app.data_dir.join("cache/staging")).unwrap().count()
    }
}

/// One value of `Upload-Metadata`.
fn metadata(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter().map(|(key, value)| format!("{key} {}", STANDARD.encode(value)));
    pairs.collect::<Vec<_>>().join(",")
}
