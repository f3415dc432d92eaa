//! Opening what a data folder has. What another try meets again is refused, so that nobody who
//! starts the program over and over does so for nothing; the rest is safe to repeat.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use crate::app::master_key::MasterKeyError;
use crate::app::secret_keys::OpenSecretsError;
use crate::cli::failure::{Exit, Failure};
use crate::config::Config;
use crate::model::Clock;
use crate::registry::{Registry, uploads};
use crate::state::State;
use crate::state::secrets::SecretsError;
use crate::store::BundleStore;

pub(super) fn registry(config: &Config, clock: &dyn Clock) -> Result<Registry, Failure> {
    let file = config.server.data_dir.join("registry.redb");
    let opened = Registry::open(&file, config.registry.cache_bytes, clock.now());
    opened.map_err(|error| {
        let exit = exit_of(error.is_lasting());
        failed(exit, error, "cannot open the registry")
    })
}

pub(super) fn state(config: &Config, clock: &Arc<dyn Clock>) -> Result<State, Failure> {
    let file = config.server.data_dir.join("state.redb");
    State::open(&file, &config.state, Arc::clone(clock)).map_err(|error| {
        let exit = exit_of(error.is_lasting());
        failed(exit, error, "cannot open what extensions keep")
    })
}

pub(super) fn bundles(
    config: &Config,
    data_dir: &Path,
    registry: &Registry,
) -> anyhow::Result<BundleStore> {
    let bundles =
        BundleStore::open(&config.store, data_dir).context("cannot open the bundle store")?;
    let uploads = registry.read_blocking(uploads::list_all).context("cannot read the uploads")?;
    bundles.restore_uploads(&uploads).context("cannot take over the uploads")?;
    Ok(bundles)
}

/// The secrets could not be opened.
pub(super) fn no_secrets(error: OpenSecretsError) -> Failure {
    use OpenSecretsError as Error;
    let exit = match &error {
        Error::GivenKey(_) => Exit::Usage,
        Error::Key(MasterKeyError::Io { .. }) => Exit::Unfinished,
        Error::Key(MasterKeyError::Length { .. } | MasterKeyError::NotPrivate(_))
        | Error::Secrets(SecretsError::OtherKey { .. } | SecretsError::Broken(_)) => Exit::Refused,
        Error::State(error) | Error::Secrets(SecretsError::State(error)) => {
            exit_of(error.is_lasting())
        }
    };
    failed(exit, error, "cannot open the secrets of this appliance")
}

fn exit_of(is_lasting: bool) -> Exit {
    if is_lasting { Exit::Refused } else { Exit::Unfinished }
}

fn failed(exit: Exit, error: impl Into<anyhow::Error>, what: &'static str) -> Failure {
    Failure { exit, error: error.into().context(what), hint: None }
}
