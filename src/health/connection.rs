use std::fmt;
use std::io;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use hyper_util::client::legacy::connect::CaptureConnection;
use tokio::time::Instant;

use super::ended::Ended;
use super::event::EventKind;
use super::frame;
use super::gate::{Standing, View};
use super::machine::{Action, Close, Drain, Machine, Settings, State};
use super::registry::{Hub, Site};
use super::snapshot::{ConnectionSnapshot, Protocol};
#[cfg(feature = "connect")]
use super::streams::Truth;
use super::streams::{Offer, Streams};
use super::{Event, Origin};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard};

#[cfg(all(test, redial_loom))]
mod models;

/// How long a GOAWAY of our own waits for the requests that are on their way to its connection, and then for its place.
const SWITCH_WITHIN: Duration = Duration::from_millis(500);

/// How long it waits when they have all been sent. hyper 1.12 looks once more whether the connection is ready after it has handed a
/// request over (`proto/h2/client.rs`, the second `poll_ready` in `ClientTask`), in another task than the one that writes.
const SETTLE: Duration = Duration::from_millis(10);

/// Tells a connection from every other of the same [`ConnectionHealth`](super::ConnectionHealth).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct ConnectionId(pub(super) u64);

impl ConnectionId {
    /// The number; connections are numbered from 1 as they are made.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// A connection that is watched.
///
/// [`ConnectionHealthLayer`](super::ConnectionHealthLayer) puts it into the extensions of each response that came on a
/// connection of [`ConnectionHealth::connector`](super::ConnectionHealth::connector).
///
/// ```
/// use http::Response;
/// use tower_redial::health::Connection;
///
/// fn log<B>(response: &Response<B>) {
///     if let Some(connection) = response.extensions().get::<Connection>() {
///         println!("{} to {}: {:?}", connection.id(), connection.origin(), connection.state());
///     }
/// }
/// # log(&Response::new(()));
/// ```
#[derive(Clone)]
pub struct Connection(Arc<Shared>);

struct Shared {
    id: ConnectionId,
    hub: Arc<Hub>,
    site: Arc<Site>,
    began: Instant,
    view: Arc<View>,
    received: AtomicU64,
    sent: AtomicU64,
    /// Requests that came through the layer.
    assigned: AtomicU64,
    inner: Mutex<Inner>,
    end: Ended,
}

/// What changes as the connection is used.
pub(super) struct Inner {
    pub(super) machine: Machine,
    streams: Streams,
    protocol: Protocol,
    /// By this a client with a pool is told not to use the connection again.
    capture: Option<CaptureConnection>,
    /// The task that reads the connection: woken, it looks for what is to be done.
    reader: Option<Waker>,
    told: State,
    /// What happened and was not told yet.
    happened: Vec<EventKind>,
    heard: Duration,
    probed: Option<Duration>,
    round_trip: Option<Duration>,
    probes: u64,
    /// Few connections ever have any.
    debug_data: Option<Box<frame::DebugData>>,
    drained: Option<Drain>,
    limit: Option<Option<u32>>,
    switch: Switch,
    /// The peer's notice of a graceful shutdown was taken out: ours stands for it.
    taken: bool,
    /// The client was told.
    poisoned: bool,
    ended: Option<Duration>,
    #[cfg(feature = "metrics")]
    busy: bool,
}

/// How far a GOAWAY of our own has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Switch {
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

/// Something that happens to a connection: nothing else does, until it is over.
pub(super) struct Step<'a> {
    connection: &'a Connection,
    pub(super) inner: MutexGuard<'a, Inner>,
    pub(super) now: Duration,
}

impl Step<'_> {
    pub(super) fn finish(mut self) {
        let effects = self.inner.settle(&self.connection.0, self.now);
        drop(self.inner);
        self.connection.follow(effects);
    }
}

/// What is to be done once the lock is released.
#[derive(Default)]
struct Effects {
    events: Vec<EventKind>,
    learned: Option<Option<u32>>,
    look_again: bool,
    ended: bool,
}

// ===== impl Connection =====

impl Connection {
    pub(super) fn new(id: ConnectionId, hub: Arc<Hub>, site: Arc<Site>, settings: Arc<Settings>) -> Self {
        Self(Arc::new(Shared {
            id,
            hub,
            site,
            began: Instant::now(),
            view: Arc::new(View::new()),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            assigned: AtomicU64::new(0),
            inner: Mutex::new(Inner::new(settings)),
            end: Ended::new(),
        }))
    }

    /// Tells it from every other.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        self.0.id
    }

    /// Where it goes.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.0.site.origin
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.lock().machine.state()
    }

    /// All that is known of it.
    #[must_use]
    pub fn snapshot(&self) -> ConnectionSnapshot {
        let inner = self.lock();
        let now = inner.ended.unwrap_or_else(|| self.now());
        let assigned = self.0.assigned.load(Ordering::Relaxed);
        ConnectionSnapshot {
            id: self.0.id,
            origin: self.0.site.origin.clone(),
            protocol: inner.protocol,
            state: inner.machine.state(),
            drained: inner.drained,
            age: now,
            idle: now.saturating_sub(inner.heard),
            open_streams: inner.machine.open_streams(),
            max_concurrent_streams: inner.machine.peer_limit(),
            round_trip: inner.round_trip,
            probes: inner.probes,
            bytes_received: self.0.received.load(Ordering::Relaxed),
            bytes_sent: self.0.sent.load(Ordering::Relaxed),
            requests: if inner.protocol == Protocol::Http2 { inner.machine.requests() } else { assigned },
            debug_data: inner.debug_data.as_ref().map(|data| data.as_bytes().to_vec()),
        }
    }

    /// Has it replaced: what is open on it finishes, nothing new is sent on it where its client can be told.
    ///
    /// See [`ConnectionHealth::drain`](super::ConnectionHealth::drain).
    pub fn drain(&self) {
        self.step(|inner, _| inner.machine.drain());
        // A GOAWAY of our own is put in by the task that reads.
        self.wake_reader();
    }

    /// Whether the peer's notice of a graceful shutdown is to wait for the requests that are on their way.
    pub(super) fn takes_goaway(&self) -> bool {
        self.0.hub.config.own_goaway
    }

    pub(super) fn view(&self) -> Arc<View> {
        Arc::clone(&self.0.view)
    }

    /// The time of the connection's own clock.
    pub(super) fn now(&self) -> Duration {
        self.0.began.elapsed()
    }

    /// The instant at which that clock will show `at`; `None` if that is beyond all time.
    pub(super) fn instant(&self, at: Duration) -> Option<Instant> {
        self.0.began.checked_add(at)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It has been idle for a while: gives back the memory that only requests need.
    pub(super) fn rest(&self) {
        self.lock().machine.rest();
    }

    /// Begins something that is followed up when it is over.
    pub(super) fn begin(&self) -> Step<'_> {
        let inner = self.lock();
        Step { connection: self, inner, now: self.now() }
    }

    /// Lets something happen, and follows it up.
    pub(super) fn step<R>(&self, happen: impl FnOnce(&mut Inner, Duration) -> R) -> R {
        let mut step = self.begin();
        let result = happen(&mut step.inner, step.now);
        step.finish();
        result
    }

    fn follow(&self, effects: Effects) {
        if let Some(limit) = effects.learned {
            self.0.site.gate.learned(limit);
        }
        if effects.look_again {
            self.0.site.gate.look_again();
        }
        for kind in effects.events {
            self.0.hub.emit(Event { connection: self.0.id, origin: self.0.site.origin.clone(), kind });
        }
        if effects.ended {
            self.0.site.disconnected(self.0.id);
            self.0.hub.keep_ended(self.snapshot());
            self.0.end.tell();
        }
    }

    fn wake_reader(&self) {
        let reader = self.lock().reader.take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    // ===== for the socket half =====

    pub(super) fn count_received(&self, bytes: usize) {
        self.0.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn count_sent(&self, bytes: usize) {
        self.0.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Tells what is still to be told, and that the transport has ended.
    pub(super) fn ended(&self, tell: impl FnOnce(&mut Inner, Duration), close: Close) {
        self.step(|inner, now| {
            tell(inner, now);
            inner.machine.ended(close);
        });
    }

    /// Tells what is still to be told, and what has to be done now. Only where all that there was to read has been read.
    pub(super) fn turn(&self, tell: impl FnOnce(&mut Inner, Duration)) -> Turn {
        self.step(|inner, now| {
            tell(inner, now);
            inner.turn(&self.0, now)
        })
    }

    /// Tells of bytes that went out, and what has to be done now; `None` where something may be due, and it has to be seen
    /// first what there is to read.
    pub(super) fn sent(&self, tell: impl FnOnce(&mut Inner, Duration)) -> Option<Turn> {
        self.step(|inner, now| {
            tell(inner, now);
            let due = inner.machine.deadline().is_some_and(|deadline| deadline <= now);
            if due { None } else { Some(inner.turn(&self.0, now)) }
        })
    }

    /// This task reads the connection, and has just read all that there was.
    pub(super) fn waits_to_read(&self, waker: &Waker) {
        let mut inner = self.lock();
        match &mut inner.reader {
            Some(reader) => reader.clone_from(waker),
            None => inner.reader = Some(waker.clone()),
        }
    }

    /// Wakes this task, and the one that waits to read if that is another.
    pub(super) fn with_reader(&self, waker: &Waker) -> Waker {
        match &self.lock().reader {
            Some(reader) if !reader.will_wake(waker) => Arc::new(Both(waker.clone(), reader.clone())).into(),
            _ => waker.clone(),
        }
    }

    /// The client comes back to read: it has dealt with what it was given.
    pub(super) fn reads_again(&self) {
        if matches!(self.lock().switch, Switch::Given { .. }) {
            self.step(|inner, _| inner.switch = Switch::Done);
        }
    }

    /// The client was given all that was to be put in: our GOAWAY, if it was due.
    pub(super) fn goaway_given(&self) {
        self.step(|inner, now| {
            if matches!(inner.switch, Switch::Due { .. }) {
                inner.switch = Switch::Given { since: now };
            }
        });
    }

    /// The transport is about to be given this.
    ///
    /// # Errors
    ///
    /// If it must not be: a request was told to be unsent.
    pub(super) fn offer(&self, offer: Offer) -> io::Result<()> {
        if self.lock().streams.offer(offer) { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }

    /// The transport has taken what the events told of.
    pub(super) fn taken(&self, torn: bool) {
        self.lock().streams.taken(torn);
    }

    /// The transport has no room.
    pub(super) fn not_taken(&self, torn: bool) {
        self.lock().streams.not_taken(torn);
    }

    /// The transport is about to be shut down. `false` if it is just to be dropped.
    pub(super) fn shut(&self) -> bool {
        self.lock().streams.shut()
    }

    // ===== for a client that knows its streams =====

    /// From now on [`truth`](Self::truth) can be told of each stream.
    #[cfg(feature = "connect")]
    pub(crate) fn be_exact(&self) {
        self.lock().streams.exact = true;
    }

    /// How the connection stands on the wire.
    #[cfg(feature = "connect")]
    pub(crate) fn wire(&self) -> Wire {
        let inner = self.lock();
        Wire {
            state: inner.machine.state(),
            greeted: inner.machine.greeted(),
            limit: inner.machine.peer_limit(),
            open: inner.machine.open_streams() + usize::from(inner.machine.is_opening(inner.streams.begun())),
            begun: inner.streams.begun(),
        }
    }

    /// What is true of a stream that has failed; `ended` if all of the connection has.
    #[cfg(feature = "connect")]
    pub(crate) fn truth(&self, stream_id: u32, ended: bool) -> Truth {
        self.lock().streams.truth(stream_id, ended)
    }

    /// Whether it will have to be replaced before long; if not, when that is.
    #[cfg(feature = "connect")]
    pub(crate) fn nears_its_end(&self) -> (bool, Option<Instant>) {
        let inner = self.lock();
        let at = inner.machine.to_replace_at().and_then(|at| self.instant(at));
        (inner.machine.nears_its_end(self.now()), at)
    }

    /// How many requests may be sent before the peer's SETTINGS have come.
    #[cfg(feature = "connect")]
    pub(crate) fn streams_before_settings(&self) -> u32 {
        self.0.hub.config.streams_before_settings.clamp(1, super::gate::BEFORE_SETTINGS)
    }

    // ===== for the request half =====

    /// A request turned out to be this connection's. By `capture` its client can be told not to use it again.
    pub(super) fn adopt(&self, capture: &CaptureConnection) {
        self.0.assigned.fetch_add(1, Ordering::Relaxed);
        let known = {
            let inner = self.lock();
            inner.capture.is_some() || inner.ended.is_some()
        };
        if !known {
            self.step(|inner, _| {
                // It may have ended meanwhile, and a capture that it keeps then would keep it in turn, for ever.
                if inner.ended.is_none() {
                    inner.capture.get_or_insert_with(|| capture.clone());
                }
            });
        }
    }

    /// Whether it admits requests, as far as the client was told.
    pub(crate) fn admits(&self) -> bool {
        self.0.view.admits()
    }

    /// Whether it has ended; if not, the task is woken when it does. `key` is the task's place among those who wait.
    pub(super) fn poll_ended(&self, key: &mut Option<usize>, cx: &Context<'_>) -> bool {
        self.0.end.poll(key, cx)
    }

    /// Gives a place among those who wait up.
    pub(super) fn leave(&self, key: usize) {
        self.0.end.leave(key);
    }

    /// A request of this connection was ended that would have waited for ever.
    pub(super) fn rescued(&self) {
        self.follow(Effects { events: vec![EventKind::Rescued], ..Effects::default() });
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.0.id)
            .field("origin", &self.0.site.origin)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

/// Two tasks that are woken together.
struct Both(Waker, Waker);

impl Wake for Both {
    fn wake(self: Arc<Self>) {
        self.0.wake_by_ref();
        self.1.wake_by_ref();
    }
}

/// How a connection stands on the wire.
#[cfg(feature = "connect")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wire {
    pub(crate) state: State,
    /// The peer's SETTINGS have come.
    pub(crate) greeted: bool,
    /// The peer's SETTINGS_MAX_CONCURRENT_STREAMS.
    pub(crate) limit: Option<u32>,
    /// Streams that are open.
    pub(crate) open: usize,
    /// The highest stream of which a byte of its HEADERS went out.
    pub(crate) begun: u32,
}

/// What the socket half has to do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turn {
    /// Send a PING.
    pub(super) probe: bool,
    /// Put in a GOAWAY of our own.
    pub(super) goaway: bool,
    /// Fail.
    pub(super) fail: Option<Close>,
    /// Come back then, on the connection's clock.
    pub(super) deadline: Option<Duration>,
}

// ===== impl Inner =====

impl Inner {
    fn new(settings: Arc<Settings>) -> Self {
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
    pub(super) fn heard(&mut self, now: Duration) {
        self.heard = now;
        self.machine.heard(now);
    }

    pub(super) fn outbound(&mut self, event: &frame::Event, now: Duration) {
        match event {
            frame::Event::Preface => self.protocol = Protocol::Http2,
            frame::Event::NotHttp2 => self.protocol = Protocol::Other,
            _ => {}
        }
        self.streams.outbound(event);
        self.machine.outbound(event, now);
    }

    pub(super) fn inbound(&mut self, event: &frame::Event, now: Duration) {
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
    pub(super) fn data(&mut self, stream_id: u32, now: Duration) {
        self.machine.inbound(&frame::Event::End(frame::Frame::Data { stream_id, end_stream: false }), now);
    }

    /// The peer's notice of a graceful shutdown came, and the client has not been given it.
    pub(super) fn took_goaway(&mut self, event: &frame::Event, now: Duration) {
        self.taken = true;
        self.machine.inbound(event, now);
    }

    /// The answer to our PING came.
    pub(super) fn answered(&mut self, now: Duration) {
        self.machine.acknowledged();
        if let Some(probed) = self.probed.take() {
            let round_trip = now.saturating_sub(probed);
            self.round_trip = Some(round_trip);
            self.happened.push(EventKind::Answered { round_trip });
        }
    }

    fn turn(&mut self, shared: &Shared, now: Duration) -> Turn {
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
    fn settle(&mut self, shared: &Shared, now: Duration) -> Effects {
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
            super::metrics::busy(&shared.site.origin, busy);
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
