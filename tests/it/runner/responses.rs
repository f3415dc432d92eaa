//! What counts as a response.

use super::*;

#[tokio::test]
async fn only_a_final_status_is_a_response() {
    let stage = Stage::extension("status").await;

    assert_eq!(stage.call("/599").await.unwrap().status, 599);
    for path in ["/0", "/101", "/199", "/600", "/999", "/65535"] {
        let outcome = stage.call(path).await;
        assert!(matches!(outcome, Err(ExecuteError::BadResponse(_))), "{path}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_header_cannot_carry_a_second_one() {
    let outcome = Stage::extension("injects").await.call("/").await;

    assert!(matches!(outcome, Err(ExecuteError::BadResponse(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_body_over_the_limit_is_an_error() {
    let stage = Stage::extension("answers_big").await;

    assert_eq!(stage.call("/65536").await.unwrap().body.len(), 65_536);
    for path in ["/65537", "/12000000"] {
        let outcome = stage.call(path).await;
        assert!(
            matches!(outcome, Err(ExecuteError::ResponseTooLarge { limit: 65_536 })),
            "{path}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn lists_that_name_the_same_bytes_many_times_are_not_copied() {
    let outcome = Stage::extension("repeats_headers").await.call("/").await;

    let Err(ExecuteError::Trap(text)) = outcome else { panic!("{outcome:?}") };
    assert!(text.contains("fuel"), "{text}");
}

#[tokio::test]
async fn more_headers_than_a_header_map_holds_are_no_response() {
    let outcome = Stage::extension("many_headers").await.call("/").await;

    assert!(matches!(outcome, Err(ExecuteError::BadResponse(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_wasi_http_body_over_the_limit_stops_the_guest() {
    let outcome = Stage::proxy("http").await.call("/big").await;

    assert!(matches!(outcome, Err(ExecuteError::ResponseTooLarge { .. })), "{outcome:?}");
}

#[tokio::test]
async fn a_guest_that_fails_after_its_headers_gave_no_response() {
    let stage = Stage::proxy("http").await;

    let traps = stage.call("/traps").await;
    let loops = stage.call_within("/loops", 100).await;

    assert!(matches!(traps, Err(ExecuteError::Trap(_))), "{traps:?}");
    assert!(matches!(loops, Err(ExecuteError::Deadline(_))), "{loops:?}");
}

#[tokio::test]
async fn a_guest_that_sets_no_response_gave_none() {
    let stage = Stage::proxy("http").await;

    for path in ["/never", "/refuses"] {
        let outcome = stage.call_within(path, 5_000).await;
        assert!(matches!(outcome, Err(ExecuteError::BadResponse(_))), "{path}: {outcome:?}");
    }
}
