//! Sizes, times and hashes as people read them.

use super::*;

#[test]
fn a_size_has_its_exact_number_beside_it() {
    let size = ByteSize::new(13_002_342);

    assert_eq!((&*size.text, &*size.exact), ("12.4 MiB", "13,002,342 bytes"));
}

#[test]
fn stretches_of_time_have_two_or_three_digits() {
    for (us, text) in [
        (0, "0 µs"),
        (999, "999 µs"),
        (3_149, "3.1 ms"),
        (9_960, "10 ms"),
        (23_500, "24 ms"),
        (1_250_000, "1.2 s"),
        (61_000_000, "61 s"),
    ] {
        assert_eq!(elapsed(us), text);
    }
}

#[test]
fn times_are_told_in_the_largest_whole_unit() {
    for (seconds, text) in [
        (0, "just now"),
        (-59, "just now"),
        (-60, "1 minute ago"),
        (-2 * HOUR, "2 hours ago"),
        (-40 * DAY, "1 month ago"),
        (23 * HOUR, "in 23 hours"),
        (-800 * DAY, "2 years ago"),
    ] {
        assert_eq!(relative(seconds), text);
    }
}

#[test]
fn a_hash_is_shown_by_its_ends() {
    let hash = ShortHash::from(ContentHash::from([0xab; 32]));

    assert_eq!(hash.short, "sha256:abab…abab");
}
