//! The end of the certificate that the appliance itself serves with.

use jiff::{SignedDuration, Timestamp};

use super::App;

/// How long before its end a start says so.
const NOTICE: SignedDuration = SignedDuration::from_hours(14 * 24);

impl App {
    /// Takes over when the certificate ends, for `/metrics`, and says in the log that it is over
    /// or soon will be: it is served all the same.
    pub fn note_certificate(&self, ends_at: Option<Timestamp>) {
        self.metrics.observe_certificate(ends_at);
        let Some(ends_at) = ends_at else { return };
        let left = ends_at.duration_since(self.clock.now());
        if left > NOTICE {
            return;
        }
        let verb = if left.is_positive() { "ends" } else { "has ended" };
        tracing::warn!(
            "The certificate of this server {verb}, at {ends_at}: replace both files of \
             `server.tls`, and restart",
        );
    }
}
