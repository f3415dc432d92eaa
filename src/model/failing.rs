//! An install that is left alone for a while.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How an enabled install fails: its calls are refused until one is let through to try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    pub since: Timestamp,
    /// When a call is let through; a time that is past means: the next one.
    pub next_try_at: Timestamp,
    /// Failed executions that count, since the trouble began.
    pub failures: u32,
    /// The last failure, in words.
    pub reason: String,
}
