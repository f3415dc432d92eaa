//! What the flows share.

pub(crate) mod announced_body;
pub(crate) mod bundle_builder;
pub(crate) mod fault_proxy;
pub(crate) mod garage;
pub(crate) mod guests;
pub(crate) mod random;
pub(crate) mod raw_tar;
pub(crate) mod real_server;
pub(crate) mod s3_server;
pub(crate) mod sender;
pub(crate) mod test_app;

/// How often the tests that depend on luck or on timing repeat: once, or more in `.ci/soak`.
#[expect(clippy::disallowed_methods, reason = "how long a test runs is no setting of ours")]
pub(crate) fn rounds() -> u32 {
    std::env::var("PLUGBOARD_TEST_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap())
}

/// Says something that the one who runs the long tier keeps.
///
/// Past the harness, which swallows what a passing test prints.
pub(crate) fn note(line: &str) {
    use std::io::Write;
    std::io::stdout().write_all(format!("{line}\n").as_bytes()).unwrap();
}
