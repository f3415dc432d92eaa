//! Puts the sources together: defaults, what the machine says to everybody, the
//! file, credentials, variables, flags, each over the ones before. Nothing stops at
//! the first problem.

use std::{fs, path::PathBuf};

use figment::{
    Figment,
    error::{Error, Kind},
    value::{Dict, Num, Value},
};

use super::{
    Config, ConfigProblems, Environment, Origin, Problem, Setting, SigningPolicy,
    deployment::{EGRESS_ALLOWLIST, Outside},
    host_callbacks, ignored,
    layer::Layer,
    problems::Findings,
    ranges, settings,
};

/// Where to look for settings.
#[derive(Clone, Debug, Default)]
pub struct LoadRequest {
    /// A TOML file; without one, nothing is read from disk.
    pub file: Option<PathBuf>,
    /// Keys and texts from the command line.
    pub flags: Vec<(String, String)>,
    /// The process environment, or a made-up one.
    pub environment: Environment,
}

/// A configuration that can be used.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// What the operator should be told at start.
    pub notices: Vec<String>,
    /// Every key with its default, value and source, for `plugboard config show`.
    pub settings: Vec<Setting>,
}

impl Config {
    /// Loads and checks the configuration: a usable one, or everything that is wrong.
    pub fn load(request: &LoadRequest) -> Result<Loaded, ConfigProblems> {
        let defaults = Layer::defaults();
        let mut problems = Vec::new();
        let layers = layers(request, &defaults.values, &mut problems);

        let mut merged = Figment::from(&defaults);
        for layer in layers {
            merged = merged.merge(well_formed(layer, &defaults, &mut problems));
        }
        let mut config: Config = merged.extract().map_err(|error| unforeseen(&error))?;

        let mut findings = Findings::default();
        config.store.s3.read_secret_files(&mut findings);
        config.host_callbacks.read_secret_files(&mut findings);
        config.telemetry.otlp.read_secret_files(&mut findings);
        config.check(&mut findings);
        problems.extend(findings.0.into_iter().map(|finding| {
            let source = merged.find_metadata(finding.key).map_or("default", |found| &*found.name);
            let (key, source) = (finding.key.to_owned(), source.to_owned());
            Problem { key, source, message: finding.message }
        }));
        if !problems.is_empty() {
            return Err(ConfigProblems(problems));
        }
        let mut notices = notices(&config, &merged);
        notices.extend(ignored::notices(&config, &request.environment));
        let settings = settings::list(&config, &merged);
        Ok(Loaded { config, notices, settings })
    }

    fn check(&self, findings: &mut Findings) {
        ranges::check(self, findings);
        self.server.check(findings);
        self.auth.check(findings);
        self.logs.check(findings);
        self.store.check(findings);
        self.uploads.check(&self.store, findings);
        self.runner.check(findings);
        self.egress.check(findings);
        self.host_callbacks.check(findings);
        self.gateway.check(findings);
        self.ext_ui.check(&self.server, findings);
        self.telemetry.check(findings);
    }
}

/// The sources, weakest first.
fn layers(request: &LoadRequest, defaults: &Dict, problems: &mut Vec<Problem>) -> Vec<Layer> {
    let mut layers = Outside { defaults, problems }.ambient(&request.environment);
    layers.extend(read_file(request, problems));
    let mut outside = Outside { defaults, problems };
    layers.extend(outside.credentials(&request.environment));
    layers.extend(outside.variables(&request.environment));
    layers.extend(outside.flags(&request.flags));
    layers
}

fn read_file(request: &LoadRequest, problems: &mut Vec<Problem>) -> Option<Layer> {
    let file = request.file.as_ref()?;
    let source = file.display().to_string();
    let mut refuse = |message: String| {
        problems.push(Problem { key: "file".to_owned(), source: source.clone(), message });
        None
    };
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => return refuse(format!("cannot be read: {error}")),
    };
    match text.parse::<toml::Table>() {
        Ok(table) => {
            let values = Value::serialize(table).ok().and_then(Value::into_dict);
            Some(Layer { source, values: values.unwrap_or_default() })
        }
        // Without the excerpt that `Display` adds: the line may hold a secret.
        Err(error) => {
            let before = error.span().map_or("", |span| text.get(..span.start).unwrap_or(""));
            let line = before.matches('\n').count() + 1;
            refuse(format!("is not TOML: line {line}: {}", error.message()))
        }
    }
}

/// What of a layer can be used; the rest becomes problems.
fn well_formed(layer: Layer, defaults: &Layer, problems: &mut Vec<Problem>) -> Layer {
    let Layer { source, values } = layer;
    let mut walk = Walk { source: &source, defaults, problems };
    let values = walk.table(values, &defaults.values, "");
    Layer { source, values }
}

struct Walk<'a> {
    source: &'a str,
    defaults: &'a Layer,
    problems: &'a mut Vec<Problem>,
}

impl Walk<'_> {
    fn table(&mut self, values: Dict, known: &Dict, prefix: &str) -> Dict {
        let mut kept = Dict::new();
        for (name, value) in values {
            let key = format!("{prefix}{name}");
            let value = match (known.get(&name), value) {
                (_, value) if key == host_callbacks::TENANTS => {
                    host_callbacks::check_tenants(&value).map(|()| value)
                }
                (None, _) => Err(settings::unknown_key(&key)),
                (Some(Value::Dict(_, known)), Value::Dict(tag, inner)) => {
                    Ok(Value::Dict(tag, self.table(inner, known, &format!("{key}."))))
                }
                (Some(Value::Dict(..)), _) => Err(format!("is a table: write [{key}]")),
                (Some(default), value) => self.judge(&key, default, value),
            };
            match value {
                Ok(value) => drop(kept.insert(name, value)),
                Err(message) => {
                    let source = self.source.to_owned();
                    self.problems.push(Problem { key, source, message });
                }
            }
        }
        kept
    }

    /// Tries a value alone over the defaults: what fails then is this value.
    fn judge(&self, key: &str, default: &Value, value: Value) -> Result<Value, String> {
        let alone = Layer::of_key(self.source, key, value.clone());
        let tried: Result<Config, Error> = Figment::from(self.defaults).merge(alone).extract();
        tried.map(|_| value).map_err(|error| mistake(default, error))
    }
}

/// Says what a value must be. What it was is left out of type errors: it may be a secret.
fn mistake(default: &Value, error: Error) -> String {
    let Kind::Message(message) = error.kind else {
        return match (default, error.kind) {
            (_, Kind::UnknownVariant(found, names)) => {
                format!("must be {}, not `{found}`", names.join(" or "))
            }
            (Value::Bool(..), _) => "must be true or false".to_owned(),
            (Value::Num(_, Num::F64(_)), _) => "must be a number".to_owned(),
            (Value::Num(..), _) => "must be a whole number, zero or above".to_owned(),
            (Value::Array(..), _) => "must be a list of texts: [\"…\", \"…\"]".to_owned(),
            (_, _) => "must be a text in quotes".to_owned(),
        };
    };
    message
}

/// Every value was tried alone, so the whole cannot fail; if it does, say so.
fn unforeseen(error: &Error) -> ConfigProblems {
    let (key, source) = ("configuration".to_owned(), "all sources".to_owned());
    ConfigProblems(vec![Problem { key, source, message: error.to_string() }])
}

fn notices(config: &Config, merged: &Figment) -> Vec<String> {
    let mut notices = Vec::new();
    if let Some(location) = config.store.s3_location()
        && location.endpoint.starts_with("http://")
    {
        notices.push(format!(
            "store.s3: {} is reached without TLS: who can change that traffic can delay and \
             withhold bundles, and read them; what they change is found out",
            location.endpoint
        ));
    }
    notices.extend(public_store_notice(config));
    let rules = &config.egress.allowlist;
    if merged.find_metadata("egress.allowlist").is_some_and(|found| found.name == EGRESS_ALLOWLIST)
    {
        let written: Vec<_> = rules.iter().map(ToString::to_string).collect();
        notices.push(format!("{EGRESS_ALLOWLIST} is read as egress.allowlist = {written:?}"));
    }
    notices.extend(config.host_callbacks.exposed_origins().into_iter().map(|origin| {
        format!(
            "host_callbacks: {origin} is reached without TLS: who sees that traffic has the token, \
             and what extensions ask and get"
        )
    }));
    if config.egress.dangerous_allow_all {
        notices.push(
            "egress.dangerous_allow_all: every install calls what its manifest asks for and it \
             was granted, whether the allowlist names it or not"
                .to_owned(),
        );
    }
    if !config.runner.base_url.is_empty() {
        notices
            .push("runner.base_url has no effect: extensions run inside this process".to_owned());
    }
    if config.signing.policy == SigningPolicy::AllowUnsigned {
        notices.push(
            "signing.policy = \"allow-unsigned\": anybody who may publish can publish unsigned \
             bundles; this is for development"
                .to_owned(),
        );
    }
    notices.extend(config.telemetry.otlp.notices());
    notices.extend(exposure_notice(config));
    notices.extend(config.server.origin_notice());
    notices
}

fn public_store_notice(config: &Config) -> Option<String> {
    let endpoint = config.store.s3_public_location()?.endpoint;
    let exposed = endpoint.parse::<Origin>().is_ok_and(|at| !at.is_https() && !at.is_loopback());
    exposed.then(|| {
        format!(
            "store.s3.public_endpoint: {endpoint} is reached without TLS: who sees an address on \
             its way can use it until it expires, and what is sent there can be read"
        )
    })
}

fn exposure_notice(config: &Config) -> Option<String> {
    let server = &config.server;
    server.is_exposed_plainly().then(|| {
        let origin = server.public_origin();
        format!(
            "server.insecure_http: passwords and tokens cross the network unencrypted; pages \
             expect to be at {origin} (server.public_origin)"
        )
    })
}
