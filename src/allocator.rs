//! Giving memory back to the system.
//!
//! In pages of 2 MiB memory is taken where a few bytes of it are needed, and given back where
//! nothing of it is. After guests that meant harm a server held four times as much of its heap
//! in them, and executions cost the same without.
//!
//! Each thread has a heap of its own. What others free of it becomes its own again when it
//! next allocates or collects; one that waits does neither, and keeps it.

use rustix::thread::disable_transparent_huge_pages;

/// Has this process, and those that it starts, take memory in small pages alone, whatever the
/// system does for others (`PR_SET_THP_DISABLE` of prctl(2)).
pub fn take_small_pages() {
    // Where that is not allowed, all works as well and takes more memory.
    let _: rustix::io::Result<()> = disable_transparent_huge_pages(true);
}

/// Gives back what this thread has had free, and what all have for a second. The allocator
/// does it by itself only when more is asked of it: a server that falls quiet after a burst
/// would keep what the burst took.
#[expect(unsafe_code, reason = "a function of C: see the safety comment")]
pub fn give_memory_back() {
    // SAFETY: takes no pointer, may be called at any time from any thread, and touches free
    // memory only.
    unsafe { libmimalloc_sys::mi_collect(false) };
}
