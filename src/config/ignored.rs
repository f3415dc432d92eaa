//! Names of existing deployments that set nothing here: who sets one is told.
//!
//! Names that a machine may have for other programs are not among them: `PORT`, `RUST_LOG`,
//! `RUNTIME_LIMITS`, `REDIRECT_COMPAT`, `REDIS_*`, `TEMPORAL_*` and `VAULT_*`.

use super::{Config, Environment};

/// What counts in place of a name.
#[derive(Clone, Copy)]
enum Instead {
    /// A setting.
    Key(&'static str),
    /// Nothing, and why.
    Nothing(&'static str),
}

use Instead::{Key, Nothing};

const ONE_PROCESS: Instead = Nothing("registry, gateway and runner are one process");
const OWN_ADDRESSES: Instead = Nothing("extensions have no host names of their own");
const OWN_CALLERS: Instead = Nothing("pages of other origins make no calls");
const ALWAYS_CHECKED: Instead = Nothing("that a page may be served is always checked");
const FIXED_POLICY: Instead = Nothing("the policy of extension pages isolates them and is fixed");
const NO_STREAM: Instead = Key("logs.bytes_per_install");
const KEPT_HERE: Instead = Nothing("secrets are sealed with server.master_key_file");

/// The names, as the deployments have them.
const NAMES: &[(&str, Instead)] = &[
    ("EXT_BUNDLES_ALLOW_INSECURE", Nothing("who publishes needs a token")),
    ("EXT_BUNDLES_RATELIMIT_WINDOW_MS", Nothing("rates of publishing are by the minute")),
    ("EXT_BUNDLES_RATELIMIT_MAX", Key("uploads.publishes_per_minute")),
    ("EXT_DOMAIN_ROOT", OWN_ADDRESSES),
    ("EXT_GATEWAY_ALLOWED_ORIGINS", OWN_CALLERS),
    ("EXT_PROXY_ALLOWED_ORIGINS", OWN_CALLERS),
    ("EXT_PROXY_DEBUG_LOG", Key("telemetry.log_level")),
    ("EXT_RUNNER_MAX_RESPONSE_BYTES", Key("gateway.max_response_bytes")),
    ("EXT_INSTALL_CONFIG_CACHE_MS", Nothing("each call has the settings of the moment it begins")),
    ("EXT_UI_HOST_MODE", Nothing("pages come from this process alone")),
    ("EXT_BUNDLE_STORE_URL", Key("store.base")),
    ("EXT_UI_CONTENT_SECURITY_POLICY", FIXED_POLICY),
    ("EXT_UI_FRAME_ANCESTORS", Key("server.public_origin")),
    ("EXT_STATIC_STRICT_VALIDATION", ALWAYS_CHECKED),
    ("EXT_STATIC_MAX_FILE_BYTES", Key("store.max_file_bytes")),
    ("EXT_CACHE_ROOT", Key("server.data_dir")),
    ("EXT_CACHE_MAX_BYTES", Key("store.cache_bytes")),
    ("WASM_POOL_TOTAL_COMPONENTS", Key("runner.slots")),
    ("RUNNER_BACKEND", ONE_PROCESS),
    ("RUNNER_DOCKER_HOST", ONE_PROCESS),
    ("RUNNER_SERVICE_TOKEN", ONE_PROCESS),
    ("RUNNER_CONFIG_API_TOKEN", ONE_PROCESS),
    ("RUNNER_STORAGE_API_TOKEN", Key("host_callbacks.token")),
    ("RUNNER_CACHE_DIR", Key("server.data_dir")),
    ("RUNNER_MAX_CACHE_SIZE_BYTES", Key("store.cache_bytes")),
    ("RUNNER_OFFLINE", ONE_PROCESS),
    ("RUNNER_DEBUG_REDIS_URL", NO_STREAM),
    ("RUNNER_DEBUG_REDIS_PASSWORD", NO_STREAM),
    ("RUNNER_DEBUG_REDIS_STREAM_PREFIX", NO_STREAM),
    ("RUNNER_DEBUG_REDIS_MAXLEN", NO_STREAM),
    ("RUNNER_DEBUG_MAX_EVENT_BYTES", Nothing("a line of an extension is cut at 4 KiB")),
    ("DEBUG_STREAM_REDIS_URL", NO_STREAM),
    ("DEBUG_STREAM_REDIS_USERNAME", NO_STREAM),
    ("DEBUG_STREAM_REDIS_PASSWORD", NO_STREAM),
    ("REGISTRY_BASE_URL", ONE_PROCESS),
    ("STORAGE_API_BASE_URL", Nothing("host_callbacks has a URL for each interface")),
    ("STORAGE_TLS", Key("store.s3.endpoint")),
    ("UI_PROXY_AUTH_KEY", Key("host_callbacks.token")),
    ("ALGA_AUTH_KEY", ONE_PROCESS),
    ("ALGA_AUTH_KEY_FILE", ONE_PROCESS),
    ("ALGA_VAULT_ADDR", KEPT_HERE),
    ("ALGA_VAULT_TOKEN", KEPT_HERE),
    ("ALGA_VAULT_TOKEN_FILE", KEPT_HERE),
    ("ALGA_VAULT_NAMESPACE", KEPT_HERE),
    ("ALGA_VAULT_TRANSIT_KEY", KEPT_HERE),
    ("ALGA_VAULT_TRANSIT_MOUNT", KEPT_HERE),
];

/// Names that other programs of a machine may have as well: they mean this one where it keeps its
/// bundles on an S3 server.
const NAMES_OF_S3: &[(&str, Instead)] = &[
    ("S3_ACCESS_KEY", Key("store.s3.access_key")),
    ("S3_SECRET_KEY", Key("store.s3.secret_key")),
    ("S3_REGION", Key("store.s3.region")),
    ("MINIO_ACCESS_KEY", Key("store.s3.access_key")),
    ("MINIO_SECRET_KEY", Key("store.s3.secret_key")),
];

/// A sentence for each name that is set, without its value: it may be a secret.
pub(super) fn notices(config: &Config, environment: &Environment) -> Vec<String> {
    let of_s3 = if config.store.s3_location().is_some() { NAMES_OF_S3 } else { &[] };
    let set = NAMES.iter().chain(of_s3).filter(|(name, _)| {
        // Compose files pass `NAME=` for what is not set.
        environment.get(name).is_some_and(|text| !text.is_empty())
    });
    set.map(|(name, instead)| match instead {
        Key(key) => format!("{name} has no effect: {key} is the setting here"),
        Nothing(why) => format!("{name} has no effect: {why}"),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::settings;
    use super::*;

    #[test]
    fn what_counts_in_place_of_a_name_is_a_setting() {
        let keys = settings::keys();
        for (name, instead) in NAMES.iter().chain(NAMES_OF_S3) {
            if let Key(key) = instead {
                assert!(keys.iter().any(|known| known == key), "{name}: {key}");
            }
        }
    }

    #[test]
    fn every_name_is_in_the_page_for_operators() {
        let page = include_str!("../../docs/OPERATIONS.md");
        for (name, _) in NAMES.iter().chain(NAMES_OF_S3) {
            assert!(page.contains(&format!("`{name}`")), "{name}");
        }
    }
}
