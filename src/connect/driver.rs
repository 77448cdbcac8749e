//! The task that drives a connection, and what its handles share with it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use tokio::runtime::Handle as Runtime;

use super::gate::{Closed, Gate, News, Ticket};
use crate::health::{Connection, MonitoredIo};

/// What a connection's task and its handles share.
pub(super) struct Shared {
    pub(super) gate: Gate,
    pub(super) health: Connection,
    pub(super) keep_unsent_bodies: bool,
    /// Where its tasks live.
    pub(super) runtime: Runtime,
    /// The connection's task.
    task: AtomicWaker,
    /// Who watches the connection.
    pub(super) watcher: OnceLock<Watcher>,
}

/// Told what may have changed, under no lock.
pub(super) type Watcher = Box<dyn Fn(News) + Send + Sync>;

impl Shared {
    pub(super) fn new(gate: Gate, health: Connection, keep_unsent_bodies: bool, runtime: Runtime) -> Arc<Self> {
        let (task, watcher) = (AtomicWaker::new(), OnceLock::new());
        Arc::new(Self { gate, health, keep_unsent_bodies, runtime, task, watcher })
    }

    /// Takes over how the connection stands. Whether h2 has to be asked again.
    fn sync(&self) -> bool {
        let mut synced = self.gate.sync(&self.health.wire());
        synced.wake();
        if let (Some(watcher), Some(news)) = (self.watcher.get(), synced.news) {
            watcher(news);
        }
        synced.let_go.is_some()
    }
}

/// Drives an HTTP/2 connection to its end.
pub(super) struct Driver<T> {
    connection: Option<h2::client::Connection<TokioIo<MonitoredIo<T>>, Bytes>>,
    shared: Arc<Shared>,
}

impl<T> Driver<T> {
    pub(super) const fn new(
        connection: h2::client::Connection<TokioIo<MonitoredIo<T>>, Bytes>,
        shared: Arc<Shared>,
    ) -> Self {
        Self { connection: Some(connection), shared }
    }
}

impl<T: Read + Write + Unpin> Future for Driver<T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.shared.task.register(cx.waker());
        while let Some(connection) = &mut this.connection {
            // How it ended, the wire and each request's own error tell.
            let ended = Pin::new(connection).poll(cx).is_ready();
            if ended {
                this.connection = None;
            }
            if !this.shared.sync() && !ended {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }
}

impl<T> Drop for Driver<T> {
    fn drop(&mut self) {
        // Also where the runtime shuts down. The transport goes first: with it the connection has ended, for `health` too.
        self.connection = None;
        self.shared.sync();
    }
}

/// One who could send a request: the connection ends when there is none, and nothing is open on it.
pub(super) struct Handle(Arc<Shared>);

impl Handle {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        shared.gate.add_handle();
        Self(shared)
    }

    pub(super) const fn shared(&self) -> &Arc<Shared> {
        &self.0
    }
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.0))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.0.gate.remove_handle() {
            self.0.task.wake();
        }
    }
}

/// A place before the gate: none yet, in the queue, or let in. Given up when this is dropped.
pub(super) struct Place {
    handle: Handle,
    at: At,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Outside,
    Queue(Ticket),
    Inside,
}

impl Place {
    pub(super) const fn new(handle: Handle) -> Self {
        Self { handle, at: At::Outside }
    }

    pub(super) const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Ready once it is let in; or nobody is.
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<(), Closed>> {
        let shared = &self.handle.0;
        if !shared.health.admits() {
            // The connection's task, which tells the gate, may not have come to it yet.
            let closed = Closed(shared.health.state());
            self.leave();
            return Poll::Ready(Err(closed));
        }
        let gate = &shared.gate;
        let entered = match self.at {
            At::Outside => match gate.enter(cx.waker())? {
                None => Poll::Ready(Ok(())),
                Some(ticket) => {
                    self.at = At::Queue(ticket);
                    return Poll::Pending;
                }
            },
            At::Queue(ticket) => gate.poll(ticket, cx),
            At::Inside => Poll::Ready(gate.check()),
        };
        match entered {
            Poll::Ready(Ok(())) => self.at = At::Inside,
            Poll::Ready(Err(_)) => self.leave(),
            Poll::Pending => {}
        }
        entered
    }

    /// Whether it is let in at once.
    pub(super) fn try_enter(&mut self) -> bool {
        let shared = &self.handle.0;
        if self.at == At::Outside && shared.health.admits() && shared.gate.try_enter() {
            self.at = At::Inside;
        }
        self.at == At::Inside
    }

    /// It was let in, and uses it.
    pub(super) fn take(&mut self) -> bool {
        let inside = self.at == At::Inside;
        if inside {
            self.at = At::Outside;
        }
        inside
    }

    fn leave(&mut self) {
        let gate = &self.handle.0.gate;
        match std::mem::replace(&mut self.at, At::Outside) {
            At::Outside => {}
            At::Queue(ticket) => gate.leave(ticket),
            At::Inside => gate.release(),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}
