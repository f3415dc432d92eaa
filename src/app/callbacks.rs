//! What is counted of the questions to the operator's own application.

use std::sync::Arc;
use std::time::Duration;

use crate::callbacks::{Interface, Observer, Outcome};
use crate::telemetry::Metrics;

/// Counts how calls end.
pub fn observer(metrics: &Arc<Metrics>) -> Observer {
    let metrics = Arc::clone(metrics);
    Arc::new(move |interface: Interface, outcome: Outcome, took: Duration| {
        metrics.observe_callback(interface.as_str(), outcome.as_str(), took);
    })
}
