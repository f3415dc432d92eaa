//! Which pages were written to, asked as wasmtime asks it (ioctl `PAGEMAP_SCAN`, Linux 6.7).

use std::fs::File;
use std::io;
use std::ops::Range;

use rustix::ioctl::{Updater, ioctl, opcode};

/// Stretches in one answer: more than can be made few enough.
const MOST_STRETCHES: usize = 256;

/// `struct pm_scan_arg` of `linux/fs.h`.
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

const WRITTEN: u64 = 1 << 1;
const OF_FILE: u64 = 1 << 2;
const PRESENT: u64 = 1 << 3;
const OF_ZEROS: u64 = 1 << 5;

/// Addresses of adjacent pages that are there and neither still those of a file nor the page of
/// zeros that all share; of the first ones, if there are more than [`MOST_STRETCHES`].
/// `pagemap` is `/proc/self/pagemap`.
#[expect(unsafe_code, reason = "a call of the kernel with an address: see the safety comment")]
pub(super) fn written_stretches(
    pagemap: &File,
    memory: Range<usize>,
) -> io::Result<Vec<Range<usize>>> {
    let mut regions = [Region::default(); MOST_STRETCHES];
    let mut scan = Scan {
        size: size_of::<Scan>() as u64,
        flags: 0,
        start: memory.start as u64,
        end: memory.end as u64,
        walk_end: 0,
        regions: regions.as_mut_ptr().expose_provenance() as u64,
        regions_len: MOST_STRETCHES as u64,
        max_pages: 0,
        category_inverted: OF_ZEROS | OF_FILE,
        category_mask: WRITTEN | PRESENT | OF_ZEROS | OF_FILE,
        category_anyof_mask: 0,
        return_mask: 0,
    };
    // SAFETY: the two structures are those of this call, and it writes to `scan` and to as many
    // regions as are said to be there, which both outlive it. `start` and `end` are only looked up.
    unsafe {
        ioctl(pagemap, Updater::<{ opcode::read_write::<Scan>(b'f', 16) }, Scan>::new(&mut scan))?;
    }
    // What the kernel has not filled in ends at 0.
    let told = regions.iter().take_while(|region| region.end != 0);
    let address = |told| usize::try_from(told).unwrap_or(usize::MAX);
    Ok(told.map(|region| address(region.start)..address(region.end)).collect())
}
