//! The half at the socket.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::mem::{self, MaybeUninit};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::{Connected, Connection as Connects};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::Connection;
use super::alarm::Alarm;
use super::connection::{Inner, Step, Turn};
use super::inbound::{Inbound, Told};
use super::machine::Close;
use super::outbound::Outbound;
use crate::fate::Verdict;
use crate::hyper_io::by_tokio;

/// How much is read at once where bytes cannot go straight to the client.
const SCRATCH: usize = 16 * 1024;

/// How long the transport may take to shut down: TLS has something to say that a dead peer never takes.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(1);

/// How long a client may go on reading before it is told that it cannot write. Whatever lies in a socket's buffer, the runtime has
/// told of it by then: it looks after its sockets before its timers.
const LINGER: Duration = Duration::from_millis(1);

type Timer = Option<Pin<Box<Sleep>>>;

/// A connection's transport, watched.
///
/// Sits between the client and TLS, or TCP where there is none. It reads the headers of HTTP/2 frames as they go by, in both
/// directions, and neither copies nor delays anything, but while it waits for the answer to a PING of its own, or holds a notice
/// back ([`own_goaway`](super::Builder::own_goaway)).
///
/// A write that failed is told a millisecond later, so that the client first reads what its peer said before it went: h2 looks no
/// further once it cannot write, and would not see the GOAWAY by which a request is proved not to have been processed.
///
/// Made by [`MonitoredConnector`](super::MonitoredConnector).
pub struct MonitoredIo<T>(TokioIo<Monitored<T>>);

/// Under tokio's traits, because hyper's show nobody, without `unsafe`, which bytes were read.
struct Monitored<T> {
    inner: TokioIo<T>,
    connection: Connection,
    inbound: Inbound,
    outbound: Outbound,
    alarm: Alarm,
    untold: Untold,
    /// A PING is to be sent as soon as one may stand.
    wants_ping: bool,
    /// The client's last write could not be finished: its task is the one to be woken when there is room.
    blocked: bool,
    /// The transport had no room for the client's bytes, and is to be given the same ones next: TLS may hold a record of them.
    retries: bool,
    /// What we wrote may lie in a buffer below.
    unflushed: bool,
    /// A GOAWAY of ours lies in the queue.
    goaway_queued: bool,
    /// The inbound side came to its end while nobody asked for it.
    end: Option<io::Result<()>>,
    /// The client has read all that came, and its end.
    heard_out: bool,
    failed: Option<Close>,
    /// A write has failed, and the client is to be told of it then.
    write_error: Option<(io::Error, Timer)>,
    /// Every write is told of before it is made.
    exact: bool,
    /// The client has ended its side, and nothing of ours may follow.
    shuts: bool,
    shutdown: Timer,
}

/// What came and was not told yet, because nothing but the time of silence follows from it. It is told before anything is
/// decided: when all that there was to read has been read, and before whatever is told next. Most of what comes is of bodies,
/// and costs neither lock nor clock so.
#[derive(Clone, Copy, Debug, Default)]
struct Untold {
    bytes: bool,
    /// The last of them that was DATA: its stream.
    data: Option<u32>,
}

impl Untold {
    fn tell(&mut self, inner: &mut Inner, now: Duration) {
        let Self { bytes, data } = mem::take(self);
        if bytes {
            inner.heard(now);
        }
        if let Some(stream_id) = data {
            inner.data(stream_id, now);
        }
    }
}

// ===== impl MonitoredIo =====

impl<T> MonitoredIo<T> {
    pub(super) fn new(io: T, connection: Connection) -> Self {
        Self(TokioIo::new(Monitored {
            inner: TokioIo::new(io),
            inbound: Inbound::new(connection.takes_goaway()),
            connection,
            outbound: Outbound::new(),
            alarm: Alarm::new(),
            untold: Untold::default(),
            wants_ping: false,
            blocked: false,
            retries: false,
            unflushed: false,
            goaway_queued: false,
            end: None,
            heard_out: false,
            failed: None,
            write_error: None,
            exact: false,
            shuts: false,
            shutdown: None,
        }))
    }

    /// The connection's handle.
    pub fn connection(&self) -> &Connection {
        &self.0.inner().connection
    }

    /// Has it known of each stream whether it was sent.
    #[cfg(feature = "connect")]
    pub(crate) fn be_exact(&mut self) {
        let monitored = self.0.inner_mut();
        monitored.exact = true;
        // Such a client sees no GOAWAY at a bad moment.
        monitored.inbound.leave_goaway();
        monitored.connection.be_exact();
    }

    /// The transport inside.
    pub fn get_ref(&self) -> &T {
        self.0.inner().inner.inner()
    }

    /// The transport inside. What is read from it or written to it past this wrapper is not seen, and may break what is.
    pub fn get_mut(&mut self) -> &mut T {
        self.0.inner_mut().inner.inner_mut()
    }
}

impl<T: Connects> Connects for MonitoredIo<T> {
    fn connected(&self) -> Connected {
        self.get_ref().connected().extra(self.connection().clone())
    }
}

by_tokio!(MonitoredIo);

impl<T> fmt::Debug for MonitoredIo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MonitoredIo").field("connection", self.connection()).finish_non_exhaustive()
    }
}

// ===== impl Monitored =====

impl<T> Monitored<T> {
    /// The transport has ended.
    fn ended(&mut self, close: Close) {
        let untold = &mut self.untold;
        self.connection.ended(|inner, now| untold.tell(inner, now), close);
    }
}

impl<T: Read + Write + Unpin> Monitored<T> {
    fn failure(&self) -> io::Result<()> {
        let Some(close) = self.failed else { return Ok(()) };
        let message = match close {
            Close::Handshake => "the connection was given up: its peer did not send SETTINGS in time",
            _ => "the connection was given up: nothing came from its peer",
        };
        Err(io::Error::new(io::ErrorKind::TimedOut, Verdict::connection_silent(message)))
    }

    /// Tells of bytes that came, and puts into the queue what the client is to read of them.
    fn filter(&mut self, bytes: &[u8]) {
        let Self { inbound, untold, .. } = self;
        untold.bytes = true;
        // One that waits to be written will be answered by itself.
        let waits = self.wants_ping;
        self.connection.step(|inner, now| {
            untold.tell(inner, now);
            inbound.filter(bytes, |told| match told {
                Told::Event(event) => inner.inbound(&event, now),
                Told::Data { stream_id } => inner.data(stream_id, now),
                Told::Taken(event) => inner.took_goaway(&event, now),
                Told::Answer { last } if last && !waits => inner.answered(now),
                Told::Answer { .. } => {}
            });
        });
    }

    /// Looks at bytes that came and went straight to the client, and tells of them what is worth it. What follows a frame that is
    /// taken out of them is put into the queue.
    fn pass(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let bytes = &buf.filled()[before..];
        self.connection.count_received(bytes.len());
        let Self { inbound, untold, connection, .. } = self;
        untold.bytes = true;
        let mut step: Option<Step<'_>> = None;
        let taken = inbound.pass(bytes, |told| {
            if let Told::Data { stream_id } = told {
                untold.data = Some(stream_id);
                return;
            }
            let Step { inner, now, .. } = step.get_or_insert_with(|| connection.begin());
            untold.tell(inner, *now);
            match told {
                Told::Event(event) => inner.inbound(&event, *now),
                Told::Taken(event) => inner.took_goaway(&event, *now),
                Told::Data { .. } | Told::Answer { .. } => {}
            }
        });
        step.into_iter().for_each(Step::finish);
        if let Some(taken) = taken {
            let rest = bytes[taken.end..].to_vec();
            buf.set_filled(before + taken.start);
            self.filter(&rest);
        }
    }

    /// Reads into the queue. Whether that was possible.
    fn fill_queue(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [MaybeUninit::uninit(); SCRATCH];
        let mut buf = ReadBuf::uninit(&mut scratch);
        match ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buf)) {
            Ok(()) if !buf.filled().is_empty() => {
                self.connection.count_received(buf.filled().len());
                self.filter(buf.filled());
            }
            result => {
                self.inbound.finish();
                self.ended(if result.is_ok() { Close::Peer } else { Close::Transport });
                self.end = Some(result);
            }
        }
        Poll::Ready(())
    }

    /// Does what is due, and sees to it that this task is woken when something will be. All that there is to read must have
    /// been read.
    fn watch(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        loop {
            let untold = &mut self.untold;
            let turn = self.connection.turn(|inner, now| untold.tell(inner, now));
            self.act(&turn, cx)?;
            if !self.alarm.rings(&self.connection, turn.deadline, cx) {
                return Ok(());
            }
        }
    }

    fn act(&mut self, turn: &Turn, cx: &mut Context<'_>) -> io::Result<()> {
        self.wants_ping |= turn.probe;
        if turn.goaway && !self.goaway_queued {
            self.inbound.want_goaway();
            self.goaway_queued = true;
            // Who writes does not read on by itself.
            cx.waker().wake_by_ref();
        }
        if let Some(close) = turn.fail {
            self.failed = Some(close);
        }
        self.failure()?;
        if !self.blocked && !self.shuts {
            // What cannot be written now is written before the client's next bytes. Where that fails, its next write is told; who
            // reads may go on until nothing comes any more.
            let _ = self.poll_ours(cx);
        }
        Ok(())
    }

    /// As [`watch`](Self::watch), where it is not known what there is to read.
    fn watch_blind(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        // A peer whose bytes wait to be read is not silent. What is read here, a bounded piece, the client gets first when
        // it comes to read.
        if self.inbound.has_queue() {
            // It has not come, and more may lie behind that.
            self.untold.bytes = true;
        } else if self.end.is_none() {
            // Another task may be the one that reads, an upgraded connection's for instance: it is woken too, now or when
            // there is something.
            let waker = self.connection.with_reader(cx.waker());
            if self.fill_queue(&mut Context::from_waker(&waker)).is_ready() {
                waker.wake();
            }
        }
        self.watch(cx)
    }

    /// Writes a PING of ours, to its end once it is begun.
    fn poll_ours(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.wants_ping && !self.retries && self.outbound.may_ping() {
            self.wants_ping = false;
            self.outbound.ping(self.inbound.unanswered.send());
        }
        while !self.outbound.ours().is_empty() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(cx, self.outbound.ours()))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.connection.count_sent(written);
            self.outbound.wrote_ours(written);
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Follows up a write of the client's.
    fn wrote<'a>(
        &mut self,
        result: Poll<io::Result<usize>>,
        bufs: impl Iterator<Item = &'a [u8]>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.blocked = result.is_pending();
        self.retries = self.blocked;
        let written = match result {
            Poll::Ready(Ok(written)) => written,
            Poll::Ready(Err(error)) => return self.write_failed(error, cx).map(Err),
            Poll::Pending => {
                if self.exact {
                    self.connection.not_taken(self.outbound.is_torn());
                }
                self.watch_blind(cx)?;
                return Poll::Pending;
            }
        };
        self.connection.count_sent(written);
        let Self { outbound, untold, .. } = self;
        let turn = self.connection.sent(|inner, now| {
            untold.tell(inner, now);
            let mut left = written;
            for buf in bufs {
                let part = &buf[..buf.len().min(left)];
                left -= part.len();
                outbound.pass(part, |event| inner.outbound(&event, now));
            }
        });
        if self.exact {
            self.connection.taken(self.outbound.is_torn());
        }
        match turn {
            Some(turn) => {
                self.act(&turn, cx)?;
                if self.alarm.rings(&self.connection, turn.deadline, cx) {
                    self.watch_blind(cx)?;
                }
            }
            None => self.watch_blind(cx)?,
        }
        Poll::Ready(Ok(written))
    }

    /// Follows up a write that failed. The client is told of it a little later.
    ///
    /// A peer that closes says before what it did not process, and both arrive together. A client that meets its failed write
    /// first looks no further: h2 ends every stream with it. So it gets the time to read what came before.
    fn write_failed(&mut self, error: io::Error, cx: &mut Context<'_>) -> Poll<io::Error> {
        self.ended(Close::Transport);
        // Nothing more goes out, and what TLS holds a record of is not taken back.
        self.wants_ping = false;
        if self.heard_out {
            return Poll::Ready(error);
        }
        self.blocked = true;
        if self.alarm.timers {
            return self.tell_write_error(error, Some(Box::pin(sleep(LINGER))), cx);
        }
        self.write_error = Some((error, None));
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn tell_write_error(&mut self, error: io::Error, mut until: Timer, cx: &mut Context<'_>) -> Poll<io::Error> {
        if until.as_mut().is_some_and(|until| until.as_mut().poll(cx).is_pending()) {
            self.write_error = Some((error, until));
            return Poll::Pending;
        }
        self.blocked = false;
        Poll::Ready(error)
    }

    /// Tells of bytes that the transport is to be given.
    fn offer<'a>(&self, bufs: impl Iterator<Item = &'a [u8]>) -> io::Result<()> {
        if self.exact { self.connection.offer(self.outbound.offer(bufs)) } else { Ok(()) }
    }

    /// Whether the client's next bytes are taken up to a frame's end only, so that a PING of ours can follow.
    fn stops_for_ping(&self) -> bool {
        self.wants_ping && !self.retries && self.outbound.could_ping()
    }

    /// What comes before the client's bytes.
    fn before_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.failure()?;
        if let Some((error, until)) = self.write_error.take() {
            return self.tell_write_error(error, until, cx).map(Err);
        }
        // Nothing goes out any more where that was said of a request.
        self.offer(std::iter::empty())?;
        match self.poll_ours(cx) {
            Poll::Ready(Err(error)) => self.write_failed(error, cx).map(Err),
            Poll::Pending => {
                self.blocked = true;
                self.watch_blind(cx)?;
                Poll::Pending
            }
            Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
        }
    }
}

impl<T: Read + Write + Unpin> AsyncRead for Monitored<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.failure()?;
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if this.goaway_queued {
            this.connection.reads_again();
        }
        loop {
            if this.inbound.has_queue() {
                this.inbound.take(buf);
                if this.goaway_queued && !this.inbound.has_queue() && !this.inbound.goaway_waits() {
                    this.connection.goaway_given();
                }
                return Poll::Ready(Ok(()));
            }
            if let Some(end) = this.end.take() {
                // A client that comes back gets the end again.
                this.end = Some(Ok(()));
                this.heard_out = true;
                return Poll::Ready(end);
            }
            if this.inbound.is_filtering() {
                if this.fill_queue(cx).is_ready() {
                    continue;
                }
            } else {
                let before = buf.filled().len();
                match Pin::new(&mut this.inner).poll_read(cx, buf) {
                    Poll::Ready(Ok(())) if buf.filled().len() > before => {
                        this.pass(buf, before);
                        if buf.filled().len() > before {
                            return Poll::Ready(Ok(()));
                        }
                        continue;
                    }
                    Poll::Ready(result) => {
                        this.ended(if result.is_ok() { Close::Peer } else { Close::Transport });
                        this.heard_out = true;
                        return Poll::Ready(result);
                    }
                    Poll::Pending => {}
                }
            }
            this.connection.waits_to_read(cx.waker());
            this.watch(cx)?;
            if !this.inbound.has_queue() {
                return Poll::Pending;
            }
        }
    }
}

impl<T: Read + Write + Unpin> AsyncWrite for Monitored<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.before_write(cx))?;
        let to_boundary = this.stops_for_ping();
        let buf = if to_boundary { &buf[..this.outbound.up_to_boundary(buf)] } else { buf };
        this.offer([buf].into_iter())?;
        let result = Pin::new(&mut this.inner).poll_write(cx, buf);
        this.wrote(result, [buf].into_iter(), cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.stops_for_ping() {
            let first = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| buf);
            return self.poll_write(cx, first);
        }
        let this = self.get_mut();
        ready!(this.before_write(cx))?;
        this.offer(bufs.iter().map(|buf| &**buf))?;
        let result = Pin::new(&mut this.inner).poll_write_vectored(cx, bufs);
        this.wrote(result, bufs.iter().map(|buf| &**buf), cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.before_write(cx))?;
        let flushed = Pin::new(&mut this.inner).poll_flush(cx);
        this.blocked = flushed.is_pending();
        match flushed {
            Poll::Ready(Err(error)) => this.write_failed(error, cx).map(Err),
            Poll::Pending => {
                this.watch_blind(cx)?;
                Poll::Pending
            }
            Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // A dead peer is not waited for, not even to say goodbye.
        this.failure()?;
        if this.exact && !this.connection.shut() {
            return Poll::Ready(Ok(()));
        }
        if !this.outbound.ours().is_empty() && !this.shuts {
            // Half a frame of ours would break the client's last.
            if let Poll::Ready(result) = this.poll_ours(cx) {
                result?;
            }
        }
        this.shuts = true;
        if let Poll::Ready(result) = Pin::new(&mut this.inner).poll_shutdown(cx) {
            return Poll::Ready(result);
        }
        if this.alarm.timers {
            let until = || Box::pin(sleep_until(Instant::now() + SHUTDOWN_WITHIN));
            ready!(this.shutdown.get_or_insert_with(until).as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl<T> Drop for Monitored<T> {
    fn drop(&mut self) {
        self.ended(Close::Client);
    }
}
