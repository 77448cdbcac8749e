use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::timer::can_wait;

/// As good as for ever; tokio's own bound for what an `Instant` cannot hold.
const FAR: Duration = Duration::from_secs(30 * 365 * 86_400);

/// One timer for all the waiting that a download does, made when it waits first.
#[derive(Debug, Default)]
pub(super) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    /// It is running.
    armed: bool,
    /// Whether there is a runtime to have it in; found out once.
    able: Option<bool>,
}

impl Timer {
    /// Whether it can wait at all.
    pub(super) fn is_able(&mut self) -> bool {
        *self.able.get_or_insert_with(can_wait)
    }

    /// Ready when this much time has gone by since it was polled first, or [disarmed](Self::disarm). Never, where it cannot wait.
    pub(super) fn poll(&mut self, wait: Duration, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_able() {
            return Poll::Pending;
        }
        let now = if self.armed { None } else { Some(Instant::now()) };
        let deadline = |now: Instant| now.checked_add(wait).unwrap_or_else(|| now + FAR);
        let sleep = match (&mut self.sleep, now) {
            (Some(sleep), None) => sleep,
            (Some(sleep), Some(now)) => {
                sleep.as_mut().reset(deadline(now));
                sleep
            }
            (none, now) => none.insert(Box::pin(sleep_until(deadline(now.unwrap_or_else(Instant::now))))),
        };
        self.armed = true;
        let polled = sleep.as_mut().poll(cx);
        self.armed = polled.is_pending();
        polled
    }

    pub(super) const fn disarm(&mut self) {
        self.armed = false;
    }
}
