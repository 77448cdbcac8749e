//! A bound on real time for everything a script waits for.
//!
//! It is not `tokio::time::timeout`: under paused time tokio jumps to the next timer whenever all tasks wait, also
//! when they wait for a socket, and the bound itself would be that next timer.

use std::{
    fmt::Display,
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc, LazyLock, Mutex, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Poll, Waker},
    thread,
    time::{Duration, Instant},
};

/// How long a script waits for the other side before it gives up.
pub const LIMIT: Duration = Duration::from_secs(10);

/// How often the watchdog looks: it bounds tests that fail anyway, so it need not be exact.
const TICK: Duration = Duration::from_millis(100);

/// Waits for `future`, for at most [`LIMIT`].
///
/// # Panics
///
/// When the time is up, with a message that says what was waited for.
#[track_caller]
pub fn within<F: Future>(what: impl Display, future: F) -> impl Future<Output = F::Output> {
    let caller = std::panic::Location::caller();
    async move {
        match checked(LIMIT, future).await {
            Some(output) => output,
            None => panic!("waited {LIMIT:?} for {what}, in vain (asked for at {caller})"),
        }
    }
}

/// Waits for `future`, for at most `limit` of real time; `None` when that is over.
pub async fn checked<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut alarm = None;
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        // Most waits are over at the first poll: the alarm is set only for the others.
        let alarm = alarm.get_or_insert_with(|| Alarm::set(limit));
        if alarm.rings(cx.waker()) { Poll::Ready(None) } else { Poll::Pending }
    })
    .await
}

struct Alarm {
    due: Instant,
    rung: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Alarm {
    fn set(limit: Duration) -> Arc<Self> {
        static ALARMS: LazyLock<Mutex<Vec<Weak<Alarm>>>> = LazyLock::new(|| {
            thread::Builder::new()
                .name("script watchdog".into())
                .spawn(|| {
                    loop {
                        thread::sleep(TICK);
                        ALARMS.lock().unwrap().retain(|alarm| alarm.upgrade().is_some_and(|a| !a.check()));
                    }
                })
                .unwrap();
            Mutex::default()
        });
        let alarm =
            Arc::new(Self { due: Instant::now() + limit, rung: AtomicBool::new(false), waker: Mutex::default() });
        ALARMS.lock().unwrap().push(Arc::downgrade(&alarm));
        alarm
    }

    /// Stores the waker first, looks second: the watchdog does it the other way round, so no ring is missed.
    fn rings(&self, waker: &Waker) -> bool {
        *self.waker.lock().unwrap() = Some(waker.clone());
        self.rung.load(Ordering::SeqCst)
    }

    fn check(&self) -> bool {
        if Instant::now() < self.due {
            return false;
        }
        self.rung.store(true, Ordering::SeqCst);
        if let Some(waker) = self.waker.lock().unwrap().take() {
            waker.wake();
        }
        true
    }
}
