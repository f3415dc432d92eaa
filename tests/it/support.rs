//! What the flows share.

pub(crate) mod announced_body;
pub(crate) mod attachments;
pub(crate) mod audit;
pub(crate) mod bundle_builder;
pub(crate) mod collector;
pub(crate) mod disk;
pub(crate) mod fault_proxy;
pub(crate) mod garage;
pub(crate) mod guests;
pub(crate) mod hostile;
pub(crate) mod internet;
pub(crate) mod loop_disk;
pub(crate) mod meanwhile;
pub(crate) mod npm;
pub(crate) mod random;
pub(crate) mod raw_tar;
pub(crate) mod real_server;
pub(crate) mod s3_server;
pub(crate) mod sender;
pub(crate) mod strangers;
pub(crate) mod test_app;
pub(crate) mod tokens;
pub(crate) mod wire;

use std::process::Command;

/// How often the tests that depend on luck or on timing repeat: once, or more in `.ci/soak`.
#[expect(clippy::disallowed_methods, reason = "how long a test runs is no setting of ours")]
pub(crate) fn rounds() -> u32 {
    std::env::var("PLUGBOARD_TEST_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap())
}

/// A test again, as a process of its own that may be killed or starved. It knows
/// by [`is_again`] that it is the second.
pub(crate) fn again(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--test-threads=1"]).env(AGAIN, "1");
    command
}

/// Has a test pass in the process that [`again`] describes.
pub(crate) fn passes(mut again: Command) {
    let output = again.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// The same, with an allocator that gives what is large back when it is freed, as that of the
/// program does and glibc's does not.
pub(crate) fn passes_again_in_own_memory(test: &str) {
    let mut again = again(test);
    again.env("MALLOC_MMAP_THRESHOLD_", "131072").env("MALLOC_ARENA_MAX", "1");
    passes(again);
}

/// Whether this process was made by [`again`].
#[expect(clippy::disallowed_methods, reason = "which process this is, is no setting of ours")]
pub(crate) fn is_again() -> bool {
    std::env::var_os(AGAIN).is_some()
}

const AGAIN: &str = "PLUGBOARD_TEST_AGAIN";

/// Bytes that this process has had at the most.
pub(crate) fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Says something that the one who runs the long tier keeps.
///
/// Past the harness, which swallows what a passing test prints.
pub(crate) fn note(line: &str) {
    use std::io::Write;
    std::io::stdout().write_all(format!("{line}\n").as_bytes()).unwrap();
}
