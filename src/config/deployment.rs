//! Settings from outside the file: variables, credentials and flags.
//!
//! Two families of variables are settings: `PLUGBOARD_SECTION__KEY`, one for
//! every key, and the names deployments already use.

use std::{collections::BTreeMap, path::Path};

use figment::value::{Dict, Value};

use super::{
    Environment, egress,
    layer::{Layer, value_of_text},
    problems::Problem,
    settings,
};

/// The names deployments already use, and their keys.
const DEPLOYMENT_NAMES: &[(&str, &str)] = &[
    ("STORAGE_S3_ENDPOINT", "store.s3.endpoint"),
    ("STORAGE_S3_ACCESS_KEY", "store.s3.access_key"),
    ("STORAGE_S3_SECRET_KEY", "store.s3.secret_key"),
    ("STORAGE_S3_REGION", "store.s3.region"),
    ("STORAGE_S3_BUCKET", "store.s3.bucket"),
    ("STORAGE_S3_BUNDLE_BUCKET", "store.s3.bundle_bucket"),
    ("STORAGE_S3_FORCE_PATH_STYLE", "store.s3.force_path_style"),
    ("BUNDLE_STORE_BASE", "store.base"),
    ("RUNNER_BASE_URL", "runner.base_url"),
    ("RUNNER_PUBLIC_BASE", "ext_ui.public_base"),
    ("EXT_GATEWAY_TIMEOUT_MS", "gateway.timeout_ms"),
    ("SIGNING_TRUST_BUNDLE", "signing.trust_bundle"),
    (EGRESS_ALLOWLIST, "egress.allowlist"),
    ("UI_PROXY_BASE_URL", "host_callbacks.ui_proxy_base_url"),
    ("UI_PROXY_TIMEOUT_MS", "host_callbacks.ui_proxy_timeout_ms"),
    ("EXT_DEBUG_SSE_TAIL_COUNT", "logs.debug_stream_lines"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "telemetry.otlp.endpoint"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "telemetry.otlp.headers"),
    ("OTEL_SERVICE_NAME", "telemetry.otlp.service_name"),
    ("OTEL_TRACES_SAMPLER_ARG", "telemetry.otlp.sample_ratio"),
];

/// What the environment of a machine says to everybody: it counts where nobody says more.
/// The first that is set wins.
const AMBIENT_NAMES: &[(&str, &str)] =
    &[("AWS_REGION", "store.s3.region"), ("AWS_DEFAULT_REGION", "store.s3.region")];

/// The one deployment name whose text is read in an older way.
pub(super) const EGRESS_ALLOWLIST: &str = "EXT_EGRESS_ALLOWLIST";

/// Variables of the command line client: they are no settings.
const CLIENT_NAMES: &[&str] = &["PLUGBOARD_URL", "PLUGBOARD_TOKEN", "PLUGBOARD_TOKEN_FILE"];

/// Keys that `$CREDENTIALS_DIRECTORY/<key>` can give. The content is the value
/// of the first four; the others are files anyway, and get the path.
const CREDENTIALS: &[(&str, Credential)] = &[
    ("store.s3.access_key", Credential::Content),
    ("store.s3.secret_key", Credential::Content),
    ("host_callbacks.token", Credential::Content),
    ("telemetry.otlp.headers", Credential::Content),
    ("server.tls.cert_file", Credential::Path),
    ("server.tls.key_file", Credential::Path),
    ("server.master_key_file", Credential::Path),
    ("server.previous_master_key_file", Credential::Path),
    ("signing.trust_bundle", Credential::Path),
];

#[derive(Clone, Copy)]
enum Credential {
    Content,
    Path,
}

/// Reads variables, credentials and flags against the keys that exist.
pub(super) struct Outside<'a> {
    pub(super) defaults: &'a Dict,
    pub(super) problems: &'a mut Vec<Problem>,
}

impl Outside<'_> {
    /// What holds where nothing else sets a key, the file included.
    pub(super) fn ambient(&mut self, environment: &Environment) -> Vec<Layer> {
        let mut layers = Vec::new();
        // Later layers win: the first name comes last.
        for (name, key) in AMBIENT_NAMES.iter().rev() {
            let text = environment.get(name).filter(|text| !text.is_empty());
            let value = text.and_then(|text| self.read(name, key, text));
            layers.extend(value.map(|value| Layer::of_key(*name, key, value)));
        }
        layers
    }

    /// What systemd put into `$CREDENTIALS_DIRECTORY`.
    pub(super) fn credentials(&mut self, environment: &Environment) -> Vec<Layer> {
        let Some(folder) = environment.get("CREDENTIALS_DIRECTORY") else { return Vec::new() };
        let mut layers = Vec::new();
        for (key, credential) in CREDENTIALS {
            let file = Path::new(folder).join(key);
            if !file.exists() {
                continue;
            }
            let source = format!("$CREDENTIALS_DIRECTORY/{key}");
            let text = match credential {
                Credential::Path => Ok(file.to_string_lossy().into_owned()),
                Credential::Content => std::fs::read_to_string(&file),
            };
            match text {
                Ok(text) => layers.push(Layer::of_key(source, key, text.trim_end().into())),
                Err(error) => self.add(key, source, format!("cannot be read: {error}")),
            }
        }
        layers
    }

    /// The names deployments already use, then `PLUGBOARD_SECTION__KEY`.
    pub(super) fn variables(&mut self, environment: &Environment) -> Vec<Layer> {
        let mut deployed = Vec::new();
        for (name, key) in DEPLOYMENT_NAMES {
            // Compose files pass `NAME=` for what is not set. An empty allowlist is an answer.
            let text = environment.get(name);
            let text = text.filter(|text| !text.is_empty() || *name == EGRESS_ALLOWLIST);
            let value = text.and_then(|text| self.read(name, key, text));
            deployed.extend(value.map(|value| (*name, (*key).to_owned(), value)));
        }
        let prefixed = self.prefixed(environment);
        self.refuse_contradictions(&deployed, &prefixed);
        let all = deployed.into_iter().map(|(name, key, value)| (name.to_owned(), key, value));
        all.chain(prefixed).map(|(name, key, value)| Layer::of_key(name, &key, value)).collect()
    }

    /// Flags of the command line, by key.
    pub(super) fn flags(&mut self, flags: &[(String, String)]) -> Vec<Layer> {
        let mut layers = Vec::new();
        for (key, text) in flags {
            let value = self.read("command line", key, text);
            layers.extend(value.map(|value| Layer::of_key("command line", key, value)));
        }
        layers
    }

    fn prefixed(&mut self, environment: &Environment) -> Vec<(String, String, Value)> {
        let mut settings = Vec::new();
        for (name, text) in environment.iter() {
            let Some(rest) = name.strip_prefix("PLUGBOARD_") else { continue };
            if CLIENT_NAMES.contains(&name) {
                continue;
            }
            if let Some(rest) = rest.strip_prefix('_') {
                // For tests of the program itself, but for a setting with one underscore too many.
                let key = rest.to_ascii_lowercase().replace("__", ".");
                if settings::keys().contains(&key) {
                    self.add(name, "environment", unknown_variable(&key.replace('.', "_")));
                }
                continue;
            }
            let key = rest.to_ascii_lowercase().replace("__", ".");
            if rest.contains("__") {
                let value = self.read(name, &key, text);
                settings.extend(value.map(|value| (name.to_owned(), key, value)));
            } else {
                self.add(name, "environment", unknown_variable(&key));
            }
        }
        settings
    }

    /// Reads one text; what is wrong with it is noted.
    fn read(&mut self, source: &str, key: &str, text: &str) -> Option<Value> {
        let value = if source == EGRESS_ALLOWLIST {
            translated(text)
        } else {
            match find(self.defaults, key) {
                Some(default) => value_of_text(default, text),
                None => Err(settings::unknown_key(key)),
            }
        };
        value.map_err(|message| self.add(key, source, message)).ok()
    }

    /// Two names for one key with two values: whichever won, somebody would be surprised.
    fn refuse_contradictions(
        &mut self,
        deployed: &[(&str, String, Value)],
        prefixed: &[(String, String, Value)],
    ) {
        let by_key: BTreeMap<_, _> =
            prefixed.iter().map(|(name, key, value)| (key, (name, value))).collect();
        for (name, key, value) in deployed {
            if let Some((other, _)) = by_key.get(key).filter(|(_, other)| *other != value) {
                let source = format!("{name} and {other}");
                self.add(key, source, "both names are set, to different values: remove one");
            }
        }
    }

    fn add(&mut self, key: &str, source: impl Into<String>, message: impl Into<String>) {
        let (source, message) = (source.into(), message.into());
        self.problems.push(Problem { key: key.to_owned(), source, message });
    }
}

fn translated(list: &str) -> Result<Value, String> {
    let rules = egress::translate(list)
        .map_err(|(entry, error)| format!("`{entry}`: {error}; this list has names only"))?;
    Ok(Value::from(rules.iter().map(|rule| Value::from(rule.to_string())).collect::<Vec<_>>()))
}

/// The value at a dotted key.
pub(super) fn find<'a>(values: &'a Dict, key: &str) -> Option<&'a Value> {
    match key.split_once('.') {
        None => values.get(key),
        Some((table, rest)) => match values.get(table)? {
            Value::Dict(_, inner) => find(inner, rest),
            Value::String(..)
            | Value::Char(..)
            | Value::Bool(..)
            | Value::Num(..)
            | Value::Empty(..)
            | Value::Array(..) => None,
        },
    }
}

fn unknown_variable(key: &str) -> String {
    let all = settings::keys();
    // `PLUGBOARD_SERVER_LISTEN` has everything but the second underscore.
    let meant = all.iter().find(|known| known.replace('.', "_") == key);
    let hint = meant.map_or_else(
        || "settings are PLUGBOARD_SECTION__KEY, with two underscores".to_owned(),
        |known| format!("did you mean {}?", variable(known)),
    );
    format!("is no variable of Plugboard: {hint}")
}

/// The variable of a key.
fn variable(key: &str) -> String {
    format!("PLUGBOARD_{}", key.replace('.', "__").to_ascii_uppercase())
}
