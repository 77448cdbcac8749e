//! What is drawn: plain data, so that drawing needs neither a connection nor a clock.

use std::time::Duration;

use tower_redial::health::{Drain, EventKind, State};

/// All that one frame shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    /// The keys there are, if any.
    pub(crate) hint: &'static str,
    pub(crate) origin: String,
    pub(crate) workers: usize,
    /// Since it began.
    pub(crate) running: Duration,
    pub(crate) requests: Requests,
    /// How often connections were drained, by why; and so on.
    pub(crate) drains: Counted,
    pub(crate) ends: Counted,
    pub(crate) resends: Counted,
    pub(crate) given_up: Counted,
    /// Those that live, oldest first, and then those that ended, newest first.
    pub(crate) connections: Vec<Connection>,
    /// Oldest first.
    pub(crate) log: Vec<Entry>,
}

/// Names and how often each was counted.
pub(crate) type Counted = Vec<(String, u64)>;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Requests {
    pub(crate) ok: u64,
    /// Of these, thanks to a resend.
    pub(crate) resent: u64,
    pub(crate) failed: u64,
    pub(crate) under_way: usize,
    /// Besides these, because the peer's stream limit is used up.
    pub(crate) waiting: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) id: u64,
    pub(crate) state: State,
    /// Why it was drained, also once it has ended.
    pub(crate) drained: Option<Drain>,
    pub(crate) streams: usize,
    pub(crate) limit: Option<u32>,
    pub(crate) round_trip: Option<Duration>,
    pub(crate) age: Duration,
    pub(crate) requests: u64,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    /// What the peer said in its GOAWAY, as it came.
    pub(crate) said: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Since it began.
    pub(crate) at: Duration,
    pub(crate) what: Happening,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Happening {
    Event {
        connection: u64,
        kind: EventKind,
    },
    /// So many events came too fast to be told.
    Missed(u64),
}
