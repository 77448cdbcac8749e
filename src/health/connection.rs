use std::fmt;
use std::io;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use hyper_util::client::legacy::connect::CaptureConnection;
use tokio::time::Instant;

use super::ended::Ended;
use super::event::EventKind;
use super::gate::View;
use super::machine::{Close, Settings, State};
use super::registry::{Hub, Site};
use super::snapshot::{ConnectionSnapshot, Protocol};
use super::streams::Offer;
#[cfg(feature = "connect")]
use super::streams::Truth;
use super::{Event, Origin};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard};

mod inner;
#[cfg(all(test, redial_loom))]
mod models;

use self::inner::{Effects, Switch};
pub(super) use self::inner::{Inner, Turn};

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
        add(&self.0.received, bytes);
    }

    pub(super) fn count_sent(&self, bytes: usize) {
        add(&self.0.sent, bytes);
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

/// Adds to a count that only the socket's half writes, whoever reads it: so it needs no instruction that locks the bus.
fn add(count: &AtomicU64, bytes: usize) {
    count.store(count.load(Ordering::Relaxed).wrapping_add(bytes as u64), Ordering::Relaxed);
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
