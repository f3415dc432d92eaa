//! Keeps what a script engine writes to in its memory in few pieces.
//!
//! When an execution is over, wasmtime asks the kernel which pages it wrote to and copies
//! these back from the image of the memory. It takes 32 stretches of such pages for an answer,
//! a number that is fixed in it; all that lies behind the last one goes back to the kernel, and
//! the next execution takes a page fault for each page that it writes to there. A script engine
//! writes to some sixty stretches, many of them a few pages apart. So short gaps between two
//! stretches are made part of them: to copy a few pages costs less than a fault.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::ops::Range;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;
use std::{mem, ptr, thread};

use rustix::mm::{Advice, madvise};
use rustix::param::page_size;

use super::engine::MEMORY_RESIDENT_BYTES;
use super::pagemap::written_stretches;

/// How many stretches wasmtime takes for an answer (`MAX_REGIONS` of its `pagemap.rs`).
const STRETCHES: usize = 32;
/// How many are left where there were more: what lies behind the last one shows only when
/// there is room for it.
const LEFT: usize = 24;
/// Pages of a gap that may be filled: more take longer to copy than a fault takes.
const GAP_PAGES: usize = 16;
/// Page faults of the process in a second that make it worth a look.
const FAULTS_PER_S: u64 = 1_000;
/// Between two looks; twice as long after each that found nothing.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(16);
/// How the mapping of an image is listed: it is of a file in memory, wasmtime's or that of the
/// compiled code that it is part of.
const IMAGE: &str = "/memfd:";

/// A thread that looks at the memories of guests while page faults are many. It ends when
/// this is dropped.
pub(super) struct GapFiller {
    _stop: Sender<()>,
}

impl GapFiller {
    /// Starts the thread. Its priority is that of others: what it asks of the kernel holds up
    /// whoever changes a mapping meanwhile.
    pub(super) fn start() -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel::<()>();
        let look = move || {
            let (mut pause, mut seen) = (PAUSE, page_faults().unwrap_or_default());
            let mut has_warned = false;
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                let Some(faults) = page_faults() else { continue };
                let are_many = faults.saturating_sub(seen) >= FAULTS_PER_S * pause.as_secs();
                seen = faults;
                pause = match are_many.then(fill_gaps) {
                    Some(Ok(0)) => (pause * 2).min(LONGEST_PAUSE),
                    None | Some(Ok(_)) => PAUSE,
                    Some(Err(error)) => {
                        if !mem::replace(&mut has_warned, true) {
                            tracing::warn!("Could not look at what guests write to: {error}");
                        }
                        LONGEST_PAUSE
                    }
                };
            }
        };
        thread::Builder::new().name("runner-memory".to_owned()).spawn(look)?;
        Ok(Self { _stop: stop })
    }
}

/// Page faults of this process so far that no disk was read for (proc(5), `minflt`).
fn page_faults() -> Option<u64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, behind_the_name) = stat.rsplit_once(')')?;
    behind_the_name.split_ascii_whitespace().nth(7)?.parse().ok()
}

/// Fills gaps in all memories of guests; says how many.
fn fill_gaps() -> io::Result<usize> {
    let memories = memories(BufReader::new(File::open("/proc/self/maps")?))?;
    let pagemap = File::open("/proc/self/pagemap")?;
    let mut filled = 0;
    for memory in memories {
        let stretches = written_stretches(&pagemap, memory)?;
        for gap in gaps_to_fill(&stretches, page_size()) {
            filled += usize::from(populate(gap));
        }
    }
    Ok(filled)
}

/// Addresses of the memories that have an image, as proc(5) lists them. The image is followed
/// and may be preceded by what was grown of the memory; around that nothing can be written.
fn memories(maps: impl BufRead) -> io::Result<Vec<Range<usize>>> {
    let mut memories = Vec::new();
    let mut run = 0..0;
    let mut has_image = false;
    for line in maps.lines() {
        let line = line?;
        let writable = mapping(&line);
        let follows = writable.as_ref().is_some_and(|(addresses, _)| addresses.start == run.end);
        if !follows && has_image {
            memories.push(run.clone());
        }
        match writable {
            Some((addresses, is_image)) if follows => {
                run.end = addresses.end;
                has_image |= is_image;
            }
            Some((addresses, is_image)) => (run, has_image) = (addresses, is_image),
            None => (run, has_image) = (0..0, false),
        }
    }
    if has_image {
        memories.push(run);
    }
    Ok(memories)
}

/// The addresses of a mapping that is writable, private, and of an image or of nothing; and
/// whether it is of an image.
fn mapping(line: &str) -> Option<(Range<usize>, bool)> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let rights = fields.next()?;
    // Offset, device and number of the file.
    let name = fields.nth(3);
    let is_image = name.is_some_and(|name| name.starts_with(IMAGE));
    let is_guests = rights == "rw-p" && (is_image || name.is_none());
    let address = |hex| usize::from_str_radix(hex, 16).ok();
    is_guests.then_some((address(start)?..address(end)?, is_image))
}

/// The shortest gaps that leave few enough stretches; none if there are few enough, or if short
/// gaps do not suffice, or if more would be to copy than wasmtime copies.
fn gaps_to_fill(stretches: &[Range<usize>], page: usize) -> Vec<Range<usize>> {
    if stretches.len() < STRETCHES {
        return Vec::new();
    }
    let between = |pair: &[Range<usize>]| pair[0].end..pair[1].start;
    let mut gaps: Vec<_> = stretches.windows(2).map(between).collect();
    gaps.retain(|gap| gap.len() <= GAP_PAGES * page);
    gaps.sort_by_key(ExactSizeIterator::len);
    gaps.truncate(stretches.len() - LEFT);
    let bytes: usize = stretches.iter().chain(&gaps).map(ExactSizeIterator::len).sum();
    let is_enough = stretches.len() - gaps.len() < STRETCHES && bytes <= MEMORY_RESIDENT_BYTES;
    if is_enough { gaps } else { Vec::new() }
}

/// Has the kernel make pages of a memory its own, as a write does, whose bytes stay as they
/// are; says whether it did. From then on they are copied back with those around them.
#[expect(unsafe_code, reason = "advice about addresses: see the safety comment")]
fn populate(addresses: Range<usize>) -> bool {
    let start = ptr::without_provenance_mut(addresses.start);
    // SAFETY: this advice changes no byte, no mapping and no right (madvise(2),
    // `MADV_POPULATE_WRITE`), whoever reads or writes there meanwhile. What has been mapped
    // there since is another memory, which keeps its bytes, too; what is not mapped any more,
    // or must not be written, is refused.
    unsafe { madvise(start, addresses.len(), Advice::LinuxPopulateWrite) }.is_ok()
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    const PAGE: usize = 4096;

    #[test]
    fn a_memory_is_its_image_and_what_is_grown_around_it() {
        let maps = "\
            1000-3000 rw-p 00000000 00:00 0 \n\
            3000-5000 rw-p 00002000 00:01 7                 /memfd:wasm-memory-image (deleted)\n\
            5000-9000 rw-p 00000000 00:00 0 \n\
            9000-a000 ---p 00000000 00:00 0 \n\
            a000-b000 rw-p 00000000 00:00 0 \n\
            b000-c000 r--p 00000000 00:01 7                 /memfd:wasm-memory-image (deleted)\n\
            c000-d000 rw-p 00000000 00:00 0                 [heap]\n\
            d000-e000 rw-p 00000000 08:01 9                 /var/lib/a file\n\
            e000-f000 rw-p 00000000 00:01 8                 /memfd:plugboard (deleted)\n";

        assert_eq!(memories(maps.as_bytes()).unwrap(), [0x1000..0x9000, 0xe000..0xf000]);
    }

    /// Stretches of one page, with gaps of so many pages between them.
    fn with_gaps(pages: impl IntoIterator<Item = usize>) -> Vec<Range<usize>> {
        let mut start = 0;
        let starts = iter::once(0).chain(pages.into_iter().map(|gap| (gap + 1) * PAGE));
        let next = |distance| {
            start += distance;
            start..start + PAGE
        };
        starts.map(next).collect()
    }

    fn filled(stretches: &[Range<usize>]) -> Vec<usize> {
        gaps_to_fill(stretches, PAGE).iter().map(|gap| gap.len() / PAGE).collect()
    }

    #[test]
    fn the_shortest_gaps_are_filled_until_there_is_room() {
        let lengths = (1..=40).map(|number| if number % 2 == 0 { 100 } else { number % 16 });

        let mut shortest: Vec<_> = (1..=40).step_by(2).map(|number| number % 16).collect();
        shortest.sort_unstable();
        assert_eq!(filled(&with_gaps(lengths)), shortest[..41 - LEFT]);
    }

    #[test]
    fn nothing_is_filled_where_it_is_of_no_use() {
        let few = with_gaps([1; STRETCHES - 2]);
        let far_apart = with_gaps([GAP_PAGES + 1; STRETCHES]);
        let most_far_apart = with_gaps((0..80).map(|number| if number < 40 { 1 } else { 100 }));
        let much = with_gaps([GAP_PAGES; 50]);

        for stretches in [few, far_apart, most_far_apart, much] {
            assert_eq!(filled(&stretches), [0; 0], "{} stretches", stretches.len());
        }
        assert_eq!(filled(&with_gaps([1; STRETCHES - 1])), [1; STRETCHES - LEFT]);
    }

    #[test]
    fn faults_are_counted() {
        let before = page_faults().unwrap();
        drop(vec![1u8; 64 << 20]);
        assert!(page_faults().unwrap() > before);
    }

    #[test]
    fn populating_keeps_what_is_there() {
        let page = page_size();
        let bytes = vec![7u8; page * 4];
        let start = (bytes.as_ptr().addr()).next_multiple_of(page);

        assert!(populate(start..start + page));
        assert!(!populate(0..page), "nothing is mapped there");
        assert!(bytes.iter().all(|byte| *byte == 7));
    }
}
