//! The id of a trace in log lines, so that one is found from the other.

use std::io;
use std::sync::{Arc, LazyLock, Mutex};

use tracing_subscriber::fmt::MakeWriter;

use super::*;

#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    /// Everything that this thread logs from now on, until the guard is dropped.
    ///
    /// With one listener alone, a line that another thread, which has none, logs first is taken
    /// for one that nobody listens to, in all threads.
    pub(crate) fn begin() -> (Self, tracing::subscriber::DefaultGuard) {
        Self::begin_at(tracing::Level::INFO)
    }

    /// The same, down to this level.
    pub(crate) fn begin_at(level: tracing::Level) -> (Self, tracing::subscriber::DefaultGuard) {
        static OTHER: LazyLock<tracing::Dispatch> =
            LazyLock::new(|| tracing::Dispatch::new(tracing_subscriber::registry()));
        LazyLock::force(&OTHER);
        let log = Self::default();
        let lines = tracing_subscriber::fmt().with_ansi(false).with_max_level(level);
        let lines = lines.with_writer(log.clone());
        (log, tracing::subscriber::set_default(lines.finish()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The ids of traces in the lines about requests, empty for those that have none.
    fn traces(&self) -> Vec<String> {
        let id = |line: &str| {
            let id = line.split_once("trace.id=").map_or("", |(_, rest)| rest);
            id.split(' ').next().unwrap_or_default().to_owned()
        };
        self.text().lines().filter(|line| line.contains("http.path")).map(id).collect()
    }
}

#[tokio::test]
async fn the_line_of_a_request_has_the_id_of_its_trace() {
    let collector = Collector::start().await;
    let traced = collector.app(|_| ()).await;
    let plain = TestApp::start().await;
    for app in [&traced, &plain] {
        app.install(&bundle("echoes")).await;
    }
    let (log, heard) = Log::begin();

    call(&plain, Some(&parent("00"))).await;
    call(&plain, None).await;
    call(&plain, Some("00")).await;
    // Also of what is answered by the appliance itself.
    plain.call(Method::GET, "/nowhere").header("traceparent", &parent("01")).send().await;
    call(&traced, None).await;
    drop(heard);

    let spans = collector.wait_for(&traced, 1).await;
    assert_eq!(log.traces(), [TRACE, "", "", TRACE, &spans[0].trace]);
}
