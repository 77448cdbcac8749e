//! What is logged, for tests of it.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tracing::{level_filters::LevelFilter, subscriber::DefaultGuard};
use tracing_subscriber::fmt::format::FmtSpan;

/// All that is logged on this thread as long as the guard lives.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Begins to listen, down to this level.
    pub fn listen(level: LevelFilter) -> (Self, DefaultGuard) {
        Self::with(level, FmtSpan::NONE)
    }

    /// The same, with a line for each span that ends.
    pub fn spans(level: LevelFilter) -> (Self, DefaultGuard) {
        Self::with(level, FmtSpan::CLOSE)
    }

    fn with(level: LevelFilter, spans: FmtSpan) -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_span_events(spans)
            .with_ansi(false)
            .without_time()
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// What was logged so far, a line each.
    pub fn lines(&self) -> Vec<String> {
        String::from_utf8_lossy(&self.0.lock().unwrap()).lines().map(str::to_owned).collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
