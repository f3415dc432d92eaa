//! Where spans are sent.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Origin, Secret, problems::Findings, secret::read_secret_file, store::web_url};

/// The port that collectors keep for the other protocol.
const GRPC_PORT: u16 = 4317;

const MUST_BE_URL: &str = "must be a URL without user, query and fragment, as \
                           `http://127.0.0.1:4318`";
const MUST_BE_HEADERS: &str = "must be `name=value`, several with commas between them, as \
                               `authorization=Bearer%20…`";

/// `[telemetry.otlp]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OtlpConfig {
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`: a collector's URL, to which `/v1/traces` is added; empty: no spans.
    pub endpoint: String,
    /// `OTEL_EXPORTER_OTLP_HEADERS`: what goes along, as `name=value,name=value`. Never shown.
    pub headers: Secret,
    /// A file that holds them; or the credential `telemetry.otlp.headers`.
    pub headers_file: PathBuf,
    /// A PEM file with the authority of the collector's certificate, beside those of the system.
    pub ca_file: PathBuf,
    /// `OTEL_SERVICE_NAME`: the name of this appliance in traces.
    pub service_name: String,
    /// `OTEL_TRACES_SAMPLER_ARG`: the part, 0 to 1, of calls without a parent that is recorded.
    pub sample_ratio: f64,
    /// Milliseconds for one request to the collector.
    pub timeout_ms: u64,
}

impl Default for OtlpConfig {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            headers: Secret::default(),
            headers_file: PathBuf::new(),
            ca_file: PathBuf::new(),
            service_name: "plugboard".to_owned(),
            sample_ratio: 1.0,
            timeout_ms: 10_000,
        }
    }
}

impl OtlpConfig {
    /// Whether spans are sent at all.
    pub const fn is_set(&self) -> bool {
        !self.endpoint.is_empty()
    }

    /// The headers of each request; `None`: they cannot be read.
    pub fn header_pairs(&self) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let pairs = self.headers.expose().split(',').filter(|pair| !pair.trim().is_empty());
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=')?;
            // The variable's values are percent-encoded, as those of baggage are.
            let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
            let mut value = HeaderValue::from_str(&value).ok()?;
            value.set_sensitive(true);
            Some((name.trim().parse().ok()?, value))
        };
        pairs.map(pair).collect()
    }

    /// Reads the `headers_file` into the headers it stands for.
    pub(super) fn read_secret_files(&mut self, findings: &mut Findings) {
        let read =
            read_secret_file(&mut self.headers, &self.headers_file, "telemetry.otlp.headers");
        if let Err(message) = read {
            findings.add("telemetry.otlp.headers_file", message);
        }
    }

    pub(super) fn check(&self, findings: &mut Findings) {
        let is_url = self.endpoint.is_empty() || web_url(&self.endpoint).is_some();
        findings.expect(is_url, "telemetry.otlp.endpoint", MUST_BE_URL);
        // Not what it was: it may be a secret.
        let are_headers = self.header_pairs().is_some();
        findings.expect(are_headers, "telemetry.otlp.headers", MUST_BE_HEADERS);
        findings.expect(
            !self.service_name.is_empty(),
            "telemetry.otlp.service_name",
            "must not be empty: traces are found by it",
        );
        findings.expect(
            (0.0..=1.0).contains(&self.sample_ratio),
            "telemetry.otlp.sample_ratio",
            "must be 0 to 1",
        );
    }

    /// What an operator should know of it.
    pub(super) fn notices(&self) -> Vec<String> {
        let Some(url) = web_url(&self.endpoint) else { return Vec::new() };
        let mut notices = Vec::new();
        let at = url.origin().ascii_serialization();
        if at.parse::<Origin>().is_ok_and(|at| !at.is_https() && !at.is_loopback()) {
            notices.push(format!(
                "telemetry.otlp: {at} is reached without TLS: who sees that traffic has the traces \
                 and the headers that go along"
            ));
        }
        if url.port() == Some(GRPC_PORT) {
            notices.push(format!(
                "telemetry.otlp.endpoint: {GRPC_PORT} is the port for gRPC; spans are sent over \
                 HTTP, for which collectors have 4318"
            ));
        }
        notices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(headers: &str) -> Option<Vec<(String, String)>> {
        let config = OtlpConfig { headers: headers.to_owned().into(), ..OtlpConfig::default() };
        let text = |(name, value): (HeaderName, HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        Some(config.header_pairs()?.into_iter().map(text).collect())
    }

    #[test]
    fn headers_are_read_as_the_variable_has_them() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());

        assert_eq!(pairs(""), Some(Vec::new()));
        assert_eq!(
            pairs("Authorization=Bearer%20a%2Cb%3D, x-scope = 1=2 ,"),
            Some(vec![pair("authorization", "Bearer a,b="), pair("x-scope", "1=2")])
        );
        for wrong in ["a", "=b", "a b=c", "a=b%0d%0ac: d", "a=b,c"] {
            assert_eq!(pairs(wrong), None, "{wrong}");
        }
    }
}
