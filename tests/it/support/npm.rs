//! Packages of npm that tests run, installed once per lock file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// The `node_modules` for a folder of this repository that has a lock file.
pub(crate) fn modules_of(folder: &str) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let lock = Sha256::digest(fs::read(source.join("package-lock.json")).unwrap());
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let finished = tmp.join(format!("npm-{}", hex::encode(&lock[..8])));
    if !finished.exists() {
        let unfinished = tmp.join(format!("npm-unfinished-{}", std::process::id()));
        let _absent = fs::remove_dir_all(&unfinished);
        fs::create_dir_all(&unfinished).unwrap();
        for file in ["package.json", "package-lock.json"] {
            fs::copy(source.join(file), unfinished.join(file)).unwrap();
        }
        let args = ["ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"];
        let npm = Command::new("npm").args(args).current_dir(&unfinished).output();
        let npm = npm.expect("npm is needed, and the npm registry or a filled npm cache");
        assert!(npm.status.success(), "{}", String::from_utf8_lossy(&npm.stderr));
        // The rename is the last step: a folder of this name is complete.
        fs::rename(&unfinished, &finished).unwrap();
    }
    finished.join("node_modules")
}
