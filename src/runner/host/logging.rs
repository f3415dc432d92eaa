//! `logging`: lines for the log of the appliance.

use super::Host;
use super::guest_log::{Level, Source};
use crate::model::Capability;
use crate::runner::bindings::logging;

impl logging::Host for Host {
    fn log_info(&mut self, message: String) -> wasmtime::Result<()> {
        self.log_line(Level::Info, &message)
    }

    fn log_warn(&mut self, message: String) -> wasmtime::Result<()> {
        self.log_line(Level::Warn, &message)
    }

    fn log_error(&mut self, message: String) -> wasmtime::Result<()> {
        self.log_line(Level::Error, &message)
    }
}

impl Host {
    fn log_line(&mut self, level: Level, message: &str) -> wasmtime::Result<()> {
        if self.admit(Capability::LogEmit)? {
            self.log.line(level, Source::Log, message);
        }
        Ok(())
    }
}
