//! The program under test and the folder that outlives it.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_plugboard");
const SERVE: [&str; 4] = ["serve", "--json", "--set", "server.listen=127.0.0.1:0"];

/// A data folder.
pub(super) struct DataFolder {
    root: PathBuf,
    /// `None` when it is in a place of somebody else's.
    _made: Option<TempDir>,
}

impl DataFolder {
    pub(super) fn new() -> Self {
        let made = tempfile::tempdir().unwrap();
        Self { root: made.path().to_owned(), _made: Some(made) }
    }

    /// One in a folder that was there before and stays.
    pub(super) fn within(folder: &Path) -> Self {
        Self { root: folder.to_owned(), _made: None }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.join("data").join(name)
    }

    /// A word of the command line, on the same folder, with no variables but ours.
    fn command(&self, words: &[&str]) -> Command {
        self.command_of(Command::new(PROGRAM), words)
    }

    fn command_of(&self, mut command: Command, words: &[&str]) -> Command {
        command.args(words).env_clear().current_dir(&self.root).stdin(Stdio::null());
        command.env("PLUGBOARD_UPLOADS__PUBLISHES_PER_MINUTE", "1000000");
        command.env("PLUGBOARD_UPLOADS__PUBLISHES_PER_MINUTE_PER_ADDRESS", "1000000");
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
    output: Mutex<BufReader<ChildStdout>>,
    /// Whether it is to be gone: then a call that breaks off is no surprise.
    is_doomed: AtomicBool,
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

    /// Begins to start one and kills it after `delay`, wherever it is then.
    pub(super) fn start_and_kill(folder: &DataFolder, delay: Duration) {
        let mut command = folder.command(&SERVE);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(delay);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Starts one by the program `wrapper`, which starts what its last arguments name.
    pub(super) fn start_wrapped(folder: &DataFolder, wrapper: &str, words: &[&str]) -> Self {
        let mut words = words.to_vec();
        words.push(PROGRAM);
        words.extend(SERVE);
        let mut command = folder.command_of(Command::new(wrapper), &words);
        command.stdin(Stdio::piped());
        Self::started(command, None).unwrap_or_else(|notes| panic!("it did not start: {notes}"))
    }

    fn spawn(folder: &DataFolder, case: Option<&str>) -> Result<Self, String> {
        let mut command = folder.command(&SERVE);
        if let Some(case) = case {
            command.env("PLUGBOARD__FAIL_POINT", case);
        }
        Self::started(command, case)
    }

    fn started(mut command: Command, case: Option<&str>) -> Result<Self, String> {
        command.env("PLUGBOARD_TELEMETRY__LOG_LEVEL", "error");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let Ok(started) = serde_json::from_str::<Value>(&line) else {
            let status = child.wait().unwrap();
            let mut notes = String::new();
            child.stderr.take().unwrap().read_to_string(&mut notes).unwrap();
            let expected = case.is_some() && status.signal() == Some(9);
            assert!(expected, "{case:?}: {status}: {notes}");
            return Err(notes);
        };
        let origin = started["origin"].as_str().unwrap().to_owned();
        Ok(Self {
            child: Mutex::new(child),
            output: Mutex::new(output),
            is_doomed: AtomicBool::new(false),
            origin,
        })
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
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{case} was not reached");
    }

    /// Says that it is about to be killed, or to lose its disk.
    pub(super) fn doom(&self) {
        self.is_doomed.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_doomed(&self) -> bool {
        self.is_doomed.load(Ordering::SeqCst)
    }

    /// Kills it.
    pub(super) fn kill(&self) {
        self.doom();
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Gives a line to the program that wraps it.
    pub(super) fn tell(&self, line: &str) {
        let mut child = self.child.lock().unwrap();
        writeln!(child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// The next line that the program that wraps it prints.
    pub(super) fn hear(&self) -> String {
        let mut line = String::new();
        self.output.lock().unwrap().read_line(&mut line).unwrap();
        line.trim().to_owned()
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
