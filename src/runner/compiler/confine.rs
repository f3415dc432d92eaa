//! Giving up rights: what is left to a process that compiles.

use std::{fs, thread};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetError,
    RulesetStatus, Scope,
};
use rustix::process::{Resource, Rlimit, Signal, nice, set_parent_process_death_signal, setrlimit};

use super::syscalls;

/// The newest rules this program knows. An older kernel keeps those that it knows.
const RULES: ABI = ABI::V6;
/// How much others come before it.
const NICE: i32 = 10;
/// What Linux takes for the process that it ends first when there is no memory left.
const FIRST_TO_GO: &str = "1000";
/// Seconds of a processor between the signal that says why and the one that cannot be caught.
const GRACE_S: u64 = 5;

/// Which of the two fences around a compiler this kernel puts up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confinement {
    /// No file can be opened.
    pub landlock: bool,
    /// No system call but those of computing, and of reading and writing what is open.
    pub filter: bool,
}

impl Confinement {
    /// A sentence about what is missing; `None` when all is there.
    pub const fn missing(self) -> Option<&'static str> {
        match (self.landlock, self.filter) {
            (true, true) => None,
            (false, true) => Some(
                "This kernel does not enforce Landlock: components are compiled behind the filter \
                 of system calls alone.",
            ),
            (true, false) => Some(
                "This kernel does not filter system calls: components are compiled behind \
                 Landlock alone.",
            ),
            (false, false) => Some(
                "This kernel enforces neither Landlock nor a filter of system calls: no component \
                 is compiled here.",
            ),
        }
    }

    /// Whether one fence at least is up: without any, nothing is compiled.
    pub const fn is_enough(self) -> bool {
        self.landlock || self.filter
    }
}

/// What a compiler would give up here. Tried out on a thread, which ends with it.
pub fn confinement() -> Confinement {
    let nothing = Confinement { landlock: false, filter: false };
    let tried = thread::Builder::new().spawn(give_up_rights);
    match tried.map(thread::JoinHandle::join) {
        Ok(Ok(Ok(confinement))) => confinement,
        Ok(Ok(Err(_)) | Err(_)) | Err(_) => nothing,
    }
}

/// Gives up every right that compiling does not need, for this thread and those it starts.
pub fn give_up_rights() -> Result<Confinement, RulesetError> {
    // No rule is added: no file can be opened and no address reached.
    let restricted = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(RULES))?
        .handle_access(AccessNet::from_all(RULES))?
        .scope(Scope::from_all(RULES))?
        .create()?
        .restrict_self()?;
    let landlock = restricted.ruleset != RulesetStatus::NotEnforced;
    Ok(Confinement { landlock, filter: syscalls::filter() })
}

/// Limits this process, and ties its end to that of the one that started it.
///
/// `memory_bytes` is address space, also what is only reserved.
pub(super) fn limit(memory_bytes: u64, cpu_s: u64) -> rustix::io::Result<()> {
    let at_most = |limit, hard| Rlimit { current: Some(limit), maximum: Some(hard) };
    set_parent_process_death_signal(Some(Signal::KILL))?;
    setrlimit(Resource::As, at_most(memory_bytes, memory_bytes))?;
    setrlimit(Resource::Cpu, at_most(cpu_s, cpu_s.saturating_add(GRACE_S)))?;
    setrlimit(Resource::Core, at_most(0, 0))?;
    // Only makes others faster, and keeps them when memory runs out.
    nice(NICE).ok();
    fs::write("/proc/self/oom_score_adj", FIRST_TO_GO).ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_and_a_whole_fence_is_not() {
        let said = |landlock, filter| Confinement { landlock, filter }.missing();

        assert_eq!(said(true, true), None);
        assert!(said(false, true).unwrap().contains("does not enforce Landlock"));
        assert!(said(true, false).unwrap().contains("does not filter system calls"));
        assert!(said(false, false).unwrap().contains("no component is compiled"));
    }

    #[test]
    fn one_fence_is_enough_and_none_is_not() {
        let enough = |landlock, filter| Confinement { landlock, filter }.is_enough();

        assert!(enough(true, true) && enough(true, false) && enough(false, true));
        assert!(!enough(false, false));
    }
}
