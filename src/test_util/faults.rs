//! What a [`FaultyServer`](super::FaultyServer) does wrong, and when.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;

use super::{
    message::{Received, Reply},
    wire::reason,
};

/// How a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// With FIN: what was sent before arrives.
    Fin,
    /// With RST.
    Rst,
}

/// What becomes of one request, instead of a reply. Everything else on its connection goes on, unless the fault ends
/// the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// RST_STREAM(REFUSED_STREAM) when its head arrives. Never processed: that is what the code promises.
    Refuse,
    /// RST_STREAM with any code, instead of the response's head.
    Reset {
        /// The code, of [`reason`].
        reason: u32,
        /// Whether the request is processed.
        processed: bool,
    },
    /// The connection is cut instead of the response's head, with all that is open on it.
    Cut {
        /// How.
        how: Cut,
        /// Whether the request is processed.
        processed: bool,
    },
    /// The connection is cut after so many bytes of the response's body.
    CutBody {
        /// The bytes.
        after: usize,
        /// How.
        how: Cut,
    },
    /// After so many bytes of the response's body no more come on this stream. Its connection is well.
    StallBody {
        /// The bytes.
        after: usize,
    },
    /// RST_STREAM after so many bytes of the response's body.
    ResetBody {
        /// The bytes.
        after: usize,
        /// The code, of [`reason`].
        reason: u32,
    },
    /// END_STREAM after so many bytes of the response's body, whatever its content-length says.
    EndBody {
        /// The bytes.
        after: usize,
    },
    /// The connection falls silent: it stays open and takes what comes, but nothing is processed or written on it
    /// any more, not even an acknowledgement.
    Silence {
        /// Whether the request is processed.
        processed: bool,
    },
}

/// How a connection is wound up with GOAWAY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoAwayStyle {
    /// GOAWAY(2^31-1), a PING round trip, GOAWAY(the last stream that arrived); open streams are finished. So do
    /// nginx, Envoy, h2 and hyper.
    TwoStep,
    /// GOAWAY(the highest stream processed) at once. Streams up to it are finished; those above are left unanswered
    /// and never processed.
    Final,
    /// As [`Final`](Self::Final), but the stream that triggers it, and whatever arrived with it, is not processed: so
    /// there always is a stream above the last-stream-id.
    LowLast,
    /// As [`LowLast`](Self::LowLast), and the connection is closed at once: streams at or below the last-stream-id
    /// were processed, and get no answer either.
    FinalUnanswered,
}

/// Which connections get a GOAWAY, and what kind.
#[derive(Clone, Debug)]
pub struct GoAway {
    pub(crate) every: u32,
    pub(crate) style: GoAwayStyle,
    pub(crate) reason: u32,
    pub(crate) debug: Bytes,
}

impl GoAway {
    /// When this many streams have arrived on a connection. [`GoAwayStyle::TwoStep`] with NO_ERROR.
    pub fn every(streams: u32) -> Self {
        Self { every: streams, style: GoAwayStyle::TwoStep, reason: reason::NO_ERROR, debug: Bytes::new() }
    }

    /// Right after the SETTINGS of each new connection. In another style than [`GoAwayStyle::TwoStep`] that means
    /// last-stream-id 0: such a server never processes anything.
    pub fn on_accept() -> Self {
        Self::every(0)
    }

    /// Sets the style.
    pub fn style(mut self, style: GoAwayStyle) -> Self {
        self.style = style;
        self
    }

    /// Sets the code, of both frames if there are two.
    pub fn reason(mut self, reason: u32) -> Self {
        self.reason = reason;
        self
    }

    /// Sets the debug data.
    pub fn debug(mut self, debug: impl Into<Bytes>) -> Self {
        self.debug = debug.into();
        self
    }
}

/// When a request counts as processed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProcessAt {
    /// When its head arrives, as with handlers that act before they read the body. The handler's reply still waits
    /// for the body.
    Headers,
    /// When all of it has arrived.
    #[default]
    Complete,
}

pub(crate) type Handler = dyn Fn(&Received, Bytes) -> Reply + Send + Sync;
pub(crate) type Chooser = dyn Fn(&Received, u64) -> Option<Fault> + Send + Sync;

/// Everything a server was told to do.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) goaways: Vec<GoAway>,
    pub(crate) every: Vec<(u64, Fault)>,
    pub(crate) chooser: Option<Arc<Chooser>>,
    pub(crate) silent_after: Option<u32>,
    pub(crate) silent_once: Option<u64>,
    pub(crate) forget_idle: Option<Duration>,
    pub(crate) spare_bodies: bool,
    pub(crate) announced_streams: Option<u32>,
    pub(crate) stream_limit: Option<u32>,
    pub(crate) process_at: ProcessAt,
    pub(crate) delay: Duration,
    pub(crate) stream_window: u32,
    pub(crate) connection_window: u32,
    pub(crate) handler: Arc<Handler>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            goaways: Vec::new(),
            every: Vec::new(),
            chooser: None,
            silent_after: None,
            silent_once: None,
            forget_idle: None,
            spare_bodies: false,
            announced_streams: Some(250),
            stream_limit: None,
            process_at: ProcessAt::default(),
            delay: Duration::ZERO,
            stream_window: 1 << 20,
            connection_window: 8 << 20,
            handler: Arc::new(|received, _| Reply::ok(received.id.clone())),
        }
    }
}

impl Plan {
    /// The fault of the `nth` request (from 1) that reaches this server.
    pub(crate) fn fault(&self, received: &Received, nth: u64) -> Option<Fault> {
        let chosen = self.chooser.as_ref().and_then(|choose| choose(received, nth));
        let due = |(every, _): &&(u64, Fault)| *every > 0 && nth % every == 0;
        chosen.or_else(|| self.every.iter().find(due).map(|(_, fault)| *fault))
    }

    /// The GOAWAY of the `nth` connection (from 0) that is used.
    pub(crate) fn goaway(&self, nth: u64) -> Option<GoAway> {
        let turn = nth.checked_rem(self.goaways.len() as u64)?;
        self.goaways.get(usize::try_from(turn).ok()?).cloned()
    }

    /// How many streams may be open at once before they are refused.
    pub(crate) fn stream_limit(&self) -> usize {
        self.stream_limit.or(self.announced_streams).map_or(usize::MAX, |limit| limit as usize)
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut plan = f.debug_struct("Plan");
        plan.field("goaways", &self.goaways).field("every", &self.every).field("process_at", &self.process_at);
        plan.finish_non_exhaustive()
    }
}
