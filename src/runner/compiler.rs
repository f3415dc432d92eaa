//! Compiling components, each in a process of its own.
//!
//! A compiler is a large program that reads what strangers wrote. In a process with
//! nothing to lose (`worker`), a component that is too much for it ends that process, and
//! nothing that it could be made to do reaches a file, a key or another tenant.

pub(super) mod worker;

use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use wasmtime::Engine;
use wasmtime::component::Component;

use self::worker::{CPU_S, MEMORY_BYTES};
use super::error::PrepareError;
use super::host::escape;
use super::precompiled::{Code, MAX_FILE_BYTES};
use super::worlds::describe;

/// How long one compilation takes at the most, waiting for a processor included.
const WALL: Duration = Duration::from_secs(90);
/// Bytes that are kept of what a compiler says when it refuses a component.
const MAX_SAID_BYTES: u64 = 8 * 1024;

/// Compiles components.
#[derive(Clone, Debug)]
pub(super) struct Compiler {
    /// This program, to run as `compile-worker`; without it components are compiled here.
    program: Option<PathBuf>,
    stack_bytes: usize,
}

impl Compiler {
    pub(super) fn new(program: Option<PathBuf>, stack_bytes: usize) -> Self {
        Self { program, stack_bytes }
    }

    /// The compiled form of a component. Takes seconds of a core for a large one: not for
    /// an async thread.
    pub(super) fn compile(&self, engine: &Engine, wasm: &[u8]) -> Result<Code, PrepareError> {
        let Some(program) = &self.program else {
            // Binary WebAssembly only: neither text nor anything compiled elsewhere.
            let component = Component::from_binary(engine, wasm);
            let code = component.and_then(|component| Code::of_component(&component));
            return code.map_err(|error| PrepareError::Compile(describe(&error)));
        };
        let mut command = Command::new(program);
        command.args(["compile-worker", "--stack-bytes", &self.stack_bytes.to_string()]);
        command.env_clear().current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let worker = command.spawn().map_err(|error| stopped(&error))?;
        watch(worker, wasm.to_vec())
    }
}

/// Gives a worker its work, and ends it when it takes too long.
fn watch(mut worker: Child, wasm: Vec<u8>) -> Result<Code, PrepareError> {
    let (stdin, stdout, stderr) = (worker.stdin.take(), worker.stdout.take(), worker.stderr.take());
    // A worker that ends early reads no further: that is seen at its end.
    let giving = thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&wasm)));
    let said = thread::spawn(move || read_up_to(stderr, MAX_SAID_BYTES));
    let (sender, code) = mpsc::channel();
    let taking = thread::spawn(move || sender.send(read_up_to(stdout, MAX_FILE_BYTES)));
    let code = code.recv_timeout(WALL);
    if code.is_err() {
        worker.kill().ok();
    }
    let status = worker.wait().map_err(|error| stopped(&error))?;
    // Reading and writing does not panic.
    giving.join().ok();
    taking.join().ok();
    let said = said.join().unwrap_or_default();
    match code {
        Ok(code) if status.success() => Ok(Code::of_compiler(code)),
        Err(RecvTimeoutError::Timeout) => {
            Err(PrepareError::Compile(format!("it takes longer than {} s", WALL.as_secs())))
        }
        Ok(_) | Err(RecvTimeoutError::Disconnected) => Err(why(status, &said)),
    }
}

fn read_up_to(source: Option<impl Read>, limit: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What could not be read is missing, and a worker that failed says so itself.
    source.map(|source| source.take(limit).read_to_end(&mut bytes));
    bytes
}

/// What a worker that gave no code died of.
fn why(status: ExitStatus, said: &[u8]) -> PrepareError {
    const ABORTED: i32 = 6;
    const KILLED: i32 = 9;
    const TOO_LONG: i32 = 24;

    let reason = match status.signal() {
        Some(TOO_LONG) => format!("it takes more than {CPU_S} s of a processor"),
        Some(ABORTED | KILLED) => {
            format!("it needs more than {} MiB of memory", MEMORY_BYTES >> 20)
        }
        Some(signal) => format!("the compiler was ended by signal {signal}"),
        None => {
            let said = String::from_utf8_lossy(said);
            let said = said.trim();
            escape(said.strip_prefix("error: ").unwrap_or(said)).into_owned()
        }
    };
    PrepareError::Compile(reason)
}

fn stopped(error: &io::Error) -> PrepareError {
    tracing::error!("The compiler cannot be started: {error}");
    PrepareError::Stopped
}
