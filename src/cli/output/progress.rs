//! How far a transfer is: a bar on a terminal, plain lines elsewhere.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Output, size};

/// How often a plain line is written.
const EVERY: Duration = Duration::from_secs(5);

/// Shows how much of a transfer is done.
pub struct Progress {
    bar: Option<ProgressBar>,
    output: Output,
    total: u64,
    plain: Mutex<Plain>,
}

struct Plain {
    done: u64,
    written: Instant,
}

impl Progress {
    /// Says that a transfer of `total` bytes begins.
    pub fn start(output: Output, what: &str, total: u64) -> Self {
        let bar = output.shows_progress().then(|| {
            let target = ProgressDrawTarget::stderr();
            let style = ProgressStyle::with_template(
                "{msg} [{bar:30}] {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}",
            );
            let bar = ProgressBar::with_draw_target(Some(total), target);
            bar.set_style(style.expect("the template is well formed").progress_chars("=> "));
            bar.set_message(what.to_owned());
            bar
        });
        if bar.is_none() && !output.is_json() {
            output.note(&format!("{what}, {}", size(total)));
        }
        let plain = Mutex::new(Plain { done: 0, written: Instant::now() });
        Self { bar, output, total, plain }
    }

    /// Notes that `bytes` more are done.
    pub fn advance(&self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(bytes);
            return;
        }
        let Ok(mut plain) = self.plain.lock() else { return };
        plain.done += bytes;
        if plain.written.elapsed() >= EVERY && !self.output.is_json() {
            plain.written = Instant::now();
            self.output.note(&format!("{} of {}", size(plain.done), size(self.total)));
        }
    }

    /// Removes the bar: the result says the rest.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}
