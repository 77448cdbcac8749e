//! What an HTTP/2 connection shows at its socket.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::registry::Hub;
use super::wire::{Sign, Wire};
use crate::health::Origin;
use crate::health::frame::PREFACE;
use crate::hyper_io::by_tokio;

/// A connection's transport, looked at until it has been of use.
///
/// Nothing is copied, changed or delayed. Made by [`DowngradeConnector`](super::DowngradeConnector).
pub struct ObservedIo<T>(TokioIo<Observing<T>>);

/// Under tokio's traits, because hyper's show nobody, without `unsafe`, which bytes were read.
struct Observing<T> {
    inner: TokioIo<T>,
    /// `None` where there is nothing to find out.
    watch: Option<Watch>,
    /// Whether it is the fallback's.
    over_http1: bool,
    /// Whether anything went out.
    begun: bool,
}

struct Watch {
    wire: Wire,
    hub: Arc<Hub>,
    origin: Origin,
    epoch: u64,
    found: Observed,
}

/// What is found out of a connection, for whoever has an error of its.
#[derive(Clone, Debug)]
pub(super) struct Observed(Arc<AtomicU8>);

const UNDECIDED: u8 = 0;
const DIED: u8 = 1;
const NOT_DIED: u8 = 2;

impl Observed {
    fn new() -> Self {
        Self(Arc::new(AtomicU8::new(UNDECIDED)))
    }

    pub(super) fn died(&self) -> bool {
        self.0.load(Ordering::Acquire) == DIED
    }

    /// It neither was of use nor died: as far as its socket shows it may be silent.
    pub(super) fn is_undecided(&self) -> bool {
        self.0.load(Ordering::Acquire) == UNDECIDED
    }
}

impl<T> ObservedIo<T> {
    pub(super) fn new(io: T, watched: Option<(Arc<Hub>, Origin)>) -> Self {
        let watch = watched.map(|(hub, origin)| Watch {
            wire: Wire::new(),
            epoch: hub.epoch(&origin),
            hub,
            origin,
            found: Observed::new(),
        });
        Self(TokioIo::new(Observing { inner: TokioIo::new(io), watch, over_http1: false, begun: false }))
    }

    /// A connection of the fallback's.
    pub(super) fn over_http1(io: T) -> Self {
        Self(TokioIo::new(Observing { inner: TokioIo::new(io), watch: None, over_http1: true, begun: false }))
    }

    /// The transport inside.
    pub fn get_ref(&self) -> &T {
        self.0.inner().inner.inner()
    }

    /// The transport inside. What is read from it or written to it past this wrapper is not seen.
    pub fn get_mut(&mut self) -> &mut T {
        self.0.inner_mut().inner.inner_mut()
    }
}

impl<T: Connection> Connection for ObservedIo<T> {
    fn connected(&self) -> Connected {
        let mut connected = self.get_ref().connected();
        if self.0.inner().over_http1 {
            // hyper-util would write the whole URI for a proxy, the mark in it (0.1.21, `legacy/client.rs`, `try_send_request`).
            connected = connected.proxy(false);
        }
        match &self.0.inner().watch {
            Some(watch) => connected.extra(watch.found.clone()),
            None => connected,
        }
    }
}

by_tokio!(ObservedIo);

impl<T> fmt::Debug for ObservedIo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = self.0.inner().watch.as_ref().map(|watch| &watch.origin);
        f.debug_struct("ObservedIo").field("origin", &origin).finish_non_exhaustive()
    }
}

impl Watch {
    fn received(&mut self, mut bytes: &[u8]) {
        while let Some(sign) = self.wire.received(&mut bytes) {
            self.tell(sign);
        }
        self.settle();
    }

    fn sent<'a>(&mut self, result: &io::Result<usize>, bufs: impl Iterator<Item = &'a [u8]>) {
        let mut left = match result {
            Ok(written) => *written,
            Err(error) => return self.ended(Some(error)),
        };
        for buf in bufs {
            let mut part = &buf[..buf.len().min(left)];
            left -= part.len();
            while let Some(sign) = self.wire.sent(&mut part) {
                self.tell(sign);
            }
        }
        self.settle();
    }

    fn ended(&mut self, error: Option<&io::Error>) {
        // So the kernel, and the health of connections, give up a peer that says nothing.
        let silent = error.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut);
        if let Some(sign) = self.wire.ended(silent) {
            self.tell(sign);
        }
        self.settle();
    }

    /// It is known here before anybody has an error of it.
    fn tell(&mut self, sign: Sign) {
        match sign {
            Sign::Useful => self.hub.useful(&self.origin, self.epoch),
            Sign::Required => self.hub.required(&self.origin),
            Sign::Died => {
                self.found.0.store(DIED, Ordering::Release);
                self.hub.died(&self.origin, self.epoch);
            }
        }
    }

    fn settle(&self) {
        if self.wire.is_over() && self.found.is_undecided() {
            self.found.0.store(NOT_DIED, Ordering::Release);
        }
    }
}

impl<T> Observing<T> {
    /// A client that is told to speaks HTTP/2 whatever was negotiated, and would send the mark in its frames.
    fn refuse_http2(&mut self, first: &[u8]) -> io::Result<()> {
        if self.over_http1 && !self.begun && first.starts_with(PREFACE) {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "HTTP/2 on the fallback for HTTP/1.1"));
        }
        self.begun = true;
        Ok(())
    }
}

impl<T: Read + Write + Unpin> AsyncRead for Observing<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let room = buf.remaining() > 0;
        let result = ready!(Pin::new(&mut this.inner).poll_read(cx, buf));
        if let Some(watch) = &mut this.watch {
            let bytes = &buf.filled()[before..];
            if result.is_err() || (bytes.is_empty() && room) {
                watch.ended(result.as_ref().err());
            } else {
                watch.received(bytes);
            }
        }
        Poll::Ready(result)
    }
}

impl<T: Read + Write + Unpin> AsyncWrite for Observing<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.refuse_http2(buf)?;
        let result = ready!(Pin::new(&mut this.inner).poll_write(cx, buf));
        if let Some(watch) = &mut this.watch {
            watch.sent(&result, [buf].into_iter());
        }
        Poll::Ready(result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.refuse_http2(bufs.first().map_or(&[], |first| &**first))?;
        let result = ready!(Pin::new(&mut this.inner).poll_write_vectored(cx, bufs));
        if let Some(watch) = &mut this.watch {
            watch.sent(&result, bufs.iter().map(|buf| &**buf));
        }
        Poll::Ready(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = ready!(Pin::new(&mut this.inner).poll_flush(cx));
        if let (Err(error), Some(watch)) = (&result, &mut this.watch) {
            watch.ended(Some(error));
        }
        Poll::Ready(result)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
