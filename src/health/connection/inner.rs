//! What changes as a connection is used, behind its lock: what the machine says, and what the client, the gate and those who
//! listen have been told of it.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use hyper_util::client::legacy::connect::CaptureConnection;

use super::super::event::EventKind;
use super::super::frame;
use super::super::gate::Standing;
use super::super::machine::{Action, Close, Drain, Machine, Settings, State};
use super::super::snapshot::Protocol;
use super::super::streams::Streams;
use super::Shared;

/// How long a GOAWAY of our own waits for the requests that are on their way to its connection, and then for its place.
const SWITCH_WITHIN: Duration = Duration::from_millis(500);

/// How long it waits when they have all been sent. hyper 1.12 looks once more whether the connection is ready after it has handed a
/// request over (`proto/h2/client.rs`, the second `poll_ready` in `ClientTask`), in another task than the one that writes.
const SETTLE: Duration = Duration::from_millis(10);

/// What changes as the connection is used.
pub(in crate::health) struct Inner {
    pub(super) machine: Machine,
    pub(super) streams: Streams,
    pub(super) protocol: Protocol,
    /// By this a client with a pool is told not to use the connection again.
    pub(super) capture: Option<CaptureConnection>,
    /// The task that reads the connection: woken, it looks for what is to be done.
    pub(super) reader: Option<Waker>,
    pub(super) told: State,
    /// What happened and was not told yet.
    pub(super) happened: Vec<EventKind>,
    pub(super) heard: Duration,
    pub(super) probed: Option<Duration>,
    pub(super) round_trip: Option<Duration>,
    pub(super) probes: u64,
    /// Few connections ever have any.
    pub(super) debug_data: Option<Box<frame::DebugData>>,
    pub(super) drained: Option<Drain>,
    pub(super) limit: Option<Option<u32>>,
    pub(super) switch: Switch,
    /// The peer's notice of a graceful shutdown was taken out: ours stands for it.
    pub(super) taken: bool,
    /// The client was told.
    pub(super) poisoned: bool,
    pub(super) ended: Option<Duration>,
    #[cfg(feature = "metrics")]
    pub(super) busy: bool,
}

/// How far a GOAWAY of our own has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Switch {
    /// It is not wanted.
    No,
    /// Nobody new is let in, and those who were may still be on their way, or have been sent just now.
    Waiting { since: Duration, sent: Option<Duration> },
    /// It is to be put in, where the peer's next frame ends.
    Due { since: Duration },
    /// It was given to the client, who may not have read it yet.
    Given { since: Duration },
    /// The client has read it; or its time is over, and nobody is held back for it any more.
    Done,
}

/// What the socket half has to do.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::health) struct Turn {
    /// Send a PING.
    pub(in crate::health) probe: bool,
    /// Put in a GOAWAY of our own.
    pub(in crate::health) goaway: bool,
    /// Fail.
    pub(in crate::health) fail: Option<Close>,
    /// Come back then, on the connection's clock.
    pub(in crate::health) deadline: Option<Duration>,
}

/// What is to be done once the lock is released.
#[derive(Default)]
pub(super) struct Effects {
    pub(super) events: Vec<EventKind>,
    pub(super) learned: Option<Option<u32>>,
    pub(super) look_again: bool,
    pub(super) ended: bool,
}

impl Inner {
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        let machine = Machine::new(settings);
        Self {
            told: machine.state(),
            happened: Vec::new(),
            machine,
            streams: Streams::default(),
            protocol: Protocol::Unknown,
            capture: None,
            reader: None,
            heard: Duration::ZERO,
            probed: None,
            round_trip: None,
            probes: 0,
            debug_data: None,
            drained: None,
            limit: None,
            switch: Switch::No,
            taken: false,
            poisoned: false,
            ended: None,
            #[cfg(feature = "metrics")]
            busy: false,
        }
    }

    /// Bytes came.
    pub(in crate::health) fn heard(&mut self, now: Duration) {
        self.heard = now;
        self.machine.heard(now);
    }

    pub(in crate::health) fn outbound(&mut self, event: &frame::Event, now: Duration) {
        match event {
            frame::Event::Preface => self.protocol = Protocol::Http2,
            frame::Event::NotHttp2 => self.protocol = Protocol::Other,
            _ => {}
        }
        self.streams.outbound(event);
        self.machine.outbound(event, now);
    }

    pub(in crate::health) fn inbound(&mut self, event: &frame::Event, now: Duration) {
        if let frame::Event::End(frame::Frame::GoAway { debug_data, .. }) = event {
            self.debug_data = (!debug_data.as_bytes().is_empty()).then(|| Box::new(*debug_data));
            // None of ours may follow it.
            if matches!(self.switch, Switch::Waiting { .. } | Switch::Due { .. }) {
                self.switch = Switch::Done;
            }
        }
        self.streams.inbound(event);
        self.machine.inbound(event, now);
    }

    /// DATA came, and not the last on its stream.
    pub(in crate::health) fn data(&mut self, stream_id: u32, now: Duration) {
        self.machine.inbound(&frame::Event::End(frame::Frame::Data { stream_id, end_stream: false }), now);
    }

    /// The peer's notice of a graceful shutdown came, and the client has not been given it.
    pub(in crate::health) fn took_goaway(&mut self, event: &frame::Event, now: Duration) {
        self.taken = true;
        self.machine.inbound(event, now);
    }

    /// The answer to our PING came.
    pub(in crate::health) fn answered(&mut self, now: Duration) {
        self.machine.acknowledged();
        if let Some(probed) = self.probed.take() {
            let round_trip = now.saturating_sub(probed);
            self.round_trip = Some(round_trip);
            self.happened.push(EventKind::Answered { round_trip });
        }
    }

    pub(super) fn turn(&mut self, shared: &Shared, now: Duration) -> Turn {
        let mut turn = Turn::default();
        while let Some(action) = self.machine.poll(now) {
            match action {
                Action::Probe => {
                    turn.probe = true;
                    self.probes += 1;
                    self.probed = Some(now);
                    self.happened.push(EventKind::Probed);
                }
                Action::Fail(close) => turn.fail = Some(close),
            }
        }
        if let Switch::Waiting { since, sent } = self.switch {
            let in_call = shared.site.gate.in_call(shared.id);
            // Each request that was let in and has no response yet has a stream by now.
            let all_sent = in_call <= self.machine.unanswered_streams();
            let sent = if all_sent { sent.or(Some(now)) } else { None };
            let settled = sent.is_some_and(|sent| in_call == 0 || now >= sent.saturating_add(SETTLE));
            self.switch = if settled || now >= since.saturating_add(SWITCH_WITHIN) {
                Switch::Due { since: now }
            } else {
                Switch::Waiting { since, sent }
            };
        }
        // The client may have read the end already.
        let is_over = matches!(self.machine.state(), State::Closed(_));
        turn.goaway = matches!(self.switch, Switch::Due { .. }) && !is_over;
        if let Switch::Due { since } | Switch::Given { since } = self.switch {
            // A peer that stops within a frame leaves no place for it; a client whose writes are blocked does not read on.
            if now >= since.saturating_add(SWITCH_WITHIN) {
                self.switch = Switch::Done;
            }
        }
        let switch = match self.switch {
            // Nobody tells the connection that a response was taken: it looks again.
            Switch::Waiting { since, sent } => {
                let look = sent.unwrap_or(now).saturating_add(SETTLE);
                Some(look.min(since.saturating_add(SWITCH_WITHIN)))
            }
            Switch::Due { since } | Switch::Given { since } => Some(since.saturating_add(SWITCH_WITHIN)),
            Switch::No | Switch::Done => None,
        };
        // What has begun to drain just now is followed up when this turn is over, and may have something to do at once.
        let state = self.machine.state();
        let unsettled = (self.told != state || (!self.poisoned && self.is_to_switch(shared, state))).then_some(now);
        turn.deadline = [self.machine.deadline(), switch, unsettled].into_iter().flatten().min();
        turn
    }

    /// Finds out what has changed, and tells.
    pub(super) fn settle(&mut self, shared: &Shared, now: Duration) -> Effects {
        let mut effects = Effects { events: std::mem::take(&mut self.happened), ..Effects::default() };
        let state = self.machine.state();
        if self.told != state {
            self.retire(shared, state, now);
            // What was told not to be used again stays so.
            let state = self.machine.state();
            if let State::Draining(drain) = state {
                self.drained = Some(drain);
            }
            effects.events.extend(kind_of(self.told, state, now.saturating_sub(self.heard)));
            self.told = state;
        } else if !self.poisoned {
            self.retire(shared, state, now);
        }
        if self.machine.greeted() && self.limit != Some(self.machine.peer_limit()) {
            self.limit = Some(self.machine.peer_limit());
            effects.learned = self.limit;
        }
        if let State::Closed(_) = state {
            if self.ended.is_none() {
                self.ended = Some(now);
                effects.ended = true;
                // The capture leads back to this connection: the circle ends here.
                self.capture = None;
                self.reader = None;
            }
        }
        let limit = self.machine.peer_limit();
        if shared.hub.config.own_goaway {
            shared.view.publish_unanswered(self.machine.unanswered_streams());
        }
        effects.look_again = shared.view.publish(self.standing(), limit, self.machine.open_streams());
        #[cfg(feature = "metrics")]
        self.report(shared);
        effects
    }

    /// Tells the client not to use the connection again, where there is a way to.
    fn retire(&mut self, shared: &Shared, state: State, now: Duration) {
        if state.admits() || matches!(state, State::Closed(_)) {
            return;
        }
        if let Some(capture) = &self.capture {
            if let Some(connected) = &*capture.connection_metadata() {
                connected.poison();
                self.poisoned = true;
            }
            self.machine.retired();
            // A GOAWAY is not needed any more; one that is due comes all the same. One may be, if the peer's is taken out.
            if !self.taken && matches!(self.switch, Switch::Waiting { .. }) {
                self.switch = Switch::No;
            }
        }
        if self.is_to_switch(shared, state) {
            self.switch = Switch::Waiting { since: now, sent: None };
        }
    }

    /// Whether a GOAWAY of our own is to tell the client, and none was begun.
    fn is_to_switch(&self, shared: &Shared, state: State) -> bool {
        let State::Draining(drain) = state else { return false };
        let peers = matches!(drain, Drain::GoAway { .. });
        // The client is told by its capture, or by the peer's own; of an exact one it asks where it stands.
        let is_told = !self.taken && (self.capture.is_some() || peers);
        let may = self.protocol == Protocol::Http2 && !self.streams.exact && shared.hub.config.own_goaway;
        may && !is_told && self.switch == Switch::No
    }

    fn standing(&self) -> Standing {
        match (self.machine.state(), self.protocol) {
            (State::Closed(_), _) => Standing::Gone,
            (_, Protocol::Other) => Standing::Ungated,
            _ if matches!(self.switch, Switch::Waiting { .. } | Switch::Due { .. } | Switch::Given { .. }) => {
                Standing::Held
            }
            (State::Silent, _) if self.capture.is_none() => Standing::Held,
            (State::Silent | State::Draining(_), _) => Standing::Gone,
            (State::Open, _) if self.machine.greeted() => Standing::Open,
            (State::Open, _) => Standing::New,
        }
    }

    #[cfg(feature = "metrics")]
    fn report(&mut self, shared: &Shared) {
        let busy = self.machine.open_streams() > 0 && self.ended.is_none();
        if busy != self.busy {
            self.busy = busy;
            super::super::metrics::busy(&shared.site.origin, busy);
        }
    }
}

fn kind_of(before: State, now: State, silent_for: Duration) -> Option<EventKind> {
    match (before, now) {
        (_, State::Closed(reason)) => Some(EventKind::Closed { reason, silent_for }),
        (_, State::Draining(reason)) => Some(EventKind::Draining { reason }),
        (_, State::Silent) => Some(EventKind::Silent),
        (State::Silent, State::Open) => Some(EventKind::Recovered),
        (_, State::Open) => None,
    }
}
