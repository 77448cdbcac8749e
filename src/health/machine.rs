//! One HTTP/2 connection's health: events and the time in, actions out. No IO and no clock of its own.
//!
//! The machine is told what goes by in both directions ([`Machine::outbound`], [`Machine::inbound`], [`Machine::heard`]) and
//! says what to do ([`Machine::poll`]), and when to ask again if nothing happens before ([`Machine::deadline`]). Times are
//! `Duration`s since the connection began.
//!
//! # When it probes
//!
//! A probe is one PING. It is sent on suspicion, never on a timer, and never on an idle connection:
//!
//! - **silence**: a stream is open, and no byte has come for [`probe_after`](Settings::probe_after);
//! - **waking**: the first request after [`verify_idle`](Settings::verify_idle) without a byte;
//! - **a caller who gave up**: RST_STREAM(CANCEL) goes out on a stream since whose HEADERS nothing has come.
//!
//! One is in flight at the most, and any byte that comes counts as its answer. All share one ledger, so that no peer
//! takes them for a flood: a probe of the last two kinds needs a HEADERS or DATA received since the last probe was answered
//! (Go's rule, golang/go#70575); probes for silence come at 15 s, 45 s and 105 s, and then 5.5 minutes apart, until HEADERS or
//! DATA come. gRPC servers put up with two pings that are less than five minutes apart, and count anew when they
//! send data (grpc-go, `internal/transport/http2_server.go`, `handlePing`).
//!
//! # What follows
//!
//! Without a byte for [`probe_timeout`](Settings::probe_timeout) after a probe the connection is [`Silent`](State::Silent):
//! it admits nothing new, but what is open may still finish, and a byte makes it [`Open`](State::Open) again. Without one for
//! [`dead_after`](Settings::dead_after) it has to be failed.
//!
//! A connection that has to be replaced is [`Draining`](State::Draining): what is open finishes, nothing new is admitted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;

use self::ledger::Ledger;
use super::frame::{Event, Frame};
use crate::fate::Reason;

mod ledger;
mod settings;
mod state;
#[cfg(test)]
mod tests;

pub use self::settings::Settings;
pub use self::state::{Action, Close, Drain, State};

/// No new stream is opened within this many of the last one (RFC 9113, section 5.1.1: ids are 31 bits, and a client's odd).
const STREAM_ID_MARGIN: u32 = 2 * 1_000;

/// Refusals within this time of each other are one event: a burst beyond a limit that the client did not know yet.
const BURST: Duration = Duration::from_secs(1);

/// Refusals further apart than this have nothing to do with each other.
const MEMORY: Duration = Duration::from_secs(60);

/// How many such events retire a connection.
const REFUSALS: u32 = 2;

/// Follows one connection. See the [module](self).
///
/// ```
/// use std::time::Duration;
///
/// use tower_redial::health::frame::{Event, Frame};
/// use tower_redial::health::machine::{Action, Close, Machine, Settings, State};
///
/// let mut machine = Machine::new(Settings::default());
/// machine.outbound(&Event::Preface, Duration::ZERO);
/// machine.outbound(&Event::End(Frame::Headers { stream_id: 1, end_stream: true }), Duration::ZERO);
///
/// // Nothing comes back, not even the server's SETTINGS.
/// let deadline = machine.deadline().expect("a handshake takes no longer than its timeout");
/// assert_eq!(machine.poll(deadline), Some(Action::Fail(Close::Handshake)));
/// assert_eq!(machine.state(), State::Closed(Close::Handshake));
/// ```
#[derive(Clone, Debug)]
pub struct Machine {
    /// Those of many connections are the same.
    settings: Arc<Settings>,
    state: State,
    streams: HashMap<u32, Stream, RandomState>,
    requests: u64,
    /// The highest stream id that went out.
    highest: u32,
    /// When the client's preface went out.
    began: Option<Duration>,
    greeted: bool,
    /// The bytes are not HTTP/2: age is all that there is to watch.
    opaque: bool,
    /// The client was told not to use the connection again, for good.
    retired: bool,
    peer_limit: Option<u32>,
    /// When the last byte came.
    heard: Duration,
    /// Since when there has been a stream open without a break; meaningless while there is none.
    busy_since: Duration,
    probe: Option<Probe>,
    ledger: Ledger,
    refusals: u32,
    last_refusal: Option<Duration>,
    failed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    opened: Duration,
    local_ended: bool,
    remote_ended: bool,
    answered: bool,
}

#[derive(Clone, Copy, Debug)]
struct Probe {
    /// When it was asked for, and once the action has been given out, when that was.
    asked: Duration,
    sent: bool,
}

impl Machine {
    /// For a connection that begins now.
    #[must_use]
    pub fn new(settings: impl Into<Arc<Settings>>) -> Self {
        Self {
            settings: settings.into(),
            state: State::Open,
            streams: HashMap::default(),
            requests: 0,
            highest: 0,
            began: None,
            greeted: false,
            opaque: false,
            retired: false,
            peer_limit: None,
            heard: Duration::ZERO,
            busy_since: Duration::ZERO,
            probe: None,
            ledger: Ledger::default(),
            refusals: 0,
            last_refusal: None,
            failed: false,
        }
    }

    /// Where the connection stands.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// How many streams are open.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.streams.len()
    }

    /// How many streams are open on which nothing has come yet.
    #[must_use]
    pub fn unanswered_streams(&self) -> usize {
        self.streams.values().filter(|stream| !stream.answered).count()
    }

    /// How many requests it has had.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.requests
    }

    /// Whether the peer's SETTINGS have come.
    #[must_use]
    pub const fn greeted(&self) -> bool {
        self.greeted
    }

    /// The peer's SETTINGS_MAX_CONCURRENT_STREAMS; `None` as long as it has said nothing, which means no limit.
    #[must_use]
    pub const fn peer_limit(&self) -> Option<u32> {
        self.peer_limit
    }

    /// A byte came.
    pub fn heard(&mut self, now: Duration) {
        self.heard = now;
        self.probe = None;

        if self.state == State::Silent {
            self.state = if self.retired { State::Draining(Drain::Silence) } else { State::Open };
        }
    }

    /// The client was told not to use this connection again, and cannot be told otherwise: what it was silent for is
    /// no longer forgiven.
    pub fn retired(&mut self) {
        self.retired = true;
    }

    /// The acknowledgement of our newest PING came. Its bytes are told by [`heard`](Self::heard).
    pub fn acknowledged(&mut self) {
        self.ledger.unacknowledged = false;
    }

    /// The transport ended. The first reason counts.
    pub fn ended(&mut self, close: Close) {
        if !matches!(self.state, State::Closed(_)) {
            self.state = State::Closed(close);
        }
    }

    /// Drains the connection at the caller's wish.
    pub fn drain(&mut self) {
        self.retire(Drain::Asked);
    }

    /// An event of the outbound [`Scanner`](super::frame::Scanner).
    pub fn outbound(&mut self, event: &Event, now: Duration) {
        if self.opaque {
            // One direction can be opaque and the other not: what streams it opens, nobody would see end.
            return;
        }
        let frame = match event {
            Event::End(frame) => frame,
            Event::Preface => {
                self.began = Some(now);
                return;
            }
            Event::NotHttp2 => {
                self.turn_opaque();
                // What this client waits for is unknown from now on.
                self.began = None;
                return;
            }
            Event::Begin(_) => return,
        };
        match *frame {
            Frame::Headers { stream_id, end_stream } => {
                // Trailers may go out on a stream that the peer has reset meanwhile: only a higher id is a new stream.
                if stream_id > self.highest {
                    self.open(stream_id, now);
                }
                self.end(stream_id, end_stream, false);
            }
            Frame::Data { stream_id, end_stream } => self.end(stream_id, end_stream, false),
            Frame::Reset { stream_id, reason } => {
                let unheard = self.streams.remove(&stream_id).is_some_and(|stream| stream.opened >= self.heard);
                if unheard && reason == Reason::CANCEL {
                    self.suspect(now);
                }
            }
            _ => {}
        }
    }

    /// An event of the inbound [`Scanner`](super::frame::Scanner). The bytes that made it are told by [`heard`](Self::heard).
    pub fn inbound(&mut self, event: &Event, now: Duration) {
        if self.opaque {
            return;
        }
        let frame = match event {
            Event::End(frame) => frame,
            Event::NotHttp2 => {
                self.turn_opaque();
                return;
            }
            Event::Preface | Event::Begin(_) => return,
        };
        match *frame {
            Frame::Headers { stream_id, end_stream } | Frame::Data { stream_id, end_stream } => {
                if !self.ledger.unacknowledged {
                    self.ledger.since_data = 0;
                }
                self.end(stream_id, end_stream, true);
            }
            Frame::Reset { stream_id, reason } => self.reset(stream_id, reason, now),
            Frame::Settings { ack: false, max_concurrent_streams } => {
                self.greeted = true;
                self.peer_limit = max_concurrent_streams.or(self.peer_limit);
            }
            Frame::GoAway { last_stream_id, reason, .. } => {
                // The HTTP/2 endpoint fails what lies above without another frame.
                self.streams.retain(|stream_id, _| *stream_id <= last_stream_id);
                self.retire(Drain::GoAway { reason });
            }
            _ => {}
        }
    }

    /// Whether this stream's HEADERS have begun to go out, and have not ended.
    #[cfg(feature = "connect")]
    pub(crate) fn is_opening(&self, stream_id: u32) -> bool {
        !self.opaque && stream_id > self.highest
    }

    /// When a replacement should be got ready, so that it is there before the maximum age is reached.
    #[cfg(feature = "connect")]
    pub(crate) fn to_replace_at(&self) -> Option<Duration> {
        self.settings.max_age.map(|age| age - age / 10)
    }

    /// Whether a replacement should be got ready: the maximum age, or number of requests, is nearly reached.
    #[cfg(feature = "connect")]
    pub(crate) fn nears_its_end(&self, now: Duration) -> bool {
        let many = |most: u64| self.requests >= most - most / 10;
        self.to_replace_at().is_some_and(|at| now >= at) || self.settings.max_requests.is_some_and(many)
    }

    /// What has to be done now, one thing at a time.
    ///
    /// Tell what there is to read before you ask: after a pause of the whole process an answer may be waiting in the socket, and
    /// would come too late here.
    pub fn poll(&mut self, now: Duration) -> Option<Action> {
        match self.state {
            // What made it so is done at once, and once.
            State::Closed(close @ (Close::Dead | Close::Handshake)) if !self.failed => {
                self.failed = true;
                return Some(Action::Fail(close));
            }
            State::Closed(_) => return None,
            _ => {}
        }
        if self.handshake_due().is_some_and(|due| now >= due) {
            self.state = State::Closed(Close::Handshake);
            return self.poll(now);
        }
        if self.settings.max_age.is_some_and(|age| now >= age) {
            self.retire(Drain::Age);
        }
        if let Some(probe) = &mut self.probe {
            if !probe.sent {
                // The peer's time to answer begins here, and so does what the peer counts.
                *probe = Probe { asked: now, sent: true };
                self.ledger.enter(now);
                return Some(Action::Probe);
            }
            if now >= probe.asked.saturating_add(self.settings.dead_after) {
                self.state = State::Closed(Close::Dead);
                return self.poll(now);
            }
            if now >= probe.asked.saturating_add(self.settings.probe_timeout) && self.state == State::Open {
                self.state = State::Silent;
            }
        } else if self.greeted && self.silence_due().is_some_and(|due| now >= due) {
            self.ask(now);
            return self.poll(now);
        }
        None
    }

    /// When to [`poll`](Self::poll) again if nothing happens before; `None` if there is nothing to wait for.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        if let State::Closed(_) = self.state {
            return None;
        }
        let probe = self.probe.map(|probe| {
            let next = if self.state == State::Open { self.settings.probe_timeout } else { self.settings.dead_after };
            probe.asked.saturating_add(next.min(self.settings.dead_after))
        });
        let silence = if self.greeted && probe.is_none() { self.silence_due() } else { None };
        let handshake = self.handshake_due();
        let age = self.settings.max_age.filter(|_| matches!(self.state, State::Open | State::Silent));
        [probe, silence, handshake, age].into_iter().flatten().min()
    }

    /// When the peer's SETTINGS are overdue.
    fn handshake_due(&self) -> Option<Duration> {
        // A client that has sent its preface waits for them whatever else comes (RFC 9113, section 3.4), and h2 0.4 for ever.
        self.began.filter(|_| !self.greeted).map(|began| began.saturating_add(self.settings.handshake_timeout))
    }

    /// Nothing is known of streams any more: what was known would be wrong from now on.
    fn turn_opaque(&mut self) {
        self.opaque = true;
        self.streams.clear();
        self.probe = None;
        self.peer_limit = None;
    }

    /// Gives back what room there is for more streams than are open.
    pub(super) fn rest(&mut self) {
        self.streams.shrink_to_fit();
    }

    /// When silence becomes suspicious; never while nothing is open.
    fn silence_due(&self) -> Option<Duration> {
        if self.streams.is_empty() {
            return None;
        }
        let quiet = self.heard.max(self.busy_since).saturating_add(self.settings.probe_after);
        Some(quiet.max(self.ledger.next_for_silence()))
    }

    fn open(&mut self, stream_id: u32, now: Duration) {
        if self.streams.is_empty() {
            self.busy_since = now;
        }
        // A byte that comes in the same instant may have come before: it does not count for this stream.
        let stream = Stream { opened: now, local_ended: false, remote_ended: false, answered: false };
        self.streams.insert(stream_id, stream);
        self.highest = stream_id;
        self.requests += 1;
        if now >= self.heard.saturating_add(self.settings.verify_idle) {
            self.suspect(now);
        }
        if self.settings.max_requests.is_some_and(|most| self.requests >= most) {
            self.retire(Drain::Requests);
        }
        if stream_id >= (u32::MAX >> 1) - STREAM_ID_MARGIN {
            self.retire(Drain::StreamIds);
        }
    }

    fn end(&mut self, stream_id: u32, end_stream: bool, remote: bool) {
        let Some(stream) = self.streams.get_mut(&stream_id) else { return };
        if remote {
            stream.answered = true;
            stream.remote_ended |= end_stream;
        } else {
            stream.local_ended |= end_stream;
        }
        if stream.local_ended && stream.remote_ended {
            self.streams.remove(&stream_id);
        }
    }

    fn reset(&mut self, stream_id: u32, reason: Reason, now: Duration) {
        let open = self.streams.len();
        self.streams.remove(&stream_id);
        match reason {
            Reason::PROTOCOL_ERROR => self.retire(Drain::ProtocolError),
            Reason::REFUSED_STREAM => {
                let below_limit = self.peer_limit.is_none_or(|limit| open <= limit as usize);
                let since = |window| self.last_refusal.is_some_and(|last| now < last.saturating_add(window));
                let (burst, recent) = (since(BURST), since(MEMORY));
                self.last_refusal = Some(now);
                if below_limit && !burst {
                    self.refusals = if recent { self.refusals + 1 } else { 1 };
                    if self.refusals >= REFUSALS {
                        self.retire(Drain::Refused);
                    }
                }
            }
            _ => {}
        }
    }

    /// A reason other than silence to probe: allowed once for each HEADERS or DATA received.
    fn suspect(&mut self, now: Duration) {
        // Before the peer's SETTINGS nothing may be sent, and the handshake's own time runs.
        if self.greeted && !self.opaque && self.probe.is_none() && self.ledger.since_data == 0 {
            self.ask(now);
        }
    }

    fn ask(&mut self, now: Duration) {
        self.probe = Some(Probe { asked: now, sent: false });
    }

    /// The first reason counts, but a GOAWAY is always told.
    fn retire(&mut self, drain: Drain) {
        match self.state {
            State::Open | State::Silent => self.state = State::Draining(drain),
            State::Draining(_) if matches!(drain, Drain::GoAway { .. }) => self.state = State::Draining(drain),
            State::Draining(_) | State::Closed(_) => {}
        }
    }
}
