//! A server that fails, resets, lies, cuts and stalls: every publish ends, and
//! none leaves a wrong state.

use std::sync::Arc;

use axum::http::StatusCode;
use futures_util::StreamExt;
use plugboard::model::ContentHash;

use crate::support::bundle_builder::BundleBuilder;
use crate::support::fault_proxy::FaultProxy;
use crate::support::rounds;
use crate::support::s3_server::{Manners, S3Server, config_for};
use crate::support::test_app::{Answer, TestApp};

/// Publishes of one round, and how many at once.
const PUBLISHES: usize = 60;
const AT_ONCE: usize = 16;
/// Bytes of the page of one bundle; it does not compress.
const PAGE_BYTES: usize = 64 * 1024;

fn bundle(round: u32, number: usize) -> BundleBuilder {
    let seed = format!("{round}.{number}");
    let blocks =
        (0..PAGE_BYTES / 64).map(|n| ContentHash::of(format!("{seed}.{n}").as_bytes()).hex());
    let page = blocks.collect::<String>();
    BundleBuilder::new(&format!("com.example.n{number}"), &format!("{}.0.0", round + 1)).page(&page)
}

/// An appliance that reaches `server` through a proxy, and has little patience.
async fn behind(proxy: &FaultProxy) -> TestApp {
    let mut store = config_for(&proxy.endpoint);
    store.s3.first_byte_timeout_ms = 400;
    store.s3.idle_timeout_ms = 400;
    store.s3.breaker_ms = 100;
    TestApp::start_on_s3_as(store).await
}

fn kind(answer: &Answer) -> &'static str {
    match answer.status {
        StatusCode::CREATED => "published",
        StatusCode::SERVICE_UNAVAILABLE if answer.code() == "storage_unavailable" => "unavailable",
        _ => "wrong",
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_publish_through_a_faulty_network_is_done_or_told_not_to_be() {
    for round in 0..rounds() {
        let careless = Manners { ignores_conditions: round % 2 == 1, ..Manners::default() };
        let server = S3Server::start_with(careless);
        let address = server.endpoint.trim_start_matches("http://").parse().unwrap();
        let seed = 0x5eed + u64::from(round);
        let proxy = FaultProxy::start(address, seed).await;
        let app = Arc::new(behind(&proxy).await);
        if round % 4 < 2 {
            // Through the faults: what the probe finds out may be wrong, and must not matter.
            app.app.probe_store().await;
        }

        let publishing = (0..PUBLISHES).map(|number| {
            let app = Arc::clone(&app);
            async move { (number, app.publish(&bundle(round, number)).await) }
        });
        let answers: Vec<_> =
            futures_util::stream::iter(publishing).buffer_unordered(AT_ONCE).collect().await;

        let wrong: Vec<_> = answers.iter().filter(|(_, answer)| kind(answer) == "wrong").collect();
        assert!(wrong.is_empty(), "seed {seed}: {wrong:?}");
        let published = answers.iter().filter(|(_, answer)| kind(answer) == "published").count();
        assert!(published > 0, "seed {seed}: nothing got through");
        assert!(proxy.faults() >= PUBLISHES / 4, "seed {seed}: {} faults", proxy.faults());
        check_states(&app, &server, round, &answers).await;
    }
}

/// What was acknowledged is whole on the server, and only that is a version.
async fn check_states(app: &TestApp, server: &S3Server, round: u32, answers: &[(usize, Answer)]) {
    let listed = app.get("/api/v1/extensions").await.json();
    let names: Vec<_> =
        listed["versions"].as_array().unwrap().iter().map(|v| v["name"].clone()).collect();
    for (number, answer) in answers {
        let name = format!("com.example.n{number}");
        let is_version = names.iter().any(|listed| *listed == *name);
        assert_eq!(is_version, kind(answer) == "published", "{name}");
        if is_version {
            let archive = bundle(round, *number).build();
            let hash = ContentHash::of(&archive).hex();
            let stored = std::fs::read(server.object(&format!("sha256/{hash}/bundle.tar.zst")));
            assert_eq!(stored.unwrap(), archive, "{name}");
        }
    }
}
