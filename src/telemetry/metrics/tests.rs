//! What the text of the metrics says.

use super::*;

fn encoded() -> String {
    let started: Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
    let metrics = Metrics::new(started);
    let route = RouteMetrics::new("/api/ext/{name}/{*path}");
    metrics.observe_request(&route, 200, Duration::from_millis(3));
    metrics.observe_request(&route, 204, Duration::from_millis(300));
    metrics.observe_request(&route, 504, Duration::from_secs(40));
    metrics.observe_sweep(&[("upload", 2), ("quarantined", 0)], Some(3));
    metrics.observe_sweep(&[("upload", 1), ("quarantined", 0)], Some(4));
    metrics.observe_sweep(&[("upload", 0)], None);
    metrics.encode(started + Duration::from_secs(90))
}

#[test]
fn requests_are_counted_by_route_and_class_of_status() {
    let text = encoded();
    for line in [
        "http_requests_total{route=\"/api/ext/{name}/{*path}\",status=\"2xx\"} 2",
        "http_requests_total{route=\"/api/ext/{name}/{*path}\",status=\"5xx\"} 1",
        "http_request_duration_seconds_bucket{le=\"0.005\",route=\"/api/ext/{name}/{*path}\"} 1",
        "http_request_duration_seconds_bucket{le=\"+Inf\",route=\"/api/ext/{name}/{*path}\"} 3",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn what_sweeps_removed_adds_up_and_orphans_are_those_of_the_last() {
    let text = encoded();
    for line in [
        "store_swept_total{kind=\"upload\"} 3",
        "store_swept_total{kind=\"quarantined\"} 0",
        "store_orphans 4",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}

#[test]
fn calls_to_servers_are_counted_by_how_they_ended() {
    let metrics = Metrics::new(Timestamp::UNIX_EPOCH);
    metrics.observe_egress("answered", Duration::from_millis(3), [3, 40]);
    metrics.observe_egress("answered", Duration::from_secs(2), [0, 2]);
    metrics.observe_egress("refused", Duration::ZERO, [0, 0]);

    let text = metrics.encode(Timestamp::UNIX_EPOCH);
    for line in [
        "plugboard_egress_calls_total{verdict=\"answered\"} 2",
        "plugboard_egress_calls_total{verdict=\"refused\"} 1",
        "plugboard_egress_duration_seconds_bucket{le=\"0.005\",verdict=\"answered\"} 1",
        "plugboard_egress_duration_seconds_count{verdict=\"answered\"} 2",
        "plugboard_egress_bytes_total{direction=\"sent\"} 3",
        "plugboard_egress_bytes_total{direction=\"received\"} 42",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}

#[test]
fn the_process_is_measured() {
    let text = encoded();
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name} is not in\n{text}")).trim().parse::<i64>().unwrap()
    };

    assert_eq!(value("process_start_time_seconds "), 1_795_420_800);
    assert_eq!(value("process_uptime_seconds "), 90);
    assert!(value("process_resident_memory_bytes ") > 1024 * 1024);
    assert!(value("process_open_fds ") > 2);
    assert!(value("process_max_fds ") >= value("process_open_fds "));
    let cpu = text.lines().find_map(|line| line.strip_prefix("process_cpu_seconds_total "));
    assert!(cpu.unwrap().parse::<f64>().unwrap() > 0.0, "{text}");
    assert!(text.contains("plugboard_build_info{version=\"0.1.0\"} 1\n"), "{text}");
}

#[test]
fn how_things_stand_is_taken_over_and_not_added_up() {
    let metrics = Metrics::new(Timestamp::UNIX_EPOCH);
    let standing = Standing {
        components: vec![("compiled", 4)],
        slots: 8,
        slot_waits: (3, Duration::from_millis(1_500)),
        spans: vec![("exported", 7)],
        installs_enabled: 5,
        disk_free_bytes: 1_024,
        ..Standing::default()
    };
    metrics.observe_standing(&standing);
    metrics.observe_standing(&standing);
    metrics.observe_refusal("busy");
    metrics.observe_replay();
    metrics.observe_callback("clients", "failed", Duration::from_millis(250));

    let text = metrics.encode(Timestamp::UNIX_EPOCH);
    for line in [
        "components_prepared_total{outcome=\"compiled\"} 4",
        "plugboard_slots 8",
        "plugboard_slot_waits_total 3",
        "plugboard_slot_wait_seconds_total 1.5",
        "plugboard_callbacks_total{interface=\"clients\",outcome=\"failed\"} 1",
        "plugboard_callback_time_seconds_total{interface=\"clients\"} 0.25",
        "plugboard_spans_total{outcome=\"exported\"} 7",
        "plugboard_installs{state=\"enabled\"} 5",
        "plugboard_installs{state=\"disabled\"} 0",
        "plugboard_disk_free_bytes 1024",
        "plugboard_calls_refused_total{reason=\"busy\"} 1",
        "plugboard_idempotency_replays_total 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}
