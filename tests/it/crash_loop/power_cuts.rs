//! The appliance on a disk that loses power: a real file system, and everything
//! gone that was not synced.
//!
//! ext4 on a loop file, told by `EXT4_IOC_SHUTDOWN` to stop at once and flush
//! nothing. A file that was written and not synced shows that it does.
//!
//! What shows here is content that was not synced, and a name that no sync followed.
//! A sync of a folder alone can be missing unseen: ext4 makes a name durable together
//! with the file that it is of, and with every other new file that is synced later.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use plugboard::model::ContentHash;
use tempfile::TempDir;

use super::appliance::{Appliance, DataFolder};
use super::check;
use super::client::Client;
use super::failing_calls::SUPERVISOR;
use super::workers::Workers;
use crate::support::random::Random;
use crate::support::{note, rounds};

const WORKERS: usize = 3;
/// The power is cut at most so long after the appliance is ready.
const LATEST_MS: u64 = 3000;
const DISK_BYTES: u64 = 1 << 30;
/// What the files hold that show whether the power was cut.
const CONTROL: &[u8] = &[7; 1 << 20];
/// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`.
const CUT: &str = "import fcntl, os, struct, sys\n\
    fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))";

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

/// A file system in a file; unmounted when dropped.
struct LoopDisk {
    folder: TempDir,
}

impl LoopDisk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = Self { folder };
        File::create(disk.image()).unwrap().set_len(DISK_BYTES).unwrap();
        fs::create_dir(disk.mount_point()).unwrap();
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(disk.image()));
        disk.mount();
        disk
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn mount_point(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// Five minutes until the file system syncs of its own accord.
    fn mount(&self) {
        let mut mount = Command::new("mount");
        mount.args(["-o", "loop,commit=300"]).arg(self.image()).arg(self.mount_point());
        run(&mut mount);
    }

    /// A file that must outlive the cut.
    ///
    /// For before the appliance starts: the sync of a new file makes every name durable
    /// that the file system has waiting, so one just before the cut would do the work of
    /// a sync that the appliance forgot.
    fn write_synced(&self) {
        fs::write(self.mount_point().join("synced"), CONTROL).unwrap();
        File::open(self.mount_point().join("synced")).unwrap().sync_all().unwrap();
        File::open(self.mount_point()).unwrap().sync_all().unwrap();
    }

    /// A file that the cut must lose.
    fn write_unsynced(&self) {
        fs::write(self.mount_point().join("unsynced"), CONTROL).unwrap();
    }

    fn cut(&self) {
        run(Command::new("python3").args(["-c", CUT]).arg(self.mount_point()));
    }

    /// What is killed may take a moment to let go of the disk.
    fn remount(&self) {
        for _ in 0..50 {
            if Command::new("umount").arg(self.mount_point()).status().unwrap().success() {
                return self.mount();
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the disk is in use");
    }

    /// Gone, or empty: its name may have been synced along with another file.
    fn lost_what_was_not_synced(&self) -> bool {
        let synced = fs::read(self.mount_point().join("synced")).unwrap();
        assert!(synced == CONTROL, "the disk lost what was synced: {} bytes left", synced.len());
        let unsynced = fs::read(self.mount_point().join("unsynced"));
        !unsynced.is_ok_and(|content| content == CONTROL)
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(self.mount_point()).status().ok();
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}; this needs root and a loop device");
}
