use std::time::Duration;

use serde::Serialize;

/// What is simulated.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Settings {
    /// How many clients there are. Each sends a request about once a second.
    pub(crate) clients: u32,
    /// How many processes the clients are spread over, where each process has a layer of its own.
    pub(crate) processes: u32,
    /// What the last kind of clients has for its budget's floor.
    pub(crate) min_per_second: u32,
    /// How many requests a second the server answers when it is well.
    pub(crate) capacity: u32,
    /// How many requests wait in the server before it turns others away.
    pub(crate) queue: usize,
    /// How long a client waits for each attempt.
    pub(crate) timeout_ms: u32,
    /// When the outage begins.
    pub(crate) outage_at_s: u32,
    /// How long it takes.
    pub(crate) outage_s: u32,
    /// What is left of the capacity meanwhile, in percent. With nothing left the server is gone: it refuses connections, and what
    /// was waiting in it is lost.
    pub(crate) left_percent: u32,
    /// How long all this is watched. The clients go on for a little longer, so that no request that counts ends among fewer.
    pub(crate) seconds: u32,
    /// Whether the server leaves out requests that nobody waits for any more.
    pub(crate) drops_abandoned: bool,
    pub(crate) seed: u64,
}

impl Settings {
    /// When the capacity is back, in seconds.
    pub(crate) const fn back_at_s(&self) -> u32 {
        self.outage_at_s.saturating_add(self.outage_s)
    }

    pub(super) const fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms as u64)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            clients: 1_000,
            processes: 1_000,
            min_per_second: 0,
            capacity: 1_250,
            // Linux's default for connections that nobody has accepted yet (net.core.somaxconn), and less than what a
            // server that accepts everything and starts a task for each keeps.
            queue: 4_096,
            timeout_ms: 1_000,
            outage_at_s: 20,
            outage_s: 10,
            left_percent: 20,
            seconds: 80,
            drops_abandoned: false,
            seed: 1,
        }
    }
}
