//! Named places where the crash-loop test kills the process.
//!
//! Without the feature `fail-points` the macro expands to nothing, so a release
//! contains neither the names nor the check.

/// Marks a place that `PLUGBOARD__FAIL_POINT=name:n` turns into a SIGKILL at the n-th visit.
#[macro_export]
macro_rules! fail_point {
    ($name:literal) => {
        #[cfg(feature = "fail-points")]
        $crate::fail_point::hit($name);
    };
}

/// What the environment asks for: the name of a place, and which visit to it is the last.
#[cfg(feature = "fail-points")]
struct Target {
    name: String,
    visits_left: std::sync::atomic::AtomicU64,
}

/// Counts a visit to the place `name`, and never returns from the one that was asked for.
///
/// # Panics
///
/// When what the environment asks for is not `name:count`.
#[cfg(feature = "fail-points")]
pub fn hit(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::Ordering;

    use rustix::process::{Signal, getpid, kill_process};

    static TARGET: OnceLock<Option<Target>> = OnceLock::new();

    let Some(target) = TARGET.get_or_init(Target::from_environment) else { return };
    if target.name == name && target.visits_left.fetch_sub(1, Ordering::SeqCst) == 1 {
        // No destructor, no flush: what a power cut leaves of a process.
        let killed = kill_process(getpid(), Signal::KILL);
        assert!(killed.is_ok(), "a process may kill itself");
        loop {
            std::thread::park();
        }
    }
}

#[cfg(feature = "fail-points")]
impl Target {
    #[expect(
        clippy::disallowed_methods,
        reason = "a switch of the crash-loop test, not a setting of the appliance"
    )]
    fn from_environment() -> Option<Self> {
        let wanted = std::env::var("PLUGBOARD__FAIL_POINT").ok()?;
        let (name, visit) = wanted.rsplit_once(':').expect("a fail point is `name:count`");
        let visit: u64 = visit.parse().expect("the count of a fail point is a number");
        assert!(visit > 0, "visits are counted from 1");
        Some(Self { name: name.to_owned(), visits_left: visit.into() })
    }
}
