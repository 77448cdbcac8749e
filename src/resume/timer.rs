use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::timer::timer;

/// As good as for ever; tokio's own bound for what an `Instant` cannot hold.
const FAR: Duration = Duration::from_secs(30 * 365 * 86_400);

/// Whoever is asked this much later than it was woken was busy elsewhere, and waited for nothing meanwhile.
const LATE: Duration = Duration::from_secs(1);

/// One timer for all the waiting that a download does, made when it waits first.
#[derive(Debug, Default)]
pub(super) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    /// It is running.
    armed: bool,
}

impl Timer {
    /// Ready when this much time has gone by since it was asked first, or [disarmed](Self::disarm). `None` where there is no
    /// runtime with a timer.
    pub(super) fn poll(&mut self, wait: Duration, cx: &mut Context<'_>) -> Option<Poll<()>> {
        let sleep = match &mut self.sleep {
            Some(sleep) if self.armed => sleep,
            idle => {
                let now = Instant::now();
                let deadline = now.checked_add(wait).unwrap_or_else(|| now + FAR);
                // A new one for each wait: it belongs to the runtime that it is made in, and the next wait may be in another.
                let new = timer(deadline)?;
                match idle {
                    Some(sleep) => sleep.set(new),
                    None => *idle = Some(Box::pin(new)),
                }
                idle.as_mut()?
            }
        };
        let polled = sleep.as_mut().poll(cx);
        self.armed = polled.is_pending();
        Some(polled)
    }

    /// The same for time in which nothing came though somebody waited for it all the while; never ready without a runtime.
    pub(super) fn poll_stalled(&mut self, wait: Duration, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.poll(wait, cx) != Some(Poll::Ready(())) {
                return Poll::Pending;
            }
            let late = self.sleep.as_ref().is_some_and(|sleep| sleep.deadline().elapsed() > LATE);
            if !late {
                return Poll::Ready(());
            }
        }
    }

    pub(super) const fn disarm(&mut self) {
        self.armed = false;
    }
}
