//! What happens to connections, told to whoever wants to know.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{BoxStream, Stream, StreamExt, unfold};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::machine::{Close, Drain};
use super::{ConnectionId, Origin};

/// Something happened to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Event {
    /// The connection.
    pub connection: ConnectionId,
    /// Where it goes.
    pub origin: Origin,
    /// What happened.
    pub kind: EventKind,
}

/// What happened to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum EventKind {
    /// It was established.
    Opened,
    /// A PING of ours went out, because something is suspicious.
    Probed,
    /// It was answered.
    Answered {
        /// The time between the two.
        round_trip: Duration,
    },
    /// A probe brought no byte in time: nothing new is admitted.
    Silent,
    /// It was silent and has been heard again: it admits requests again.
    Recovered,
    /// It is to be replaced: what is open on it finishes.
    Draining {
        /// Why.
        reason: Drain,
    },
    /// It ended.
    Closed {
        /// Why.
        reason: Close,
        /// How long it had nothing been heard of.
        silent_for: Duration,
    },
    /// A request was ended whose connection had ended, and who would have waited for ever.
    Rescued,
}

impl EventKind {
    /// A short, stable name in snake case: a label for metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Probed => "probed",
            Self::Answered { .. } => "answered",
            Self::Silent => "silent",
            Self::Recovered => "recovered",
            Self::Draining { .. } => "draining",
            Self::Closed { .. } => "closed",
            Self::Rescued => "rescued",
        }
    }
}

/// What a reader of [`Events`] gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice<E = Event> {
    /// Something happened.
    Event(E),
    /// So many events came faster than they were read, and are lost: the oldest ones.
    Missed(u64),
}

/// A stream of [`Notice`]s, from [`ConnectionHealth::subscribe`](super::ConnectionHealth::subscribe) or
/// [`Downgrade::subscribe`](crate::Downgrade::subscribe).
///
/// It holds a bounded number of events. Who reads too slowly loses the oldest, and is told how many. It ends when the last
/// object that it came from, and all that was made from that, are gone.
pub struct Events<E = Event>(BoxStream<'static, Notice<E>>);

impl<E: Clone + Send + 'static> Events<E> {
    pub(crate) fn new(receiver: Receiver<E>) -> Self {
        Self(unfold(receiver, next).boxed())
    }
}

impl<E> Events<E> {
    /// The next notice; `None` when there will be none any more. Cancel safe.
    pub async fn next(&mut self) -> Option<Notice<E>> {
        self.0.next().await
    }
}

async fn next<E: Clone>(mut receiver: Receiver<E>) -> Option<(Notice<E>, Receiver<E>)> {
    let notice = match receiver.recv().await {
        Ok(event) => Notice::Event(event),
        Err(RecvError::Lagged(missed)) => Notice::Missed(missed),
        Err(RecvError::Closed) => return None,
    };
    Some((notice, receiver))
}

impl<E> Stream for Events<E> {
    type Item = Notice<E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl<E> fmt::Debug for Events<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}
