//! `plugboard serve`: the appliance itself.

pub(super) mod folder;
mod milestones;
mod opening;
mod upkeep;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use jiff::Timestamp;
use rustix::process::{Resource, getrlimit, setrlimit};
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;

use super::Context;
use super::failure::{Exit, Failure};
use super::files::shell_word;
use super::interrupt::Signals;
use super::settings_args::SettingsArgs;
use crate::app::App;
use crate::app::assets::Pages;
use crate::app::call_rates::CallRates;
use crate::app::callbacks;
use crate::app::compile::{Waiting, note_confinement, runner_parts};
use crate::app::egress::{self, Learning, RefusedCalls};
use crate::app::idempotency::Idempotency;
use crate::app::origins::Origins;
use crate::app::rate_limits::RateLimits;
use crate::app::secret_keys::open_secrets;
use crate::app::sign_in::{Passwords, SignInLimits, SignInLinks};
use crate::app::uploads::{InFlight, UploadAddresses};
use crate::app::usage::Usages;
use crate::callbacks::Callbacks;
use crate::config::Config;
use crate::guest_logs::GuestLogs;
use crate::held_memory::HeldMemory;
use crate::model::{Clock, SystemClock};
use crate::runner::{Runner, RunnerParts};
use crate::telemetry::{self, Metrics};
use crate::traces::Traces;
use crate::trust::TrustBundle;
use crate::web;
use crate::web::server::{self, Bound, Notifier, Routes, ServerError};
use milestones::Told;

/// How long a start waits to know what the bundle store can do.
const PROBE_PATIENCE: Duration = Duration::from_secs(5);

/// How long a stop waits for a collector to take the last spans.
const TRACES_PATIENCE: Duration = Duration::from_secs(3);

/// The program that runs, also once its file was replaced by a newer one.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// Runs the appliance until it is told to stop
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Runs the appliance until it is told to stop. The first line on standard output is \
the address to open; log lines go to standard error.

Examples:
  plugboard serve
  plugboard serve --listen 127.0.0.1:9000 --data-dir /srv/plugboard
  plugboard serve --config /etc/plugboard/plugboard.toml --set gateway.timeout_ms=5000"
)]
pub struct ServeArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Address and port: the setting `server.listen`
    #[arg(short, long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// The data folder: the setting `server.data_dir`
    #[arg(short, long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Runs `plugboard serve`.
pub(super) async fn run(args: ServeArgs, context: &Context) -> Result<Exit, Failure> {
    let Context { environment, output } = context;
    let settings = args.settings.with_data_dir(args.data_dir.as_deref());
    let loaded = settings.with("server.listen", args.listen).load(environment)?;
    let _log = telemetry::init_server(&loaded.config.telemetry, environment)
        .context("cannot write logs")?;
    for notice in &loaded.notices {
        tracing::warn!("{notice}");
    }
    let bound = bind(&loaded.config).await?;
    let signals = Signals::listen()?;
    let app = open_app(with_bound_address(loaded.config, &bound))?;
    let bound = with_admin_socket(bound, &app)?;
    let setup = app.begin_setup().await;
    let setup = setup.map_err(|error| Failure::unfinished(anyhow::Error::new(error)))?;
    let origin = app.public_origin();
    let page = if setup.is_some() { "setup" } else { "" };
    let url = format!("{origin}/{page}");
    let object = serde_json::json!({
        "url": url,
        "origin": origin,
        "data_dir": app.data_dir,
        "setup_token_file": setup.as_ref().map(|_| app.setup_token_file()),
    });
    output.result(&object, &url)?;
    if let Some(token) = setup {
        output.note(&format!(
            "Nobody has set it up yet. Open {url} with this token, good for {}:\n  {}\n\
             or, on this host: plugboard operator create NAME{}",
            hours(app.config.auth.setup_token_ttl_s),
            token.expose_secret(),
            named_data_dir(&app.data_dir),
        ));
    }
    serve_until_told(app, bound, Notifier::of(environment), signals).await?;
    Ok(Exit::Done)
}

/// What a command of the host needs to find this folder: nothing where it looks by itself.
fn named_data_dir(data_dir: &Path) -> String {
    if data_dir == Config::default().server.data_dir {
        return String::new();
    }
    let whole = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
    format!(" --data-dir {}", shell_word(&whole))
}

/// Takes as many descriptors as this process may have: many shells begin with 1,024, and
/// each connection, each large component and each page file in memory has one.
fn allow_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!("Cannot have more open files than before: {error}");
    }
}

fn hours(seconds: u64) -> String {
    match seconds / 60 {
        1 => "1 minute".to_owned(),
        minutes @ ..120 => format!("{minutes} minutes"),
        minutes => format!("{} hours", minutes / 60),
    }
}

/// Takes the addresses before anything else is done, so that a second server
/// ends here and not at the registry.
pub(super) async fn bind(config: &Config) -> Result<Bound, Failure> {
    let bound = server::bind(&config.server).await;
    bound.map_err(|error| match error {
        ServerError::Tls(_) => Failure::misconfigured(error),
        ServerError::Listen { ref source, .. } if source.kind() == ErrorKind::AddrInUse => {
            let hint = "if it runs already, that one answers; name another address with --listen";
            Failure::unfinished(error).hint(hint)
        }
        ServerError::Listen { .. } | ServerError::AdminSocket(_) => Failure::unfinished(error),
    })
}

/// Port 0 becomes the port the system gave.
pub(super) fn with_bound_address(mut config: Config, bound: &Bound) -> Config {
    config.server.listen = bound.local_addr();
    if let Some(address) = bound.ext_ui_addr() {
        config.server.ext_ui_listen = Some(address);
    }
    config
}

/// Takes the admin socket: before the address is printed, so that whoever waits
/// for that line can use the socket at once.
pub(super) fn with_admin_socket(bound: Bound, app: &App) -> Result<Bound, Failure> {
    let bound = bound.with_admin_socket(&server::admin_socket_path(&app.data_dir));
    bound.map_err(|error| Failure::unfinished(anyhow::Error::new(error)))
}

/// Builds the appliance on its data folder.
pub fn open_app(config: Config) -> Result<Arc<App>, Failure> {
    let unfinished = |error: anyhow::Error| Failure::unfinished(error);
    allow_descriptors();
    let data_dir = PathBuf::from(&config.server.data_dir);
    folder::prepare(&data_dir)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let now = clock.now();
    let registry = opening::registry(&config, &*clock)?;
    let state = opening::state(&config, &clock)?;
    let bundles = opening::bundles(&config, &data_dir, &registry).map_err(unfinished)?;
    let (master_key, secrets) =
        open_secrets(&config.server, &data_dir, &state).map_err(opening::no_secrets)?;
    let refused_calls = Arc::<RefusedCalls>::default();
    let metrics = Arc::new(Metrics::new(now));
    let learning = Arc::<Learning>::default();
    let noted = (&refused_calls, &learning);
    let observer = egress::observer(noted, &registry, &clock, &metrics);
    let egress = egress::open(&config, &clock, observer, egress::learner(&learning, &clock))
        .context("cannot make calls for extensions")
        .map_err(Failure::misconfigured)?;
    let parts = runner_parts(&config.runner, &data_dir, &master_key, THIS_PROGRAM.into());
    let callbacks = Callbacks::new(&config.host_callbacks, callbacks::observer(&metrics))
        .context("cannot call the host application")
        .map_err(Failure::misconfigured)?;
    let guest_logs = GuestLogs::open(&data_dir.join("logs"), &config.logs, Arc::clone(&clock))
        .context("cannot keep the lines of extensions")
        .map_err(unfinished)?;
    let (kept, egress, callbacks) = (Some(state.clone()), Some(egress), Some(callbacks));
    let lines = guest_logs.is_on().then(|| guest_logs.clone());
    let parts = RunnerParts { state: kept, guest_logs: lines, egress, callbacks, ..parts };
    let runner = Runner::new(&config.runner, parts)
        .context("cannot start the runner")
        .map_err(unfinished)?;
    let traces = Traces::start(&config.telemetry.otlp, Arc::clone(&clock))
        .context("cannot send traces")
        .map_err(Failure::misconfigured)?;
    let app = App {
        data_dir,
        usages: Usages::new(&config.runner, Arc::clone(&clock), Arc::clone(&metrics)),
        clock,
        registry,
        state,
        guest_logs,
        secrets,
        bundles,
        pages: Pages::new(&config.ext_ui),
        runner: Arc::new(runner),
        refused_calls,
        learning,
        trust: Arc::new(trust_bundle(&config, now)),
        metrics,
        traces,
        passwords: Passwords::new(),
        sign_in_limits: SignInLimits::default(),
        sign_in_links: SignInLinks::default(),
        upload_addresses: UploadAddresses::new(),
        rate_limits: RateLimits::new(&config.uploads),
        call_rates: CallRates::new(&config.gateway),
        idempotency: Idempotency::new(&config.gateway),
        in_flight: InFlight::default(),
        held_bodies: HeldMemory::new(config.gateway.max_held_body_bytes),
        waiting: Waiting::new(&config.runner),
        origins: Origins::of(&config),
        config: Arc::new(config),
    };
    Ok(Arc::new(app))
}

fn trust_bundle(config: &Config, now: Timestamp) -> TrustBundle {
    match config.signing.trust_bundle.as_str() {
        "" => TrustBundle::none(),
        setting => TrustBundle::load(setting, now),
    }
}

/// Serves until the first signal, with the background work. Requests in flight
/// get their time to finish; a second signal takes it from them.
pub(super) async fn serve_until_told(
    app: Arc<App>,
    bound: Bound,
    notifier: Notifier,
    mut signals: Signals,
) -> Result<(), Failure> {
    note_confinement();
    app.note_certificate(bound.certificate_ends_at());
    app.prepare_enabled();
    let probing = Arc::clone(&app);
    let mut probe = tokio::spawn(async move { probing.probe_store().await });
    // Not longer: what is unpacked is served also when the server of the bundles is away.
    tokio::time::timeout(PROBE_PATIENCE, &mut probe).await.ok();
    let upkeep = tokio::spawn(upkeep::keep_up(Arc::clone(&app)));
    let routes = Routes {
        main: web::router(Arc::clone(&app)),
        ext_ui: web::ext_ui_router(Arc::clone(&app)),
    };
    milestones::log_start(&app).await?;
    notifier.ready();
    let mut told = None;
    let (stop, ending) = (CancellationToken::new(), Arc::clone(&app));
    let serving = server::serve(bound, routes, &app.config.server, stop.clone().cancelled_owned());
    let stopping = async {
        told = Some(Told { signal: signals.next().await, at: Instant::now() });
        notifier.stopping();
        // They have no end of their own, and would be waited for.
        ending.guest_logs.end_followers();
        stop.cancel();
        signals.next().await;
    };
    let stopped = tokio::select! {
        stopped = serving => stopped,
        () = stopping => {
            tracing::warn!("Told to stop a second time: stopped at once");
            return Err(Failure::interrupted());
        }
    };
    if stopped.cut > 0 {
        tracing::warn!("Stopped with {} connections unfinished", stopped.cut);
    }
    app.traces.finish(TRACES_PATIENCE).await;
    let flushed = app.flush_touches().await;
    // With the task goes its hold on the registry, which is then closed in order.
    upkeep.abort();
    upkeep.await.ok();
    if !probe.is_finished() {
        probe.abort();
        probe.await.ok();
    }
    milestones::log_stop(told.as_ref());
    flushed.map_err(|error| Failure::unfinished(anyhow::Error::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_said_in_minutes_or_hours() {
        for (seconds, said) in [
            (60, "1 minute"),
            (119, "1 minute"),
            (120, "2 minutes"),
            (7_199, "119 minutes"),
            (7_200, "2 hours"),
            (86_400, "24 hours"),
        ] {
            assert_eq!(hours(seconds), said);
        }
    }
}
