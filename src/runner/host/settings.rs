//! `wasi:config/store`: the settings that the operator has given the install.
//!
//! They are those of the moment the execution began, so one guest never sees two states.

use super::Host;
use crate::model::{Capability, SettingTexts};
use crate::runner::bindings::config;

type Answer<T> = wasmtime::Result<Result<T, config::Error>>;

impl config::Host for Host {
    fn get(&mut self, key: String) -> Answer<Option<String>> {
        Ok(Ok(self.readable_settings()?.and_then(|texts| texts.get(&key)).map(str::to_owned)))
    }

    fn get_all(&mut self) -> Answer<Vec<(String, String)>> {
        let owned = |(key, text): (&str, &str)| (key.to_owned(), text.to_owned());
        let texts = self.readable_settings()?.into_iter().flat_map(SettingTexts::iter);
        Ok(Ok(texts.map(owned).collect()))
    }
}

impl Host {
    /// The interface has no word for "denied": without the grant there are none.
    fn readable_settings(&mut self) -> wasmtime::Result<Option<&SettingTexts>> {
        let granted = self.admit(Capability::ContextRead)?;
        Ok(self.settings.as_deref().filter(|_| granted))
    }
}
