//! What the kernel is asked, and what it answers.

use std::ptr;

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};

use super::*;

/// Puts an entry in the place of a page, as one that was swapped out or is being moved has
/// (`MADV_GUARD_INSTALL`, Linux 6.13).
const GUARD: c_int = 102;

/// Eight pages that nothing has written to, never unmapped.
#[expect(unsafe_code, reason = "a mapping of its own")]
fn eight_pages() -> &'static [u8] {
    let (rights, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
    let length = 8 * page_size();
    // SAFETY: nothing is there before, and it stays.
    let memory = unsafe { mmap_anonymous(ptr::null_mut(), length, rights, flags) };
    // SAFETY: as long as the mapping; all zeros.
    unsafe { std::slice::from_raw_parts(memory.unwrap().cast::<u8>(), length) }
}

fn addresses(memory: &[u8], pages: Range<usize>) -> Range<usize> {
    let at = |page: usize| memory.as_ptr().addr() + page * page_size();
    at(pages.start)..at(pages.end)
}

fn written(memory: &[u8]) -> Vec<Range<usize>> {
    let pagemap = File::open("/proc/self/pagemap").unwrap();
    written_stretches(&pagemap, addresses(memory, 0..8)).unwrap()
}

#[expect(unsafe_code, reason = "pages of a mapping of its own")]
fn write_to(memory: &[u8], pages: Range<usize>) {
    let pages = addresses(memory, pages);
    let start = ptr::with_exposed_provenance_mut(pages.start);
    // SAFETY: changes no byte.
    unsafe { madvise(start, pages.len(), Advice::LinuxPopulateWrite) }.unwrap();
}

#[test]
fn a_stretch_is_of_pages_that_were_written_to() {
    let memory = eight_pages();
    // Read, and so there, but as the page of all zeros.
    assert!(memory.iter().step_by(page_size()).all(|byte| *byte == 0));

    write_to(memory, 1..3);
    write_to(memory, 6..7);

    assert_eq!(written(memory), [addresses(memory, 1..3), addresses(memory, 6..7)]);
}

#[test]
#[expect(unsafe_code, reason = "pages of a mapping of its own, that nothing reads any more")]
fn a_page_that_is_not_there_counts_as_well() {
    let memory = eight_pages();
    write_to(memory, 2..3);

    let gone = addresses(memory, 4..5);
    // SAFETY: nothing reads or writes there afterwards.
    let done =
        unsafe { libc::madvise(ptr::with_exposed_provenance_mut(gone.start), gone.len(), GUARD) };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());

    assert_eq!(written(memory), [addresses(memory, 2..3), gone]);
}

#[test]
#[expect(unsafe_code, reason = "a call of the kernel with an address that it does not look at")]
fn another_question_has_no_answer() {
    let memory = eight_pages();
    write_to(memory, 2..3);
    let ask = |start: usize, end: usize| {
        let mut scan = Scan {
            size: size_of::<Scan>() as u64,
            start: start as u64,
            end: end as u64,
            category_mask: WRITTEN | PRESENT,
            ..Scan::default()
        };
        let pagemap = File::open("/proc/self/pagemap").unwrap();
        // SAFETY: without room for regions the kernel writes to `scan` alone.
        unsafe { rustix::ioctl::ioctl(pagemap, Updater::<PAGEMAP_SCAN, Scan>::new(&mut scan)) }
    };
    let Range { start, end } = addresses(memory, 0..8);

    assert_eq!(ask(start, end), Err(rustix::io::Errno::INVAL));
    assert_eq!(ask(end, end), Ok(()));
}

#[test]
fn what_wasmtime_asks_passes_through_here() {
    assert!(is_exact());
}
