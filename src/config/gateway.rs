//! Calls to extensions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::problems::Findings;

/// `[gateway]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayConfig {
    /// `EXT_GATEWAY_TIMEOUT_MS`: milliseconds until an answer begins; an endpoint can lower it.
    pub timeout_ms: u64,
    /// Milliseconds for all of a call that streams; an endpoint can only lower it.
    pub stream_timeout_ms: u64,
    /// Milliseconds in which a stream brings at least one byte.
    pub stream_idle_timeout_ms: u64,
    /// Bytes of a request body; 32 MiB at most for an extension that takes it whole.
    pub max_body_bytes: u64,
    /// Bytes of all request bodies over 64 KiB that wait in memory for their extension.
    pub max_held_body_bytes: u64,
    /// Bytes of a response body; 32 MiB at most for an extension that gives it whole.
    pub max_response_bytes: u64,
    /// Calls to all extensions of one tenant in a minute; 0: any number.
    pub calls_per_minute_per_tenant: u32,
    /// Calls to one install in a minute; 0: any number.
    pub calls_per_minute_per_install: u32,
    /// Calls to one endpoint of an install in a minute; 0: any number.
    pub calls_per_minute_per_endpoint: u32,
    /// Seconds' worth of these calls that may come at once.
    pub call_burst_s: u32,
    /// Seconds for which the answer of a call with an idempotency key is kept.
    pub idempotency_s: u64,
    /// Bytes of all answers that are kept, in memory; 0: keys are only handed on.
    pub idempotency_bytes: u64,
    /// Bytes of those of one install; one that does not fit is not kept.
    pub idempotency_bytes_per_install: u64,
}

/// Bytes of a body that is kept in memory: what is streamed may have more.
const MAX_WHOLE_BYTES: u64 = 32 * 1024 * 1024;

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            timeout_ms: 30_000,
            stream_timeout_ms: 300_000,
            stream_idle_timeout_ms: 60_000,
            max_body_bytes: 10 * 1024 * 1024,
            max_held_body_bytes: 256 * 1024 * 1024,
            max_response_bytes: 8 * 1024 * 1024,
            calls_per_minute_per_tenant: 120_000,
            calls_per_minute_per_install: 60_000,
            calls_per_minute_per_endpoint: 0,
            call_burst_s: 10,
            idempotency_s: 24 * 60 * 60,
            idempotency_bytes: 32 * 1024 * 1024,
            idempotency_bytes_per_install: 4 * 1024 * 1024,
        }
    }
}

impl GatewayConfig {
    pub fn max_whole_body_bytes(&self) -> u64 {
        self.max_body_bytes.min(MAX_WHOLE_BYTES)
    }

    pub fn max_whole_response_bytes(&self) -> u64 {
        self.max_response_bytes.min(MAX_WHOLE_BYTES)
    }

    pub(super) fn check(&self, findings: &mut Findings) {
        findings.expect(
            self.timeout_ms <= self.stream_timeout_ms,
            "gateway.stream_timeout_ms",
            "must not be below gateway.timeout_ms",
        );
        findings.expect(
            self.max_held_body_bytes >= self.max_whole_body_bytes(),
            "gateway.max_held_body_bytes",
            "must have room for one body of gateway.max_body_bytes, of which 32 MiB are held at most",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_bodies_stay_small_whatever_may_stream() {
        let gateway = |bytes| GatewayConfig {
            max_body_bytes: bytes,
            max_response_bytes: bytes,
            ..GatewayConfig::default()
        };
        let whole = |config: GatewayConfig| {
            [config.max_whole_body_bytes(), config.max_whole_response_bytes()]
        };

        assert_eq!(whole(gateway(1_000)), [1_000; 2]);
        assert_eq!(whole(gateway(1 << 30)), [MAX_WHOLE_BYTES; 2]);
    }
}
