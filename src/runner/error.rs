//! Why the runner could not start, prepare a component or execute one.

use std::time::Duration;
use std::{fmt::Write as _, io};

use wasmtime::{Trap, WasmBacktrace};

use super::host::escape;
use super::limits::Refused;
use super::request_body::UploadFault;
use super::timekeeper::Late;

/// The runner could not start.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    #[error("the WebAssembly engine refused its settings: {0:#}")]
    Engine(wasmtime::Error),
    #[error("the host interfaces could not be linked: {0:#}")]
    Link(wasmtime::Error),
    #[error("the epoch clock could not start: {0}")]
    Ticker(#[from] io::Error),
    #[error("the folder for compiled components cannot be made: {0}")]
    Folder(io::Error),
}

/// A component cannot be executed here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrepareError {
    #[error("the component does not compile: {0}")]
    Compile(String),
    #[error("the component takes more than {0} to compile")]
    TooCostly(Excess),
    #[error("the component does not fit its world: {0}")]
    Link(String),
    /// It was looked for among what is compiled, and is not there.
    #[error("the component is not compiled yet")]
    NotCompiled,
    /// It was compiled to be loaded later.
    #[error("the component is compiled and not loaded")]
    NotLoaded,
    /// Says nothing of the component.
    #[error("the compiler was stopped before it was done")]
    Stopped,
}

impl PrepareError {
    /// Whether it says something of the component, which is the same at the next try.
    pub(super) const fn is_of_component(&self) -> bool {
        match self {
            Self::Compile(_) | Self::TooCostly(_) | Self::Link(_) => true,
            Self::NotCompiled | Self::NotLoaded | Self::Stopped => false,
        }
    }
}

/// The limit of compiling that a component ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    #[error("{0} s of a processor")]
    CpuSeconds(u64),
    #[error("{0} s, waiting for a processor included,")]
    Seconds(u64),
    #[error("{0} MiB of memory")]
    MemoryMib(u64),
}

impl Excess {
    /// The setting that this limit is made of.
    pub const fn setting(self) -> &'static str {
        match self {
            Self::CpuSeconds(_) | Self::Seconds(_) => "runner.compile_cpu_s",
            Self::MemoryMib(_) => "runner.compile_memory_bytes",
        }
    }
}

/// An execution gave no response.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    #[error("every execution slot of the appliance is taken")]
    Busy,
    #[error("every execution slot of the tenant is taken")]
    TenantBusy,
    #[error("every execution slot of the install is taken")]
    InstallBusy,
    #[error("the component is not prepared")]
    NotPrepared,
    #[error("the extension did not finish within {} ms", .0.as_millis())]
    Deadline(Duration),
    #[error("the extension did not finish within {} ms of processor time", .0.as_millis())]
    Cpu(Duration),
    #[error(
        "the extension has used up its processor time, {percent} % of a core; it gets some again \
         in {} s",
        retry_seconds(retry_after)
    )]
    CpuSpent { percent: u32, retry_after: Duration },
    #[error("the extension wanted more than its {0}")]
    Memory(Refused),
    #[error("the extension trapped: {0}")]
    Trap(String),
    #[error("the extension gave no usable response: {0}")]
    BadResponse(String),
    #[error("the extension's response body is larger than {limit} bytes")]
    ResponseTooLarge { limit: u64 },
    #[error("the extension sent nothing for {} ms", .0.as_millis())]
    Idle(Duration),
    /// It was read while it arrived, so the guest had begun.
    #[error("the request body is larger than {limit} bytes")]
    RequestTooLarge { limit: u64 },
    #[error("the request body broke off: {0}")]
    RequestBrokeOff(String),
    #[error("the request body did not arrive within {} ms", .0.as_millis())]
    RequestTooSlow(Duration),
    #[error("whoever waited for the answer has gone")]
    Gone,
    #[error("the execution was stopped")]
    Stopped,
}

/// Whole seconds after which trying again makes sense.
fn retry_seconds(retry_after: &Duration) -> u64 {
    retry_after.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX)
}

/// How a call into a guest failed, before it is known which limit is to blame.
#[derive(Debug)]
pub(super) enum CallError {
    /// It trapped, a host function refused, or the instance could not be made.
    Guest(wasmtime::Error),
    BadResponse(String),
    TooLarge {
        limit: u64,
    },
    Deadline(Duration),
    Idle(Duration),
    Upload(UploadFault),
    /// Nobody reads the answer any more.
    Gone,
}

impl From<UploadFault> for ExecuteError {
    fn from(fault: UploadFault) -> Self {
        match fault {
            UploadFault::TooLarge { limit } => Self::RequestTooLarge { limit },
            UploadFault::BrokeOff(reason) => Self::RequestBrokeOff(reason),
        }
    }
}

impl From<Late> for ExecuteError {
    fn from(late: Late) -> Self {
        match late {
            Late::Guest(limit) => Self::Deadline(limit),
            Late::Client(limit) => Self::RequestTooSlow(limit),
        }
    }
}

impl From<wasmtime::Error> for CallError {
    fn from(error: wasmtime::Error) -> Self {
        Self::Guest(error)
    }
}

/// The frames of a backtrace that are worth a line in the log.
const MAX_FRAMES: usize = 8;

/// The reason and the guest's innermost frames, on one line. `discreet` takes out what the
/// guest was told in confidence.
pub(super) fn describe_trap(
    error: &wasmtime::Error,
    discreet: impl FnOnce(String) -> String,
) -> String {
    let reason = match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => "unreachable instruction".to_owned(),
        Some(trap) => trap.to_string().trim_start_matches("wasm trap: ").to_owned(),
        None => error.root_cause().to_string(),
    };
    // Host errors may quote the guest, and function names are the guest's.
    let mut text = escape(&discreet(reason)).into_owned();
    let frames = error.downcast_ref::<WasmBacktrace>().map_or(&[][..], WasmBacktrace::frames);
    for (index, frame) in frames.iter().take(MAX_FRAMES).enumerate() {
        let name =
            frame.func_name().map_or_else(|| format!("#{}", frame.func_index()), str::to_owned);
        let name: String = name.chars().take(64).collect();
        let link = if index == 0 { ", in " } else { " < " };
        // Writing to a string cannot fail.
        let _ = write!(text, "{link}`{}`", escape(&name));
    }
    text
}
