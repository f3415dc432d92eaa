//! The least and the most of every number.

use figment::value::Value;

use super::{Config, problems::Findings};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;
const HOUR_MS: u64 = 60 * 60 * 1000;
const DAY_S: u64 = 24 * 60 * 60;
const ANY: u64 = i64::MAX.cast_unsigned();

/// Key, least and most. The upper ends of limits on untrusted input are what
/// the appliance was designed for, not what a machine could bear.
const RANGES: &[(&str, u64, u64)] = &[
    ("server.header_timeout_ms", 1, HOUR_MS),
    ("server.idle_timeout_ms", 1, HOUR_MS),
    ("server.write_timeout_ms", 1, HOUR_MS),
    ("server.min_body_bytes_per_s", 1, GIB),
    ("server.body_grace_ms", 1, HOUR_MS),
    ("server.max_head_bytes", 8 * KIB, MIB),
    ("server.max_headers", 8, 1024),
    ("server.max_url_bytes", 256, 32 * KIB),
    ("server.max_requests_per_connection", 1, ANY),
    ("server.max_connections", 1, 1_000_000),
    ("server.max_connections_per_ip", 1, 1_000_000),
    ("server.shutdown_grace_ms", 0, HOUR_MS),
    ("auth.session_idle_s", 60, 30 * DAY_S),
    ("auth.session_absolute_s", 60, 30 * DAY_S),
    ("auth.step_up_s", 1, DAY_S),
    ("auth.token_default_days", 1, 365),
    ("auth.token_max_days", 1, 365),
    ("auth.setup_token_ttl_s", 60, 30 * DAY_S),
    ("registry.cache_bytes", MIB, 64 * GIB),
    ("state.cache_bytes", MIB, 64 * GIB),
    ("state.max_value_bytes", KIB, 8 * MIB),
    ("state.max_key_bytes", 16, 4 * KIB),
    ("state.max_namespaces", 1, 1_000_000),
    ("state.max_keys", 1, 100_000_000),
    ("state.max_bytes", KIB, 1024 * GIB),
    ("state.max_operations_per_s", 0, 1_000_000),
    ("state.kept_days", 1, 3650),
    ("logs.bytes_per_install", 0, 256 * MIB),
    ("logs.followers", 0, 4096),
    ("logs.followers_per_tenant", 0, 4096),
    ("logs.debug_stream_lines", 0, 2_000),
    ("store.max_bundle_bytes", KIB, 512 * MIB),
    ("store.max_unpacked_bytes", KIB, 4 * GIB),
    ("store.max_entries", 1, 100_000),
    ("store.max_file_bytes", KIB, 4 * GIB),
    ("store.cache_bytes", MIB, ANY),
    ("store.max_staged_bytes", MIB, ANY),
    ("store.quarantine_days", 1, 3650),
    ("store.max_attachment_bytes", KIB, 16 * MIB),
    ("store.min_free_bytes", 0, ANY),
    ("store.s3.connect_timeout_ms", 1, 60_000),
    ("store.s3.first_byte_timeout_ms", 1, 10 * 60_000),
    ("store.s3.idle_timeout_ms", 1, 10 * 60_000),
    ("store.s3.tries", 1, 10),
    ("store.s3.breaker_ms", 0, HOUR_MS),
    ("uploads.max_unfinished", 1, 10_000),
    ("uploads.max_unfinished_bytes", KIB, ANY),
    ("uploads.expire_after_s", 60, 30 * DAY_S),
    ("uploads.part_idle_timeout_ms", 1, HOUR_MS),
    ("uploads.publishes_per_minute", 1, 1_000_000),
    ("uploads.publishes_per_minute_per_address", 1, 1_000_000),
    ("uploads.parts_per_minute", 1, 1_000_000),
    ("runner.slots", 1, 4096),
    ("runner.slots_per_tenant", 1, 4096),
    ("runner.slots_per_install", 1, 4096),
    ("runner.queue_ms", 0, 60_000),
    ("runner.threads", 0, 256),
    ("runner.cpu_ms", 10, 30_000),
    ("runner.cpu_percent_per_install", 0, 25_600),
    ("runner.cpu_burst_ms_per_install", 1, HOUR_MS),
    ("runner.memory_bytes", 64 * KIB, 512 * MIB),
    ("runner.table_elements", 1, 10_000_000),
    ("runner.instances", 1, 1024),
    ("runner.memories", 1, 64),
    ("runner.wasm_stack_bytes", 64 * KIB, MIB),
    ("runner.compile_threads", 1, 64),
    ("runner.compile_memory_bytes", 256 * MIB, 64 * 1024 * MIB),
    ("runner.compile_cpu_s", 1, 3600),
    ("runner.compiled_bytes", 0, ANY),
    ("runner.preload_bytes", 0, ANY),
    ("runner.loaded_bytes", 0, ANY),
    ("runner.breaker_failures", 0, 1_000_000),
    ("runner.breaker_max_pause_ms", 1_000, HOUR_MS),
    ("egress.resolve_timeout_ms", 1, 30_000),
    ("egress.connect_timeout_ms", 1, 30_000),
    ("egress.timeout_ms", 1, 30_000),
    ("egress.max_request_bytes", 0, 64 * MIB),
    ("egress.max_response_bytes", 0, 64 * MIB),
    ("egress.max_held_bytes", 0, GIB),
    ("egress.parallel", 1, 4096),
    ("egress.parallel_per_tenant", 1, 4096),
    ("egress.parallel_per_install", 1, 4096),
    ("egress.calls_per_execution", 0, 10_000),
    ("egress.bytes_per_install_per_day", 0, ANY),
    ("host_callbacks.ui_proxy_timeout_ms", 1, 60_000),
    ("host_callbacks.timeout_ms", 1, 60_000),
    ("host_callbacks.parallel", 1, 4096),
    ("gateway.timeout_ms", 1, 60_000),
    ("gateway.stream_timeout_ms", 1, 24 * HOUR_MS),
    ("gateway.stream_idle_timeout_ms", 1, HOUR_MS),
    ("gateway.max_body_bytes", 0, 64 * GIB),
    ("gateway.max_held_body_bytes", 1024, 64 * GIB),
    ("gateway.max_response_bytes", 1, 64 * GIB),
    ("gateway.calls_per_minute_per_tenant", 0, 60_000_000),
    ("gateway.calls_per_minute_per_install", 0, 60_000_000),
    ("gateway.calls_per_minute_per_endpoint", 0, 60_000_000),
    ("gateway.call_burst_s", 1, 3600),
    ("gateway.idempotency_s", 1, 7 * 24 * 3600),
    ("gateway.idempotency_bytes", 0, 64 * GIB),
    ("gateway.idempotency_bytes_per_install", 0, 64 * GIB),
    ("ext_ui.previous_version_hours", 0, 24 * 365),
    ("ext_ui.memory_cache_bytes", 0, 64 * GIB),
    ("ext_ui.memory_cache_file_bytes", 0, 16 * MIB),
    ("ext_ui.compress_max_file_bytes", 0, 64 * MIB),
    ("telemetry.otlp.timeout_ms", 1, 60_000),
];

pub(super) fn check(config: &Config, findings: &mut Findings) {
    let values = Value::serialize(config).expect("settings are plain values");
    for (key, least, most) in RANGES {
        let value = values.find_ref(key).and_then(Value::to_u128);
        let value = value.expect("every row of RANGES names a whole number");
        if value < u128::from(*least) || value > u128::from(*most) {
            findings.add(key, format!("must be {least} to {most}, not {value}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::settings;

    #[test]
    fn every_number_has_a_range() {
        let defaults = Value::serialize(Config::default()).unwrap();
        let is_number = |key: &String| defaults.find_ref(key).and_then(Value::to_u128).is_some();
        let numbers: BTreeSet<_> = settings::keys().into_iter().filter(is_number).collect();

        let listed: BTreeSet<_> = RANGES.iter().map(|(key, _, _)| (*key).to_owned()).collect();
        assert_eq!(listed, numbers);
    }
}
