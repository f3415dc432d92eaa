//! A real file system that loses its power: ext4 on a loop file, told by
//! `EXT4_IOC_SHUTDOWN` to stop at once and flush nothing. A file that was written and not
//! synced shows that it does. It needs root and a loop device.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

const DISK_BYTES: u64 = 1 << 30;
/// What the files hold that show whether the power was cut.
const CONTROL: &[u8] = &[7; 1 << 20];
/// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`.
const CUT: &str = "import fcntl, os, struct, sys\n\
    fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))";

/// A file system in a file; unmounted when dropped.
pub(crate) struct LoopDisk {
    folder: TempDir,
}

impl LoopDisk {
    pub(crate) fn new() -> Self {
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

    pub(crate) fn mount_point(&self) -> PathBuf {
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
    pub(crate) fn write_synced(&self) {
        fs::write(self.mount_point().join("synced"), CONTROL).unwrap();
        File::open(self.mount_point().join("synced")).unwrap().sync_all().unwrap();
        File::open(self.mount_point()).unwrap().sync_all().unwrap();
    }

    /// A file that the cut must lose.
    pub(crate) fn write_unsynced(&self) {
        fs::write(self.mount_point().join("unsynced"), CONTROL).unwrap();
    }

    pub(crate) fn cut(&self) {
        run(Command::new("python3").args(["-c", CUT]).arg(self.mount_point()));
    }

    /// What is killed may take a moment to let go of the disk.
    pub(crate) fn remount(&self) {
        for _ in 0..50 {
            if Command::new("umount").arg(self.mount_point()).status().unwrap().success() {
                return self.mount();
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the disk is in use");
    }

    /// Gone, or empty: its name may have been synced along with another file.
    pub(crate) fn lost_what_was_not_synced(&self) -> bool {
        let synced = fs::read(self.mount_point().join("synced")).unwrap();
        assert!(synced == CONTROL, "the disk lost what was synced: {} bytes left", synced.len());
        let unsynced = fs::read(self.mount_point().join("unsynced"));
        // Not left empty: ext4 writes at once what is put over a file that was cut to nothing.
        fs::remove_file(self.mount_point().join("unsynced")).ok();
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
