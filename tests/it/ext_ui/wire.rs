//! Pages at a socket: large files are sent by the kernel, and come out the same.

use std::io::Read;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::negotiation::{bundle, encode, script};
use crate::support::bundle_builder::BundleBuilder;
use crate::support::random::noise;
use crate::support::test_app::TestApp;
use crate::support::wire::Wire;

impl Wire {
    /// Asks for pages one after the other on one connection with a small window, and
    /// returns what comes back until it is closed.
    async fn exchange(&self, bundle: &BundleBuilder, asked: &[(&str, &str)]) -> Vec<u8> {
        let mut stream = self.connect().await;
        let mut received = Vec::new();
        for (n, (path, lines)) in asked.iter().enumerate() {
            let address = self.app.page_of(bundle, path);
            let end = if n + 1 == asked.len() { "connection: close\r\n" } else { "" };
            let head = format!("GET {address} HTTP/1.1\r\nhost: a\r\n{lines}{end}\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
        }
        let read = stream.read_to_end(&mut received);
        timeout(Duration::from_secs(30), read).await.expect("no end came").unwrap();
        received
    }
}

/// The bodies of answers that have a `content-length`, with their status lines.
fn answers(mut bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        answers.push((head[9..12].to_owned(), bytes[end..end + length].to_vec()));
        bytes = &bytes[end + length..];
    }
    answers
}

#[tokio::test]
async fn files_of_every_size_come_whole_and_in_order() {
    let sizes = [0, 1, 1_000, 32_767, 32_768, 100_000, 1_048_576, 1_048_577, 3_000_000];
    let mut bundle = BundleBuilder::new("com.example.sizes", "1.0.0").page("sizes");
    for (n, size) in sizes.into_iter().enumerate() {
        bundle = bundle.file(&format!("ui/{n}.bin"), noise(n as u64, size));
    }
    let app = TestApp::start().await;
    app.install(&bundle).await;
    let wire = Wire::start(app).await;
    let names: Vec<_> = (0..sizes.len()).map(|n| format!("{n}.bin")).collect();
    let asked: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();

    // The first time the files are checked, the second time opened at once.
    for _ in 0..2 {
        let received = answers(&wire.exchange(&bundle, &asked).await);
        assert_eq!(received.len(), sizes.len());
        for (n, (status, body)) in received.into_iter().enumerate() {
            assert_eq!(status, "200");
            assert!(body == noise(n as u64, sizes[n]), "{} bytes", sizes[n]);
        }
    }
}

#[tokio::test]
async fn parts_and_forms_and_whole_files_share_a_connection() {
    let app = TestApp::start().await;
    app.install(&bundle()).await;
    encode(&app).await;
    let wire = Wire::start(app).await;
    let asked = [
        ("large.js", "range: bytes=100000-299999\r\n"),
        ("large.js", "accept-encoding: gzip\r\n"),
        ("short.js", ""),
        ("large.js", "if-none-match: *\r\n"),
        ("large.js", ""),
    ];

    let received = answers(&wire.exchange(&bundle(), &asked).await);

    let (large, statuses) = (script(400_000).into_bytes(), ["206", "200", "200", "304", "200"]);
    assert_eq!(received.iter().map(|(status, _)| status.as_str()).collect::<Vec<_>>(), statuses);
    assert!(received[0].1 == large[100_000..300_000]);
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(received[1].1.as_slice()).read_to_end(&mut plain).unwrap();
    assert!(plain == large && received[4].1 == large);
    assert_eq!(received[2].1, b"const a = 1;");
}
