//! HTTPS from files, HTTP/1.1 only.

use std::{fs, path::Path, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use plugboard::config::{ServerConfig, TlsConfig};
use rcgen::{CertificateParams, CertifiedKey, KeyPair, date_time_ymd, generate_simple_self_signed};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::running::{Client, Running, config};
use crate::support::test_app::TestApp;
use crate::traces::lines::Log;

/// A self-signed pair in files.
fn pair() -> (TempDir, TlsConfig) {
    let folder = tempfile::tempdir().unwrap();
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let tls = TlsConfig {
        cert_file: folder.path().join("cert.pem"),
        key_file: folder.path().join("key.pem"),
    };
    fs::write(&tls.cert_file, cert.pem()).unwrap();
    fs::write(&tls.key_file, signing_key.serialize_pem()).unwrap();
    (folder, tls)
}

async fn connect(
    server: &Running,
    cert_file: &Path,
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(cert_file).unwrap()).unwrap();
    let mut client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let stream = TcpStream::connect(server.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(client)).connect(name, stream).await
}

#[tokio::test]
async fn a_certificate_and_a_key_make_https() {
    let (_folder, tls) = pair();
    let server = Running::start(ServerConfig { tls: tls.clone(), ..config() }).await;

    for protocols in [&[][..], &[&b"http/1.1"[..]], &[b"h2", b"http/1.1"]] {
        let mut client = Client::new(connect(&server, &tls.cert_file, protocols).await.unwrap());
        assert!(client.get("/").await.ends_with("hello"));
    }
    let plain = server.exchange("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(!plain.contains("hello"), "{plain}");
}

#[tokio::test]
async fn a_client_that_speaks_only_http_2_is_refused() {
    let (_folder, tls) = pair();
    let server = Running::start(ServerConfig { tls: tls.clone(), ..config() }).await;

    let refused = connect(&server, &tls.cert_file, &[b"h2"]).await;

    assert!(refused.is_err());
}

#[tokio::test]
async fn a_handshake_that_does_not_begin_is_cut_off() {
    let (_folder, tls) = pair();
    let server = Running::start(ServerConfig { tls, header_timeout_ms: 100, ..config() }).await;

    assert_eq!(server.connect().await.rest().await, "");
}

#[tokio::test]
async fn files_that_make_no_pair_are_named() {
    let (_folder, tls) = pair();
    let (_other_folder, other) = pair();
    let error = async |tls: TlsConfig| {
        let refused = plugboard::web::server::bind(&ServerConfig { tls, ..config() }).await;
        refused.err().unwrap().to_string()
    };

    let mixed = error(TlsConfig { key_file: other.key_file, ..tls.clone() }).await;
    assert!(mixed.ends_with("do not make a working pair"), "{mixed}");
    let swapped = error(TlsConfig { cert_file: tls.key_file.clone(), ..tls.clone() }).await;
    assert!(swapped.ends_with("key.pem holds no PEM certificate"), "{swapped}");
    let missing = error(TlsConfig { key_file: "/nowhere/key.pem".into(), ..tls }).await;
    assert_eq!(missing, "/nowhere/key.pem cannot be read");
}

#[tokio::test]
async fn the_end_of_the_certificate_is_measured_and_told_when_it_is_near() {
    let (_folder, tls) = pair();
    let mut certificate = CertificateParams::new(["localhost".to_owned()]).unwrap();
    certificate.not_before = date_time_ymd(2019, 2, 1);
    certificate.not_after = date_time_ymd(2020, 2, 1);
    let key = KeyPair::generate().unwrap();
    fs::write(&tls.cert_file, certificate.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(&tls.key_file, key.serialize_pem()).unwrap();
    let bound = plugboard::web::server::bind(&ServerConfig { tls, ..config() }).await.unwrap();
    let ends_at = bound.certificate_ends_at();
    let app = TestApp::start().await;
    let now = app.app.clock.now();
    let days = |days: i64| Some(now + SignedDuration::from_hours(24 * days));

    for (ends_at, told) in [
        (ends_at, "The certificate of this server has ended, at 2020-02-01T00:00:00Z"),
        (days(13), "The certificate of this server ends, at "),
        (days(15), ""),
        (None, ""),
    ] {
        let (log, heard) = Log::begin();

        app.app.note_certificate(ends_at);
        drop(heard);

        assert!(log.text().contains(told) && log.text().is_empty() == told.is_empty(), "{told}");
        let seconds = ends_at.map_or(0, Timestamp::as_second);
        let line = format!("plugboard_tls_certificate_expires_seconds {seconds}");
        assert!(app.get("/metrics").await.text().lines().any(|found| found == line), "{line}");
    }
}
