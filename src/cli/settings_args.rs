//! The flags that name settings.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::failure::{Exit, Failure};
use crate::config::{Config, ConfigProblems, Environment, LoadRequest, Loaded};

/// Where the configuration comes from.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct SettingsArgs {
    /// The configuration file; without one, defaults and variables count
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// A setting, as `gateway.timeout_ms=5000`; repeatable
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) set: Vec<String>,
}

impl SettingsArgs {
    /// A short form of `--set server.data_dir=…`.
    #[must_use]
    pub(super) fn with_data_dir(self, data_dir: Option<&Path>) -> Self {
        let data_dir = data_dir.map(|folder| folder.to_string_lossy().into_owned());
        self.with("server.data_dir", data_dir)
    }

    /// Adds a setting that a flag of its own names.
    #[must_use]
    pub(super) fn with(mut self, key: &str, value: Option<String>) -> Self {
        self.set.extend(value.map(|value| format!("{key}={value}")));
        self
    }

    /// Loads the configuration, or says everything that is wrong with it.
    pub(super) fn load(&self, environment: &Environment) -> Result<Loaded, Failure> {
        self.try_load(environment)?.map_err(|problems| Failure {
            exit: Exit::Usage,
            error: anyhow!("{problems}"),
            hint: Some("`plugboard config example` shows every key".to_owned()),
        })
    }

    /// Loads the configuration; its problems are a result, too.
    pub(super) fn try_load(
        &self,
        environment: &Environment,
    ) -> Result<Result<Loaded, ConfigProblems>, Failure> {
        let request = LoadRequest {
            file: self.config.clone(),
            flags: self.flags()?,
            environment: environment.clone(),
        };
        Ok(Config::load(&request))
    }

    fn flags(&self) -> Result<Vec<(String, String)>, Failure> {
        let pair = |text: &String| {
            let (key, value) = text
                .split_once('=')
                .ok_or_else(|| Failure::usage(format!("--set {text}: write it as KEY=VALUE")))?;
            Ok((key.trim().to_owned(), value.to_owned()))
        };
        self.set.iter().map(pair).collect()
    }
}
