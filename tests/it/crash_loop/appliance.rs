//! The program under test and the folder that outlives it.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use serde_json::Value;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_plugboard");

/// A data folder.
pub(super) struct DataFolder(TempDir);

impl DataFolder {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("data").join(name)
    }

    /// A word of the command line, on the same folder, with no variables but ours.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(words).env_clear().current_dir(self.0.path()).stdin(Stdio::null());
        command.env("PLUGBOARD_STORE__MIN_FREE_BYTES", "0");
        command.env("PLUGBOARD_SERVER__DATA_DIR", self.path(""));
        command
    }

    /// A token made by whoever is on the host.
    pub(super) fn make_token(&self) -> String {
        let mut words = vec!["token", "create", "--name", "crash"];
        for scope in crate::support::test_app::ALL_SCOPES {
            words.extend(["--scope", scope]);
        }
        let output = self.command(&words).output().unwrap();
        let notes = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{notes}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

/// A running appliance; killed when dropped.
pub(super) struct Appliance {
    child: Mutex<Child>,
    pub(super) origin: String,
}

impl Appliance {
    pub(super) fn start(folder: &DataFolder) -> Self {
        Self::spawn(folder, None).unwrap_or_else(|notes| panic!("it did not start: {notes}"))
    }

    /// Starts one that will kill itself; `None` if it did so before it was ready.
    pub(super) fn start_doomed(folder: &DataFolder, case: &str) -> Option<Self> {
        Self::spawn(folder, Some(case)).ok()
    }

    fn spawn(folder: &DataFolder, case: Option<&str>) -> Result<Self, String> {
        let mut command = folder.command(&["serve", "--json"]);
        command.args(["--set", "server.listen=127.0.0.1:0"]);
        command.env("PLUGBOARD_TELEMETRY__LOG_LEVEL", "error");
        if let Some(case) = case {
            command.env("PLUGBOARD__FAIL_POINT", case);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Ok(started) = serde_json::from_str::<Value>(&line) else {
            let status = child.wait().unwrap();
            let mut notes = String::new();
            child.stderr.take().unwrap().read_to_string(&mut notes).unwrap();
            let expected = case.is_some() && status.signal() == Some(9);
            assert!(expected, "{case:?}: {status}: {notes}");
            return Err(notes);
        };
        let origin = started["origin"].as_str().unwrap().to_owned();
        Ok(Self { child: Mutex::new(child), origin })
    }

    /// It must have killed itself: a client that fails for another reason is no kill.
    pub(super) fn assert_killed(self, case: &str) {
        let mut child = self.child.lock().unwrap();
        // A commit of the housekeeping may be the one that kills, a moment after the last answer.
        for _ in 0..100 {
            if let Some(status) = child.try_wait().unwrap() {
                assert_eq!(status.signal(), Some(9), "{case}: {status}");
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("{case} was not reached");
    }

    /// Ends it as an operator does, and insists that it went well.
    pub(super) fn stop(self) {
        let mut child = self.child.lock().unwrap();
        let id = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        let status = child.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        child.kill().ok();
        child.wait().ok();
    }
}
