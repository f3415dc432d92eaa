//! The system calls of a compiler: all others fail with EPERM.
//!
//! Landlock knows files and some of the network; this knows no socket at all, no other
//! program and no other process.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};

/// What memory, threads and pipes need. A `memfd` is where the engine puts the first content
/// of a memory.
const ALLOWED: [i64; 42] = [
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_clone3,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_ftruncate,
    libc::SYS_futex,
    libc::SYS_getcpu,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_memfd_create,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    libc::SYS_statx,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_write,
    libc::SYS_writev,
];

/// A system call that is allowed with one value of an argument, seen through a mask.
struct Only {
    call: i64,
    argument: u8,
    mask: u64,
    value: u64,
}

/// Filters the calls of this thread and of those it starts; says whether that is possible.
pub(super) fn filter() -> bool {
    install().inspect_err(|error| tracing::debug!("No filter of system calls: {error}")).is_ok()
}

fn install() -> Result<(), seccompiler::Error> {
    // Its flags lie in memory, where no filter sees them: the C library then takes `clone`.
    let without_clone3 = program(
        BTreeMap::from([(libc::SYS_clone3, Vec::new())]),
        SeccompAction::Allow,
        SeccompAction::Errno(errno(libc::ENOSYS)),
    )?;
    let mut rules: BTreeMap<_, _> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    for Only { call, argument, mask, value } in conditional() {
        let (length, operator) = (SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(mask));
        let condition = SeccompCondition::new(argument, length, operator, value)?;
        rules.entry(call).or_insert_with(Vec::new).push(SeccompRule::new(vec![condition])?);
    }
    let denied = SeccompAction::Errno(errno(libc::EPERM));
    let only_these = program(rules, denied, SeccompAction::Allow)?;
    // In this order: the second does not allow to add another.
    apply_filter(&without_clone3)?;
    apply_filter(&only_these)
}

fn conditional() -> [Only; 5] {
    const WHOLE: u64 = u32::MAX as u64;
    const PR_SET_VMA: u64 = 0x5356_4d41;

    let thread = libc::CLONE_THREAD.cast_unsigned().into();
    [
        // Threads, and no process.
        Only { call: libc::SYS_clone, argument: 0, mask: thread, value: thread },
        // Signals to itself: that is how it aborts.
        Only { call: libc::SYS_tgkill, argument: 0, mask: WHOLE, value: std::process::id().into() },
        // Its own limits, that it can only lower.
        Only { call: libc::SYS_prlimit64, argument: 0, mask: WHOLE, value: 0 },
        // Names of threads and of memory.
        Only {
            call: libc::SYS_prctl,
            argument: 0,
            mask: WHOLE,
            value: libc::PR_SET_NAME.cast_unsigned().into(),
        },
        Only { call: libc::SYS_prctl, argument: 0, mask: WHOLE, value: PR_SET_VMA },
    ]
}

fn program(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    others: SeccompAction,
    these: SeccompAction,
) -> Result<BpfProgram, seccompiler::Error> {
    let target = TargetArch::try_from(std::env::consts::ARCH)?;
    Ok(SeccompFilter::new(rules, others, these, target)?.try_into()?)
}

fn errno(number: i32) -> u32 {
    number.cast_unsigned()
}
