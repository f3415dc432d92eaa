//! Whether a start could use the files that settings name.

use std::path::Path;
use std::sync::Arc;

use super::Finding;
use crate::app::egress;
use crate::app::master_key::MasterKey;
use crate::callbacks::Callbacks;
use crate::cli::failure::Exit;
use crate::config::Config;
use crate::egress::{Destination, Ended};
use crate::model::{Clock, InstallId, SystemClock};
use crate::web::server::check_tls;

/// Nothing where none is named; else what is wrong with each, or that nothing is.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    let looked = look(config);
    let is_named = !looked.is_empty();
    let failed = looked.into_iter().filter_map(Result::err);
    let mut findings: Vec<_> = failed
        // With the causes, on one line.
        .map(|error| Finding::failed("files", format!("{error:#}."), Exit::Usage))
        .collect();
    if is_named && findings.is_empty() {
        findings.push(Finding::ok("files", "The files that settings name can be used."));
    }
    findings
}

/// Reads them as a start does.
fn look(config: &Config) -> Vec<anyhow::Result<()>> {
    let Config { server, egress, host_callbacks, .. } = config;
    let is_named = |file: &Path| !file.as_os_str().is_empty();
    let mut looked: Vec<anyhow::Result<()>> = Vec::new();
    for key in [&server.master_key_file, &server.previous_master_key_file] {
        if is_named(key) {
            looked.push(MasterKey::read_given(key).map(drop).map_err(Into::into));
        }
    }
    if server.tls.is_set() {
        looked.push(check_tls(&server.tls).map_err(Into::into));
    }
    if is_named(&egress.ca_file) {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let learner = Arc::new(|_: InstallId, _: &Destination| false);
        let opened = egress::open(config, &clock, Arc::new(|_: &Ended<'_>| ()), learner);
        looked.push(opened.map(drop).map_err(Into::into));
    }
    if is_named(&host_callbacks.ca_file) {
        let opened = Callbacks::new(host_callbacks, Arc::new(|_, _, _| ()));
        looked.push(opened.map(drop).map_err(Into::into));
    }
    looked
}
