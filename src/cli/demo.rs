//! `plugboard demo`: a throw-away appliance with a signed sample extension.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use rust_embed::RustEmbed;
use secrecy::{ExposeSecret, SecretString};

use super::Context;
use super::failure::{Exit, Failure};
use super::interrupt::Signals;
use super::serve::{bind, open_app, serve_until_told, with_admin_socket, with_bound_address};
use super::sign::sign_archive;
use crate::app::App;
use crate::app::install::{InstallRequest, Installed};
use crate::app::publish::Published;
use crate::app::trust::TrustRequest;
use crate::bundle;
use crate::config::Config;
use crate::model::{Actor, Install, NameGlob, Operator, Principal};
use crate::telemetry;
use crate::trust::keys;
use crate::web::server::Notifier;

/// The sample, as its folder is in the source tree.
#[derive(RustEmbed)]
#[folder = "examples/hello/bundle/"]
struct Sample;

/// Shows a throw-away appliance with a sample extension
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Runs a throw-away appliance with a signed sample extension, and prints one address \
to open. Ctrl-C ends it and removes everything it made.

Examples:
  plugboard demo
  plugboard demo --listen 127.0.0.1:0"
)]
pub(super) struct DemoArgs {
    /// Address and port; loopback only
    #[arg(long, default_value = "127.0.0.1:7420")]
    listen: SocketAddr,
}

/// Runs `plugboard demo`.
pub(super) async fn run(args: DemoArgs, context: &Context) -> Result<Exit, Failure> {
    let Context { environment, output } = context;
    if !args.listen.ip().is_loopback() {
        return Err(Failure::usage("the demo listens on loopback addresses only"));
    }
    let folder = tempfile::Builder::new().prefix("plugboard-demo-").tempdir()?;
    let mut config = Config::default();
    config.server.listen = args.listen;
    config.server.data_dir = folder.path().join("data");
    "warn".clone_into(&mut config.telemetry.log_level);
    // A machine with a nearly full disk can show a demo, too.
    config.store.min_free_bytes = 64 * 1024 * 1024;
    let _log =
        telemetry::init_server(&config.telemetry, environment).context("cannot write logs")?;
    let signals = Signals::listen()?;
    let bound = match bind(&config).await {
        Ok(bound) => bound,
        // The usual port is taken: any other serves as well.
        Err(_) if args.listen.port() != 0 => {
            config.server.listen.set_port(0);
            bind(&config).await?
        }
        Err(error) => return Err(error),
    };
    let app = open_app(with_bound_address(config, &bound))?;
    let bound = with_admin_socket(bound, &app)?;
    let (operator, password) = create_operator(&app).await?;
    let principal = Principal::Local { uid: rustix::process::getuid().as_raw() };
    let install = install_sample(&app, &principal, folder.path()).await?;
    let path = format!("/admin/open/{}", install.id);
    let link = app.create_sign_in_link(&operator, path);
    let url = format!("{}/sign-in/{}", app.public_origin(), link.expose_secret());
    let text = format!(
        "{url}\n\nThis address signs you in and opens {} {}, running in this process.\n\
         Operator: {}  Password: {}\nCtrl-C ends the demo and removes everything it made.",
        install.name,
        install.version,
        operator.name,
        password.expose_secret(),
    );
    let object = serde_json::json!({
        "url": url,
        "origin": app.public_origin(),
        "operator": operator.name,
        "password": password.expose_secret(),
        "install": install.id,
    });
    output.result(&object, &text)?;
    serve_until_told(app, bound, Notifier::of(environment), signals).await?;
    Ok(Exit::Done)
}

async fn create_operator(app: &App) -> Result<(Operator, SecretString), Failure> {
    let mut random = [0; 12];
    getrandom::fill(&mut random).map_err(|error| Failure::unfinished(anyhow!("{error}")))?;
    let password = SecretString::from(hex::encode(random));
    let name = "demo".parse().map_err(|error| anyhow!("{error}"))?;
    let operator = app.create_operator(Actor::System, name, password.clone()).await;
    Ok((operator.map_err(|error| Failure::unfinished(anyhow::Error::new(error)))?, password))
}

/// Goes the way of every extension: pack, sign with a fresh key, trust that
/// key, publish, install, enable.
async fn install_sample(
    app: &Arc<App>,
    principal: &Principal,
    folder: &Path,
) -> Result<Install, Failure> {
    let source = folder.join("hello");
    unpack_sample(&source)?;
    let mut archive = Vec::new();
    bundle::pack(&source, &mut archive).context("cannot pack the sample")?;
    let made = keys::generate().context("cannot make a key")?;
    let key = keys::parse_private(&made.private_pem).context("cannot use the key")?;
    let signature = sign_archive(archive.as_slice(), &key)?.envelope;
    let trusted = TrustRequest {
        public_key: made.public_pem,
        name: "demo, made at start".to_owned(),
        scopes: vec![NameGlob::everything()],
    };
    app.trust_key(principal, trusted).await.context("cannot trust the key")?;
    let size = archive.len() as u64;
    let body = futures_util::stream::iter([Ok::<_, std::io::Error>(archive.into())]);
    let staged =
        app.receive(principal, Some(size), body).await.context("cannot receive the sample")?;
    let published = app.publish(principal, staged, vec![signature], None).await;
    let Published::Registered { version, .. } = published.context("cannot publish the sample")?
    else {
        return Err(anyhow!("the sample was quarantined").into());
    };
    let request = InstallRequest {
        egress: None,
        name: version.name.clone(),
        version: Some(version.version.clone()),
        grants: version.manifest.capabilities.iter().copied().collect::<BTreeSet<_>>(),
        enabled: false,
    };
    let installed = app.install(principal, request).await.context("cannot install the sample")?;
    let (Installed::Created(install) | Installed::Unchanged(install)) = installed;
    let enabled = app.set_enabled(principal, install.id, true).await;
    Ok(enabled.context("cannot enable the sample")?)
}

fn unpack_sample(folder: &Path) -> Result<(), Failure> {
    for name in Sample::iter() {
        let file = folder.join(&*name);
        fs::create_dir_all(file.parent().unwrap_or(folder))?;
        let content = Sample::get(&name).ok_or_else(|| anyhow!("the sample misses {name}"))?;
        fs::write(&file, content.data)?;
    }
    Ok(())
}
