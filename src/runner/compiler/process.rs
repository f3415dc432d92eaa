//! A worker as its parent sees it: what goes in, what comes out, and how it ends.

use std::fmt;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process_group};

use super::super::host::escape;
use super::super::precompiled::MAX_FILE_BYTES;
use crate::model::TargetWorld;

/// Bytes that are kept of what a worker says.
const MAX_SAID_BYTES: u64 = 8 * 1024;
/// The exit of a worker that says what is wrong with a component, as of every command.
const REFUSED: i32 = 1;
/// How often a worker that has given all is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Memory is taken in pieces, where the allocator would reserve 1 GiB of what is allowed;
/// and however many processors there are, compiling takes that of a few threads.
const ENVIRONMENT: [(&str, &str); 2] =
    [("MIMALLOC_ARENA_RESERVE", "32768"), ("RAYON_NUM_THREADS", "4")];

/// How one worker is run.
pub(super) struct Process<'a> {
    pub(super) program: &'a Path,
    pub(super) stack_bytes: usize,
    pub(super) memory_bytes: u64,
    pub(super) cpu_s: u64,
    pub(super) wall: Duration,
}

/// How a worker ended that gave nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    Cpu,
    Wall(Duration),
    Memory,
    /// Its words about the component.
    Refused(String),
    /// By a fault of its own.
    Crashed(String),
    /// Not started, or ended by others: nothing is known of the component.
    Stopped(String),
}

impl Process<'_> {
    /// Has a worker compile `input`, or try it out in a world; gives what it wrote.
    pub(super) fn run(&self, world: Option<TargetWorld>, input: Bytes) -> Result<Vec<u8>, End> {
        let mut command = Command::new(self.program);
        let numbers = [
            ("--stack-bytes", self.stack_bytes as u64),
            ("--memory-bytes", self.memory_bytes),
            ("--cpu-s", self.cpu_s),
        ];
        command.arg("compile-worker");
        command.args(numbers.iter().flat_map(|(name, n)| [(*name).to_owned(), n.to_string()]));
        command.args(world.map(|world| format!("--try-out={}", world.as_str())));
        // A signal from a terminal is for the server, which ends its workers.
        command.env_clear().envs(ENVIRONMENT).current_dir("/").process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let worker = command.spawn();
        let worker = worker.map_err(|error| End::Stopped(format!("it cannot start: {error}")))?;
        watch(worker, input, self.wall)
    }
}

/// Gives a worker its work, and ends it when it takes too long.
fn watch(mut worker: Child, input: Bytes, wall: Duration) -> Result<Vec<u8>, End> {
    let until = Instant::now() + wall;
    let (stdin, stdout, stderr) = (worker.stdin.take(), worker.stdout.take(), worker.stderr.take());
    // A worker that ends early reads no further: that is seen at its end.
    let giving = thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&input)));
    let said = thread::spawn(move || read_up_to(stderr, MAX_SAID_BYTES));
    let (sender, output) = mpsc::channel();
    let taking = thread::spawn(move || sender.send(read_up_to(stdout, MAX_FILE_BYTES + 1)));
    let output = output.recv_timeout(wall);
    let status = end_of(&mut worker, until);
    // Reading and writing does not panic.
    giving.join().ok();
    taking.join().ok();
    let said = said.join().unwrap_or_default();
    match (output, status) {
        (_, Err(reason)) => Err(End::Stopped(reason.to_string())),
        (Ok(output), _) if output.len() as u64 > MAX_FILE_BYTES => {
            let mebibytes = MAX_FILE_BYTES >> 20;
            Err(End::Refused(format!("it makes more than {mebibytes} MiB of machine code")))
        }
        (Err(RecvTimeoutError::Timeout), _) | (_, Ok(None)) => Err(End::Wall(wall)),
        (Ok(output), Ok(Some(status))) if status.success() => Ok(output),
        (_, Ok(Some(status))) => Err(why(status, &said)),
    }
}

/// How it ended by itself; `None` if that had to be done.
fn end_of(worker: &mut Child, until: Instant) -> std::io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = worker.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= until {
            // Its group, which is its own: whatever it started holds its pipes open.
            kill_process_group(Pid::from_child(worker), Signal::KILL)?;
            worker.wait()?;
            return Ok(None);
        }
        thread::sleep(LOOK_EVERY);
    }
}

fn read_up_to(source: Option<impl Read>, limit: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What could not be read is missing, and a worker that failed says so itself.
    source.map(|source| source.take(limit).read_to_end(&mut bytes));
    bytes
}

/// What a worker that gave nothing died of.
fn why(status: ExitStatus, said: &[u8]) -> End {
    const ABORTED: i32 = 6;
    const KILLED: i32 = 9;
    const TERMINATED: i32 = 15;
    const TOO_LONG: i32 = 24;

    let said = String::from_utf8_lossy(said);
    let said = said.trim();
    let said = said.strip_prefix("error: ").unwrap_or(said);
    let no_memory = said.contains("memory allocation of") || said.contains("(os error 12)");
    match (status.signal(), status.code()) {
        (Some(TOO_LONG), _) => End::Cpu,
        (Some(KILLED | TERMINATED), _) => {
            End::Stopped("it was killed, by a person or because the machine has no memory".into())
        }
        (Some(ABORTED) | None, _) if no_memory => End::Memory,
        (Some(ABORTED), _) if said.contains("overflowed its stack") => {
            End::Refused("it is nested too deep".into())
        }
        (Some(signal), _) => End::Crashed(format!("signal {signal}")),
        (None, Some(REFUSED)) => End::Refused(escape(said).into_owned()),
        // Neither a refusal nor a signal: it panicked, or could not do its work at all.
        (None, code) => {
            tracing::warn!("A compiler said: {}", escape(said));
            let code = code.unwrap_or_default();
            if code == PANICKED {
                End::Crashed("it panicked".into())
            } else {
                End::Stopped(format!("it ended with {code}: {}", escape(said)))
            }
        }
    }
}

/// The exit of a Rust program whose main thread panicked.
const PANICKED: i32 = 101;

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("it used up its seconds of a processor"),
            Self::Wall(wall) => write!(f, "it took longer than {} s", wall.as_secs()),
            Self::Memory => f.write_str("it used up its memory"),
            Self::Refused(reason) | Self::Crashed(reason) | Self::Stopped(reason) => {
                f.write_str(reason)
            }
        }
    }
}
