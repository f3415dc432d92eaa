//! The appliance killed at any moment, while clients publish, send in parts and install.
//!
//! `PLUGBOARD_TEST_ROUNDS=40` kills 200 times. The moments come from the seed
//! that is printed.

use std::time::Duration;

use super::appliance::{Appliance, DataFolder};
use super::check;
use super::workers::Workers;
use crate::support::random::Random;
use crate::support::{note, rounds};

/// Kills of one data folder.
const KILLS: u32 = 5;
const WORKERS: usize = 3;
/// A kill comes at most so long after the start, and after the appliance is ready.
const LATEST_WHILE_STARTING_MS: u64 = 150;
const LATEST_AT_WORK_MS: u64 = 2500;

#[test]
fn a_kill_at_any_moment_loses_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first_seed = 0x5eed;
    let mut published = 0;
    for round in 0..rounds() {
        published += runtime.block_on(kill_at_random(first_seed + u64::from(round)));
    }
    let kills = KILLS * rounds();
    note(&format!(
        "{kills} kills at random times, {WORKERS} clients, seeds from {first_seed:#x}: \
         {published} versions acknowledged, 0 lost"
    ));
}

/// The kills of one folder; says how many versions were acknowledged.
async fn kill_at_random(seed: u64) -> usize {
    let mut random = Random::new(seed);
    let folder = DataFolder::new();
    let appliance = Appliance::start(&folder);
    let mut workers = Workers::let_in(&appliance, &folder, WORKERS).await;
    appliance.stop();

    for kill in 0..KILLS {
        let case = format!("seed {seed:#x}, kill {kill}");
        if random.below(5) == 0 {
            let delay = Duration::from_millis(random.below(LATEST_WHILE_STARTING_MS));
            Appliance::start_and_kill(&folder, delay);
        } else {
            let appliance = Appliance::start(&folder);
            let delay = Duration::from_millis(random.below(LATEST_AT_WORK_MS));
            let killing = async {
                tokio::time::sleep(delay).await;
                appliance.kill();
            };
            tokio::join!(killing, workers.work(&appliance));
        }

        let appliance = Appliance::start(&folder);
        check::nothing_is_left_over(&folder, workers.uploads(), &case);
        workers.check(&appliance, &folder, &case).await;
        appliance.stop();
    }

    let case = format!("seed {seed:#x}, at the end");
    let appliance = Appliance::start(&folder);
    workers.finish(&appliance, &case).await;
    workers.check(&appliance, &folder, &case).await;
    appliance.stop();
    check::nothing_is_left_over(&folder, None, &case);
    workers.published()
}
