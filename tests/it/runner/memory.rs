//! What a guest has written to is taken back without the pages under it.

use super::*;
use crate::support::{again, is_again, passes};

/// Page faults of this process that no disk was read for.
fn page_faults() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, behind_the_name) = stat.rsplit_once(')').unwrap();
    behind_the_name.split_ascii_whitespace().nth(7).unwrap().parse().unwrap()
}

/// A guest that writes to 64 places far from each other finds each time what was there at
/// first, and after a while takes no page fault for it.
#[test]
fn places_that_guests_write_to_stay_there() {
    const CALLS: u64 = 200;
    if !is_again() {
        return passes(again("runner::memory::places_that_guests_write_to_stay_there"));
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let stage = Stage::extension("scatters").await;
        let until = Instant::now() + Duration::from_mins(1);
        let mut faults_per_call = Vec::new();
        while faults_per_call.last().is_none_or(|faults| *faults > 2) {
            assert!(Instant::now() < until, "page faults of each call: {faults_per_call:?}");
            let before = page_faults();
            for _ in 0..CALLS {
                assert_eq!(stage.call("/").await.unwrap().body[..], 3u64.to_le_bytes());
            }
            faults_per_call.push((page_faults() - before) / CALLS);
        }
        assert!(faults_per_call[0] > 20, "nothing was to be mended: {faults_per_call:?}");
    });
}
