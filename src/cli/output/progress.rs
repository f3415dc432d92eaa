//! How far a transfer is: a bar on a terminal, plain lines elsewhere.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Output, byte_size};

/// How often a plain line is written.
const EVERY: Duration = Duration::from_secs(5);

/// Shows how much of a transfer is done.
pub(in crate::cli) struct Progress {
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
    pub(in crate::cli) fn start(output: Output, what: &str, total: u64) -> Self {
        let bar = output.shows_progress().then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            bar.with_style(style()).with_message(what.to_owned())
        });
        if bar.is_none() && !output.is_json() {
            output.note(&format!("{what}, {}", byte_size(total)));
        }
        let plain = Mutex::new(Plain { done: 0, written: Instant::now() });
        Self { bar, output, total, plain }
    }

    /// Notes that `bytes` more are done.
    pub(in crate::cli) fn advance(&self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(bytes);
            if bar.position() >= self.total {
                bar.set_message("Sent; the appliance is checking it");
            }
            return;
        }
        let Ok(mut plain) = self.plain.lock() else { return };
        plain.done += bytes;
        if plain.written.elapsed() >= EVERY && !self.output.is_json() {
            plain.written = Instant::now();
            self.output.note(&format!("{} of {}", byte_size(plain.done), byte_size(self.total)));
        }
    }

    /// Notes how much is done in all: after a break less than was seen before.
    pub(in crate::cli) fn move_to(&self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        } else if let Ok(mut plain) = self.plain.lock() {
            plain.done = done;
        }
    }

    /// Removes the bar: the result says the rest.
    pub(in crate::cli) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style() -> ProgressStyle {
    let template =
        "{msg} [{bar:30}] {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}";
    let style = ProgressStyle::with_template(template).expect("the template is well formed");
    style.progress_chars("=> ")
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}
