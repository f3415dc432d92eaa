//! The appliance on a disk that loses power: a real file system, and everything
//! gone that was not synced.
//!
//! What shows here is content that was not synced, and a name that no sync followed.
//! A sync of a folder alone can be missing unseen: ext4 makes a name durable together
//! with the file that it is of, and with every other new file that is synced later.

use std::fs;
use std::time::Duration;

use plugboard::model::ContentHash;

use super::appliance::{Appliance, DataFolder};
use super::check;
use super::client::Client;
use super::failing_calls::SUPERVISOR;
use super::workers::Workers;
use crate::support::loop_disk::LoopDisk;
use crate::support::random::Random;
use crate::support::{note, rounds};

const WORKERS: usize = 3;
/// The power is cut at most so long after the appliance is ready.
const LATEST_MS: u64 = 3000;

#[test]
#[ignore = "run by .ci/run and .ci/soak, where there is root and a loop device"]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first_seed = 0xc07;
    let (mut cuts, mut published) = (0, 0);
    for round in 0..rounds() {
        let (was_cut, versions) = runtime.block_on(cut_once(first_seed + u64::from(round)));
        cuts += u32::from(was_cut);
        published += versions;
    }
    note(&format!(
        "{} power cuts, {WORKERS} clients, seeds from {first_seed:#x}: {cuts} lost the unsynced \
         file; {published} versions acknowledged, 0 lost",
        rounds()
    ));
    assert_eq!(cuts, rounds(), "a round that loses nothing unsynced was no power cut");
}

#[test]
#[ignore = "run by .ci/run and .ci/soak, where there is root and a loop device"]
fn without_its_syncs_the_appliance_would_lose_what_it_acknowledged() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let disk = LoopDisk::new();
        let folder = DataFolder::within(&disk.mount_point());
        let data = folder.path("");
        let words = [SUPERVISOR, data.to_str().unwrap()];
        let appliance = Appliance::start_wrapped(&folder, "python3", &words);
        let mut client = Client::new();
        client.find_way_in(&appliance, &folder).await;
        appliance.tell("swallow");
        assert_eq!(appliance.hear(), "swallowing");

        client.go_on(&appliance).await.unwrap();
        disk.cut();
        appliance.kill();
        disk.remount();

        let archive = format!("store/sha256/{}/bundle.tar.zst", client.first.hash.hex());
        let archive = fs::read(folder.path(&archive)).unwrap_or_default();
        assert_ne!(ContentHash::of(&archive), client.first.hash);
    });
}

/// One cut: whether it lost what was not synced, and how many versions were acknowledged.
async fn cut_once(seed: u64) -> (bool, usize) {
    let case = format!("seed {seed:#x}");
    let delay = Duration::from_millis(Random::new(seed).below(LATEST_MS));
    let disk = LoopDisk::new();
    disk.write_synced();
    let folder = DataFolder::within(&disk.mount_point());
    let appliance = Appliance::start(&folder);
    let mut workers = Workers::let_in(&appliance, &folder, WORKERS).await;

    let cutting = async {
        tokio::time::sleep(delay).await;
        disk.write_unsynced();
        appliance.doom();
        disk.cut();
    };
    tokio::join!(cutting, workers.work(&appliance));
    appliance.kill();
    disk.remount();
    let was_cut = disk.lost_what_was_not_synced();

    let appliance = Appliance::start(&folder);
    check::nothing_is_left_over(&folder, workers.uploads(), &case);
    workers.check(&appliance, &folder, &case).await;
    workers.finish(&appliance, &case).await;
    workers.check(&appliance, &folder, &case).await;
    appliance.stop();
    check::nothing_is_left_over(&folder, None, &case);
    (was_cut, workers.published())
}
