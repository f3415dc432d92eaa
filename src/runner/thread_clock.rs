//! What a thread has had of a processor, mostly without asking the kernel.
//!
//! To ask takes half a microsecond, three times as much where threads wait for the processor,
//! and is done twice in each turn of an execution. But a thread that has not left its processor
//! since it asked has had all the time that has passed since then, and the clock on the wall is
//! read twenty times as fast.
//!
//! Whether it has left, the kernel says by the way. A thread may tell it the address of a
//! restartable sequence (`rseq_cs` in linux/rseq.h); when the kernel has stopped the thread
//! outside of that sequence, to let another one run or to deliver a signal, it clears the
//! address. The sequence told here is empty, so that every stop is outside of it, and nothing
//! is ever restarted.
//!
//! The C library has registered each thread (glibc 2.35 and later). Where it has not, and where
//! the kernel leaves the address to a thread that stopped of its own accord, as Linux 6.19 does,
//! the kernel is asked each time.

use std::cell::Cell;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use self::stay::Stay;

/// For how long an answer of the kernel is counted on from. The two clocks are not quite as fast
/// as each other, and what a hypervisor gives to others is no time of the thread's.
const COUNTED_ON: Duration = Duration::from_millis(1);

thread_local! {
    static ANSWERED: Cell<Option<Answer>> = const { Cell::new(None) };
}

/// What the kernel said, and when.
#[derive(Clone, Copy)]
struct Answer {
    thread_ns: u64,
    at: Instant,
}

/// Nanoseconds that this thread has had of a processor since it began.
pub(super) fn thread_ns() -> u64 {
    let Some(stay) = Stay::of_this_thread() else { return ask() };
    if let Some(Answer { thread_ns, at }) = ANSWERED.get() {
        let since = at.elapsed();
        // After the clock: a thread that was stopped before it looked has been away.
        if since < COUNTED_ON && stay.lasts() {
            return thread_ns + u64::from(since.subsec_nanos());
        }
    }
    // Before both clocks: one that is stopped between them has no answer to count on from.
    stay.begin();
    let thread_ns = ask();
    ANSWERED.set(Some(Answer { thread_ns, at: Instant::now() }));
    thread_ns
}

fn ask() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // Neither is ever negative.
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

/// The part of the kernel's interface that differs by processor.
#[cfg(all(target_os = "linux", target_arch = "x86_64", target_pointer_width = "64"))]
mod stay {
    use std::arch::asm;
    use std::ffi::CStr;
    use std::marker::PhantomData;
    use std::sync::LazyLock;
    use std::sync::atomic::Ordering::{Relaxed, SeqCst};
    use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, compiler_fence};
    use std::thread;
    use std::time::Duration;

    /// How often a thread sleeps to see whether the kernel notes it.
    const TRIES: usize = 8;

    /// Where a thread tells the kernel its sequence; of no use to another one.
    pub(super) struct Stay(&'static AtomicPtr<Sequence>, PhantomData<*const ()>);

    /// What `struct rseq_cs` of linux/rseq.h is.
    #[repr(C, align(32))]
    struct Sequence {
        version: u32,
        flags: u32,
        start: u64,
        bytes: u64,
        /// The kernel wants to find a signature before it.
        abort: &'static u32,
    }

    /// The beginning of `struct rseq`.
    #[repr(C)]
    struct Registered {
        first_processor: AtomicU32,
        /// Negative: the thread is not registered.
        processor: AtomicI32,
        sequence: AtomicPtr<Sequence>,
    }

    /// The signature with which the C library registers (`RSEQ_SIG` of sys/rseq.h), and where
    /// a thread would go on that was stopped within the sequence.
    static SIGNED: [u32; 2] = [0x5305_3053, 0];
    static EMPTY: Sequence =
        Sequence { version: 0, flags: 0, start: 0, bytes: 0, abort: &SIGNED[1] };

    /// Bytes from the address of a thread to what is registered of it, if it is of use.
    #[expect(unsafe_code, reason = "names of the C library: see the safety comments")]
    static OFFSET: LazyLock<Option<isize>> = LazyLock::new(|| {
        // A C library that is older than these names has none of it.
        // SAFETY: an `unsigned int`, set before the program begins (sys/rseq.h).
        let bytes: u32 = unsafe { value_of(c"__rseq_size") }?;
        // SAFETY: a `ptrdiff_t`, set before the program begins (sys/rseq.h).
        let offset = unsafe { value_of(c"__rseq_offset") }?;
        if bytes == 0 {
            return None;
        }
        let notes_sleep = |_| {
            Stay::at(offset).is_some_and(|stay| {
                stay.begin();
                thread::sleep(Duration::from_micros(1));
                !stay.lasts()
            })
        };
        (0..TRIES).all(notes_sleep).then_some(offset)
    });

    /// What the C library keeps under a name.
    ///
    /// # Safety
    ///
    /// If there is something under that name it is a `T`, and nobody changes it.
    #[expect(unsafe_code, reason = "a name of the C library: see the safety comments")]
    unsafe fn value_of<T: Copy>(name: &CStr) -> Option<T> {
        // SAFETY: looks a name up that ends with 0.
        let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        // SAFETY: as the caller promises.
        (!address.is_null()).then(|| unsafe { address.cast::<T>().read() })
    }

    impl Stay {
        /// Inlined: it is asked for twice in each turn.
        #[inline]
        pub(super) fn of_this_thread() -> Option<Self> {
            Self::at((*OFFSET)?)
        }

        #[inline]
        #[expect(unsafe_code, reason = "what is kept for a thread: see the safety comments")]
        fn at(offset: isize) -> Option<Self> {
            let thread: *const Registered;
            // SAFETY: the address of a thread is the first of what is kept for it (System V ABI,
            // "Thread-Local Storage").
            unsafe {
                asm!("mov {}, fs:0", out(reg) thread, options(nostack, preserves_flags, readonly));
            };
            // SAFETY: the library has registered it so many bytes away, for as long as the thread
            // lives, and a `Stay` does not outlive a call on its thread. Nobody else writes there
            // but the kernel, on behalf of this thread.
            let registered = unsafe { &*thread.wrapping_byte_offset(offset) };
            let is_registered = registered.processor.load(Relaxed) >= 0;
            is_registered.then_some(Self(&registered.sequence, PhantomData))
        }

        /// From here on the kernel notes when it stops the thread.
        pub(super) fn begin(&self) {
            self.0.store((&raw const EMPTY).cast_mut(), Relaxed);
            compiler_fence(SeqCst);
        }

        /// Whether it has not been stopped since.
        pub(super) fn lasts(&self) -> bool {
            compiler_fence(SeqCst);
            !self.0.load(Relaxed).is_null()
        }
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64", target_pointer_width = "64")))]
mod stay {
    /// There is none.
    pub(super) enum Stay {}

    impl Stay {
        pub(super) fn of_this_thread() -> Option<Self> {
            None
        }

        pub(super) fn begin(&self) {
            match *self {}
        }

        pub(super) fn lasts(&self) -> bool {
            match *self {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// Tries that a machine may need that has other things to do.
    const TRIES: usize = 1_000;

    fn asked_at() -> Option<Instant> {
        ANSWERED.get().map(|answer| answer.at)
    }

    #[test]
    fn the_kernel_is_not_asked_each_time() {
        let is_counted_on = |_: usize| {
            thread_ns();
            let before = asked_at();
            thread_ns();
            before.is_some() && before == asked_at()
        };
        // Elsewhere it has to be asked.
        assert_eq!((0..TRIES).any(is_counted_on), Stay::of_this_thread().is_some());
    }

    #[test]
    fn who_was_away_asks_again() {
        let asks_again = |_: usize| {
            let began = Instant::now();
            thread_ns();
            let asked = asked_at();
            thread::sleep(Duration::from_micros(50));
            thread_ns();
            // Had it been for longer, it would ask in any case.
            (began.elapsed() < COUNTED_ON).then(|| asked.is_none() || asked != asked_at())
        };
        assert_eq!((0..TRIES).find_map(asks_again), Some(true));
    }

    #[test]
    fn an_answer_is_not_counted_on_from_for_ever() {
        let at = Instant::now().checked_sub(COUNTED_ON);
        ANSWERED.set(at.map(|at| Answer { thread_ns: 0, at }));
        if let Some(stay) = Stay::of_this_thread() {
            stay.begin();
        }

        assert!(ask() <= thread_ns());
        assert!(Stay::of_this_thread().is_none() || asked_at() > at);
    }

    #[test]
    fn threads_that_sleep_and_stop_one_another_have_what_the_kernel_says() {
        const AWAY: Duration = Duration::from_micros(300);
        const OFF_NS: u64 = 200_000;
        let count = || {
            let (began, mut all, mut off) = (Instant::now(), 0, 0);
            while began.elapsed() < Duration::from_millis(200) {
                thread_ns();
                thread::sleep(AWAY);
                let (before, counted, after) = (ask(), thread_ns(), ask());
                all += 1;
                off += usize::from(counted + OFF_NS < before || counted > after + OFF_NS);
            }
            // What a hypervisor takes is counted now and then, for a millisecond at most.
            assert!(off * 5 <= all, "{off} of {all} are off by {OFF_NS} ns");
        };
        thread::scope(|threads| {
            for _ in 0..8 {
                threads.spawn(count);
            }
        });
    }
}
