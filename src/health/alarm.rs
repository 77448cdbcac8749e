use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Sleep, sleep_until};

use super::Connection;
use crate::timer::can_wait;

/// Wakes the task when the connection's machine has something to do.
///
/// A deadline that moves back, as it does with every byte, does not move the alarm: it rings for nothing now and then instead.
pub(super) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    /// There is a runtime with a timer.
    pub(super) timers: bool,
}

impl Alarm {
    pub(super) fn new() -> Self {
        Self { sleep: None, timers: can_wait() }
    }

    /// Whether it is time; if not, the task is woken when it may be.
    pub(super) fn rings(&mut self, connection: &Connection, deadline: Option<Duration>, cx: &mut Context<'_>) -> bool {
        if !self.timers {
            return false;
        }
        let Some(at) = deadline.and_then(|deadline| connection.instant(deadline)) else {
            // It has rung for nothing, and nothing is going on: an idle connection needs none.
            if self.sleep.take_if(|sleep| sleep.is_elapsed()).is_some() {
                connection.rest();
            }
            return false;
        };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if at < sleep.deadline() || sleep.is_elapsed() {
            sleep.as_mut().reset(at);
        }
        sleep.as_mut().poll(cx).is_ready()
    }
}
