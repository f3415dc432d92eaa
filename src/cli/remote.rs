//! Which appliance a command is for, and how it is reached.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use secrecy::SecretString;

use super::Context;
use super::client::{Client, address};
use super::failure::{Exit, Failure};
use super::files::{input_name, read_text};
use super::serve::folder::not_a_folder;
use super::serve::open_app;
use super::settings_args::SettingsArgs;
use crate::config::{Config, Origin, TelemetryConfig};
use crate::telemetry;
use crate::web::server::admin_socket_path;

/// Which appliance is meant.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Which appliance")]
pub(super) struct RemoteArgs {
    /// Its address; or the variable `PLUGBOARD_URL`
    #[arg(long, global = true, value_name = "URL")]
    url: Option<String>,
    /// A file with an API token; or `PLUGBOARD_TOKEN_FILE`, or the token in `PLUGBOARD_TOKEN`
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Without a token: the data folder on this host, for its admin socket
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The configuration file that names the data folder
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What a command does where no server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offline {
    /// It needs one.
    Refuse,
    /// It opens the registry itself.
    OpenRegistry,
    /// The same, and in a folder that was named it makes a new appliance.
    MakeAppliance,
}

impl RemoteArgs {
    /// By token over HTTP; without a token over the admin socket; with no
    /// server there, in this process, for the commands that can.
    pub(super) fn client(&self, context: &Context, offline: Offline) -> Result<Client, Failure> {
        let variable = |name| context.environment.get(name).filter(|text| !text.is_empty());
        let url = self.url.clone().or_else(|| variable("PLUGBOARD_URL").map(str::to_owned));
        match (self.token(context)?, url) {
            (Some(token), Some(url)) => http(&url, token, context),
            (Some(token), None) => {
                let config = self.load(context)?;
                http(config.server.public_origin().as_str(), token, context)
            }
            (None, Some(url)) => {
                let message = format!("{} needs a token", address(&url)?);
                Err(Failure::usage(message).hint(
                    "name its file with --token-file or PLUGBOARD_TOKEN_FILE; on the host itself, \
                     leave --url and PLUGBOARD_URL away to use the admin socket",
                ))
            }
            (None, None) => self.on_this_host(context, offline),
        }
    }

    fn token(&self, context: &Context) -> Result<Option<SecretString>, Failure> {
        let variable = |name| context.environment.get(name).filter(|text| !text.is_empty());
        let file =
            self.token_file.clone().or_else(|| variable("PLUGBOARD_TOKEN_FILE").map(PathBuf::from));
        let (text, place) = match (file, variable("PLUGBOARD_TOKEN")) {
            (Some(file), _) => (read_text(&file)?, input_name(&file)),
            (None, Some(text)) => (text.to_owned(), "PLUGBOARD_TOKEN".to_owned()),
            (None, None) => return Ok(None),
        };
        let text = text.trim();
        if text.starts_with("plug_") && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(Some(text.to_owned().into()));
        }
        Err(Failure::usage(format!("{place} holds no API token"))
            .hint("a token begins with plug_; `plugboard token create` makes one"))
    }

    fn load(&self, context: &Context) -> Result<Config, Failure> {
        let settings = SettingsArgs { config: self.config.clone(), set: Vec::new() };
        let settings = settings.with_data_dir(self.data_dir.as_deref());
        Ok(settings.load(&context.environment)?.config)
    }

    fn on_this_host(&self, context: &Context, offline: Offline) -> Result<Client, Failure> {
        let config = self.load(context)?;
        let data_dir = config.server.data_dir.clone();
        let socket = admin_socket_path(&data_dir);
        if server_answers(&socket, &data_dir)? {
            return Client::socket(&socket);
        }
        let found = std::fs::metadata(data_dir.join("registry.redb")).ok();
        if offline == Offline::Refuse && found.is_some() {
            let message = format!("no server is running on the data folder {}", data_dir.display());
            return Err(Failure::unfinished(anyhow!(message)).hint(
                "start it with `plugboard serve`; name its folder with --data-dir, or another \
                 appliance with --url and --token-file",
            ));
        }
        let is_named = self.data_dir.is_some() || data_dir != Config::default().server.data_dir;
        let message = match found {
            Some(found) => {
                check_owner(&data_dir, &found)?;
                check_master_key(&config)?;
                format!("No server is running: opening {}", data_dir.display())
            }
            None if offline == Offline::MakeAppliance && is_named => {
                format!("No server is running: making a new appliance in {}", whole(&data_dir))
            }
            None => return Err(no_appliance(&data_dir, offline)),
        };
        context.output.note(&message);
        // Only what fails: a person is here, and gets the answers.
        let log = TelemetryConfig { log_level: "error".to_owned(), ..TelemetryConfig::default() };
        telemetry::init(&log, &context.environment).context("cannot write logs")?;
        Ok(Client::local(open_app(config)?))
    }
}

fn http(url: &str, token: SecretString, context: &Context) -> Result<Client, Failure> {
    let client = Client::http(url, token)?;
    let origin: Result<Origin, _> = url.parse();
    if origin.is_ok_and(|origin| !origin.is_https() && !origin.is_loopback()) {
        context
            .output
            .note(&format!("warning: {url} is plain HTTP: the token can be read on the way"));
    }
    Ok(client)
}

/// Whether a server is at the other end of the admin socket.
fn server_answers(socket: &Path, data_dir: &Path) -> Result<bool, Failure> {
    let Err(error) = UnixStream::connect(socket) else { return Ok(true) };
    // A socket that nobody listens at was left behind by a server that was killed.
    if [ErrorKind::NotFound, ErrorKind::ConnectionRefused].contains(&error.kind()) {
        return Ok(false);
    }
    if error.kind() == ErrorKind::NotADirectory {
        return Err(not_a_folder(data_dir));
    }
    let socket = socket.display();
    if error.kind() == ErrorKind::PermissionDenied {
        let message = format!("the admin socket {socket} is another user's");
        return Err(Failure::refused(anyhow!(error).context(message))
            .hint("run this as that user or as root, or use --url and --token-file"));
    }
    let message = format!("cannot use the admin socket {socket}");
    Err(Failure::unfinished(anyhow!(error).context(message)))
}

/// A folder that is misspelt, or the default of a wrong working directory, is not to become
/// an appliance.
fn no_appliance(data_dir: &Path, offline: Offline) -> Failure {
    let error = anyhow!("there is no appliance in {}", whole(data_dir));
    let (exit, hint) = match offline {
        // Its server may be about to make it: `publish --wait` goes on.
        Offline::Refuse => (
            Exit::Unfinished,
            "name the data folder of a running server with --data-dir or --config, or another \
             appliance with --url and --token-file",
        ),
        Offline::OpenRegistry => (
            Exit::Refused,
            "name its data folder with --data-dir or --config; `plugboard serve` makes a new one",
        ),
        Offline::MakeAppliance => {
            (Exit::Refused, "name its data folder, or one for a new appliance, with --data-dir")
        }
    };
    Failure { exit, error, hint: None }.hint(hint)
}

/// A folder, wherever it is read.
fn whole(folder: &Path) -> String {
    std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()).display().to_string()
}

/// Opening a registry makes files: not for somebody else.
fn check_owner(data_dir: &Path, found: &Metadata) -> Result<(), Failure> {
    let (owner, own) = (found.uid(), rustix::process::geteuid().as_raw());
    if owner == own {
        return Ok(());
    }
    let message = format!("the registry in {} is user {owner}'s", data_dir.display());
    Err(Failure::refused(anyhow!(message)).hint(format!(
        "run this as that user, as in `sudo -u '#{owner}' plugboard …`: what another user makes, \
         the server cannot write"
    )))
}

/// A key that a server is given is not in its folder. What a second one, made here, had sealed,
/// the server could not read.
fn check_master_key(config: &Config) -> Result<(), Failure> {
    let data_dir = &config.server.data_dir;
    let is_given = !config.server.master_key_file.as_os_str().is_empty();
    let is_there = |name: &str| data_dir.join(name).symlink_metadata().is_ok();
    // Where nothing is kept no start has got as far as a key: there is no other one.
    if is_given || is_there("master.key") || !is_there("state.redb") {
        return Ok(());
    }
    let message = format!("no master.key is in {}: its server is given one", whole(data_dir));
    Err(Failure::usage(message).hint(
        "name the key here, too, with PLUGBOARD_SERVER__MASTER_KEY_FILE; or start the server, \
         which makes one if it is given none, and ask it",
    ))
}
