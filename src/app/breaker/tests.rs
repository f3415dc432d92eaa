//! The schedule of a breaker, on a clock that the test moves.

use super::*;

/// A breaker that opens after four failures in a row, and what time it is.
struct Scene {
    breaker: Breaker,
    now: Timestamp,
}

fn scene() -> Scene {
    let config = RunnerConfig {
        breaker_failures: 4,
        breaker_max_pause_ms: 60_000,
        ..RunnerConfig::default()
    };
    let now = Timestamp::from_second(1_790_000_000).unwrap();
    Scene { breaker: Breaker::new(BreakerRule::new(&config), 0), now }
}

impl Scene {
    fn advance_ms(&mut self, ms: i64) {
        self.now += SignedDuration::from_millis(ms);
    }

    fn fail(&mut self) -> Option<Turn> {
        self.breaker.fail(self.now, || "trapped".to_owned())
    }

    fn fail_times(&mut self, times: u32) {
        for _ in 0..times {
            self.fail();
        }
    }

    /// Milliseconds that a call would have to wait.
    fn wait_ms(&self) -> i128 {
        self.breaker.check(self.now).map_or_else(|refused| refused.wait.as_millis(), |()| 0)
    }
}

#[test]
fn failures_in_a_row_open_it_and_one_less_does_not() {
    let mut scene = scene();
    scene.fail_times(3);
    assert_eq!(scene.breaker.check(scene.now), Ok(()));

    let turn = scene.fail();

    let pause = SignedDuration::from_secs(1);
    assert_eq!(turn, Some(Turn::Opened { failures: 4, pause }));
    assert_eq!(scene.breaker.check(scene.now), Err(LeftAlone { failures: 4, wait: pause }));
}

#[test]
fn an_answer_between_failures_starts_the_row_again() {
    let mut scene = scene();
    for _ in 0..5 {
        scene.fail_times(1);
        scene.breaker.succeed(scene.now);
        scene.breaker.succeed(scene.now);
    }

    scene.fail_times(3);

    assert_eq!(scene.wait_ms(), 0);
}

#[test]
fn half_of_twice_as_many_within_thirty_seconds_opens_it() {
    let mut scene = scene();
    for _ in 0..3 {
        scene.fail_times(1);
        scene.breaker.succeed(scene.now);
        scene.advance_ms(5_000);
    }
    scene.breaker.succeed(scene.now);
    assert_eq!(scene.wait_ms(), 0);

    let turn = scene.fail();

    assert!(matches!(turn, Some(Turn::Opened { failures: 4, .. })), "{turn:?}");
}

#[test]
fn failures_that_are_long_past_do_not_count() {
    let mut scene = scene();
    for _ in 0..40 {
        scene.fail_times(1);
        scene.breaker.succeed(scene.now);
        scene.advance_ms(10_000);
    }

    assert_eq!(scene.wait_ms(), 0);
}

#[test]
fn each_failed_try_doubles_the_pause_up_to_the_longest() {
    let mut scene = scene();
    scene.fail_times(4);
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let pause = scene.wait_ms();
        pauses.push(pause / 1_000);
        scene.advance_ms(i64::try_from(pause).unwrap() - 1);
        assert_eq!(scene.wait_ms(), 1);
        scene.advance_ms(1);
        scene.breaker.admit(scene.now).unwrap();
        assert_eq!(scene.fail(), None);
    }

    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(scene.breaker.failing().unwrap().failures, 12);
}

#[test]
fn one_call_tries_for_the_others_and_its_answer_lets_them_through() {
    let mut scene = scene();
    scene.fail_times(4);
    let since = scene.now;
    scene.advance_ms(1_000);

    assert_eq!(scene.breaker.admit(scene.now).map(drop), Ok(()));
    assert!(scene.breaker.admit(scene.now).is_err(), "a second one at the same time");
    let turn = scene.breaker.succeed(scene.now);

    assert_eq!(turn, Some(Turn::Closed { since }));
    assert_eq!(scene.breaker.admit(scene.now).map(drop), Ok(()));
    assert!(scene.breaker.failing().is_none());
}

#[test]
fn a_try_that_says_nothing_leaves_it_to_the_next_call() {
    let mut scene = scene();
    scene.fail_times(4);
    scene.advance_ms(1_000);
    scene.breaker.admit(scene.now).unwrap();

    scene.breaker.pass_over(scene.now);

    assert_eq!(scene.breaker.admit(scene.now).map(drop), Ok(()));
}

#[test]
fn a_try_that_never_ends_is_followed_by_another() {
    let mut scene = scene();
    scene.fail_times(4);
    scene.advance_ms(1_000);
    scene.breaker.admit(scene.now).unwrap();

    scene.advance_ms(1_000);

    assert_eq!(scene.breaker.admit(scene.now).map(drop), Ok(()));
}

#[test]
fn what_began_before_it_opened_changes_nothing() {
    let mut scene = scene();
    scene.fail_times(4);

    assert_eq!(scene.breaker.succeed(scene.now), None);
    assert_eq!(scene.fail(), None);
    scene.breaker.pass_over(scene.now);

    assert_eq!(scene.wait_ms(), 1_000);
}

#[test]
fn a_try_is_known_from_what_began_before() {
    let mut scene = scene();
    let before = scene.breaker.admit(scene.now).unwrap();
    assert!(scene.breaker.is_in(before));
    scene.fail_times(4);
    scene.advance_ms(1_000);

    let try_one = scene.breaker.admit(scene.now).unwrap();
    scene.advance_ms(1_000);
    let try_two = scene.breaker.admit(scene.now).unwrap();

    assert!(!scene.breaker.is_in(before));
    assert!(scene.breaker.is_in(try_one) && scene.breaker.is_in(try_two));
    scene.breaker.succeed(scene.now);
    assert!(!scene.breaker.is_in(try_two), "it works since");
}

#[test]
fn a_clock_that_is_set_back_makes_no_pause_longer() {
    let mut scene = scene();
    scene.fail_times(4);

    scene.advance_ms(-3_600_000);

    assert_eq!(scene.wait_ms(), 0);
}

#[test]
fn installs_that_failed_together_are_tried_one_after_the_other() {
    let mut scene = scene();
    scene.breaker.spread = 255;
    scene.fail_times(4);

    assert_eq!(scene.wait_ms(), 1_100);
}

#[test]
fn zero_failures_switch_it_off() {
    let mut scene = scene();
    scene.breaker.rule.failures = 0;

    scene.fail_times(1_000);

    assert_eq!(scene.wait_ms(), 0);
}
