//! Giving memory back to the system.
//!
//! Each thread has a heap of its own. What others free of it becomes its own again when it
//! next allocates or collects; one that waits does neither, and keeps it.

/// Gives back what this thread has had free, and what all have for a second. The allocator
/// does it by itself only when more is asked of it: a server that falls quiet after a burst
/// would keep what the burst took.
#[expect(unsafe_code, reason = "a function of C: see the safety comment")]
pub fn give_memory_back() {
    // SAFETY: takes no pointer, may be called at any time from any thread, and touches free
    // memory only.
    unsafe { libmimalloc_sys::mi_collect(false) };
}
