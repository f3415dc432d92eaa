//! The flags that name settings.

use std::path::PathBuf;

use anyhow::anyhow;

use super::failure::{Exit, Failure};
use crate::config::{Config, Environment, LoadRequest, Loaded};

/// Where the configuration comes from.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct SettingsArgs {
    /// The configuration file; without one, defaults and variables count
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A setting, as `gateway.timeout_ms=5000`; can be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl SettingsArgs {
    /// Loads the configuration, or says everything that is wrong with it.
    pub fn load(&self, environment: &Environment) -> Result<Loaded, Failure> {
        let request = LoadRequest {
            file: self.config.clone(),
            flags: self.flags()?,
            environment: environment.clone(),
        };
        Config::load(&request).map_err(|problems| Failure {
            exit: Exit::Usage,
            error: anyhow!("{problems}"),
            hint: Some("`plugboard config show` lists every key with its meaning".to_owned()),
        })
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
