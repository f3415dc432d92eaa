//! Which pages were written to, as the kernel tells it (ioctl `PAGEMAP_SCAN`, Linux 6.7), and so
//! that wasmtime is told of all of them.
//!
//! After an execution wasmtime 48 asks for the pages that were written to and *are there*, and
//! copies these back. A page that the kernel has swapped out is not there, nor is one that it is
//! just moving to another place; wasmtime does not hear of it, and the next guest in that memory,
//! of whichever tenant, reads what the last one left (wasmtime's pull request 14357). While the
//! kernel compacts memory that happens once in some hundred executions. So the question passes
//! through here, where "is there" becomes "is there or elsewhere": all pages that were written to
//! are the answer, and to copy one back waits until it is there again. What is not that question
//! gets no answer: a later wasmtime may ask in a way that misses pages, too, and without an answer
//! it clears all that there is. Only about no page at all anything may be asked, as wasmtime does to
//! find out whether it may.
//!
//! That takes rustix, by which wasmtime asks, to call the C library's `ioctl` (its feature
//! `use-libc`), and this program to have a function of that name, which is found first.
//! [`is_exact`] is false where the question came by another way.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rustix::ioctl::{Opcode, Updater, opcode};
use rustix::param::page_size;
use wasmtime::PoolingAllocationConfig;

/// Stretches in one answer of [`written_stretches`].
const MOST_STRETCHES: usize = 256;

/// `struct pm_scan_arg` of `linux/fs.h`.
#[derive(Default)]
#[repr(C)]
struct Scan {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    regions: u64,
    regions_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// `struct page_region` of `linux/fs.h`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Region {
    start: u64,
    end: u64,
    categories: u64,
}

const PAGEMAP_SCAN: Opcode = opcode::read_write::<Scan>(b'f', 16);
const WRITTEN: u64 = 1 << 1;
const OF_FILE: u64 = 1 << 2;
const PRESENT: u64 = 1 << 3;
/// Elsewhere: swapped out, or on its way to another place.
const SWAPPED: u64 = 1 << 4;
const OF_ZEROS: u64 = 1 << 5;
/// What wasmtime asks for: written to and there, and neither of a file nor the page of zeros.
const ASKED_FOR: u64 = WRITTEN | PRESENT | OF_ZEROS | OF_FILE;
const NOT: u64 = OF_ZEROS | OF_FILE;

/// Another question was asked than the one that is mended here.
static IS_UNKNOWN: AtomicBool = AtomicBool::new(false);
const UNKNOWN: &str = "wasmtime asks in another way which pages were written to";

thread_local! {
    /// A question of this thread has passed through here.
    static HAS_PASSED: Cell<bool> = const { Cell::new(false) };
}

/// The C library's function, in its place for the whole program.
///
/// # Safety
///
/// As of ioctl(2): `argument` is what `request` says.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the name is that of the C library: see the module")]
#[unsafe(no_mangle)]
unsafe extern "C" fn ioctl(fd: c_int, request: libc::Ioctl, argument: *mut c_void) -> c_int {
    if request as Opcode == PAGEMAP_SCAN {
        // SAFETY: who makes this request hands over this structure, and waits.
        let scan = unsafe { &mut *argument.cast::<Scan>() };
        if (scan.category_mask, scan.category_inverted, scan.category_anyof_mask)
            == (ASKED_FOR, NOT, 0)
        {
            scan.category_mask &= !PRESENT;
            scan.category_anyof_mask = PRESENT | SWAPPED;
        } else if scan.start != scan.end {
            if !IS_UNKNOWN.swap(true, Relaxed) {
                tracing::warn!("The memories of guests are cleared whole, at more cost: {UNKNOWN}");
            }
            // SAFETY: points to a number of this thread.
            unsafe { *libc::__errno_location() = libc::EINVAL };
            return -1;
        }
        HAS_PASSED.set(true);
    }
    // SAFETY: as the caller promises; nothing else was changed.
    let result = unsafe { libc::syscall(libc::SYS_ioctl, fd, request, argument) };
    // What a call of the kernel answers is an int here.
    c_int::try_from(result).unwrap_or(c_int::MAX)
}

/// Whether wasmtime is told of every page that was written to.
pub(super) fn is_exact() -> bool {
    HAS_PASSED.set(false);
    // By which it asks the kernel once, by its own way.
    let is_asked = PoolingAllocationConfig::is_pagemap_scan_available() && HAS_PASSED.get();
    is_asked && tells_of_what_is_written()
}

/// Whether the answer has a page that was written to just now.
fn tells_of_what_is_written() -> bool {
    let page = page_size();
    let bytes = vec![1u8; 2 * page];
    let start = bytes.as_ptr().addr().next_multiple_of(page);
    let written = || written_stretches(&File::open("/proc/self/pagemap")?, start..start + page);
    written().is_ok_and(|told| told.iter().eq([&(start..start + page)]))
}

/// Addresses of adjacent pages that were written to: neither those of a file nor the page of
/// zeros that all share. Those of the first ones, if there are more than [`MOST_STRETCHES`].
/// `pagemap` is `/proc/self/pagemap`.
#[expect(unsafe_code, reason = "a call of the kernel with an address: see the safety comment")]
pub(super) fn written_stretches(
    pagemap: &File,
    memory: Range<usize>,
) -> io::Result<Vec<Range<usize>>> {
    let mut regions = [Region::default(); MOST_STRETCHES];
    let mut scan = Scan {
        size: size_of::<Scan>() as u64,
        start: memory.start as u64,
        end: memory.end as u64,
        regions: regions.as_mut_ptr().expose_provenance() as u64,
        regions_len: MOST_STRETCHES as u64,
        category_inverted: NOT,
        category_mask: ASKED_FOR,
        ..Scan::default()
    };
    // SAFETY: the two structures are those of this call, and it writes to `scan` and to as many
    // regions as are said to be there, which both outlive it. `start` and `end` are only looked up.
    unsafe {
        rustix::ioctl::ioctl(pagemap, Updater::<PAGEMAP_SCAN, Scan>::new(&mut scan))?;
    }
    // What the kernel has not filled in ends at 0.
    let told = regions.iter().take_while(|region| region.end != 0);
    let address = |told| usize::try_from(told).unwrap_or(usize::MAX);
    Ok(told.map(|region| address(region.start)..address(region.end)).collect())
}

#[cfg(test)]
mod tests;
