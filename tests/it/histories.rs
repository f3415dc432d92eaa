//! Many clients at once: what they were told has an order that explains it.
//!
//! `PLUGBOARD_TEST_ROUNDS=25` makes 50,000 calls in memory and 2,000 on disk.

pub(crate) mod checker;
mod client;
mod faults;
mod models;
mod winners;
mod world;

use std::sync::Arc;

use plugboard::model::Clock;
use plugboard::registry::Registry;

use crate::support::random::Random;
use crate::support::rounds;
use crate::support::test_app::TestApp;
use client::Client;
use world::World;

const CLIENTS: usize = 8;

/// Lets the clients of some rounds loose on `app`, and checks each round; gives the number of calls.
async fn explain(app: TestApp, rounds: u32, calls: usize) -> usize {
    let app = Arc::new(app);
    let mut made = 0;
    for round in 0..rounds {
        let world = Arc::new(World::new(&app, round).await);
        let clients = (0..CLIENTS).map(|number| {
            let random = Random::new(u64::from(round) * 1_000 + number as u64 + 1);
            tokio::spawn(Client { world: Arc::clone(&world), random }.run(calls))
        });
        for client in clients.collect::<Vec<_>>() {
            client.await.unwrap();
        }
        world.look_at_all().await;
        made += world.check(u64::from(round));
    }
    made
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_many_clients_are_told_has_an_order() {
    let app = TestApp::start_with(|config| {
        config.uploads.publishes_per_minute = 1_000_000;
        config.uploads.publishes_per_minute_per_address = 1_000_000;
    })
    .await;

    let made = explain(app, 8 * rounds(), 32).await;

    assert!(made >= 2_000 * rounds() as usize, "{made}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_many_clients_of_an_appliance_on_disk_are_told_has_an_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut app = TestApp::start_on_disk().await;
    let file = folder.path().join("registry.redb");
    let registry = Registry::open(&file, 1024 * 1024, app.clock.now()).unwrap();
    Arc::get_mut(&mut app.app).unwrap().registry = registry;
    app.add_operator("ada").await;
    app.trust("*").await;

    let made = explain(app, rounds(), 10).await;

    assert!(made >= 80 * rounds() as usize, "{made}");
}
