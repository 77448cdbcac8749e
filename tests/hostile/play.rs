//! Plays an attack, and counts.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::Method;
use http_body_util::BodyExt;
use tokio::runtime::Builder;
use tokio::time::{Instant, sleep, timeout};
use tower::{BoxError, ServiceExt};

use crate::attack::{Attack, Load};
use crate::bounds::Cost;
use crate::meter::{self, Meter, take};
use crate::stacks::{Stack, Stacked};
use crate::support::bound::checked;
use crate::support::clients;

/// How long it may really take until it counts as hung.
const LIMIT: Duration = Duration::from_secs(120);

/// How long a caller who does not read holds a response.
const UNREAD: Duration = Duration::from_secs(20);

/// What it cost; `None` if it did not end.
pub(crate) fn play(attack: &Arc<Attack>, stack: Stack) -> Option<Cost> {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let cost = runtime.block_on(checked(LIMIT, played(Arc::clone(attack), stack)));
    runtime.shutdown_background();
    cost
}

async fn played(attack: Arc<Attack>, stack: Stack) -> Cost {
    let meter = Arc::new(Meter::default());
    let (client, unread) = stack.build(&attack, &meter);
    let before = meter::memory_from_here();
    let began = Instant::now();
    let (mut time, mut succeeded) = (Duration::ZERO, 0);
    for first in (0..attack.load.requests).step_by(attack.load.at_once) {
        let wave = first..attack.load.requests.min(first + attack.load.at_once);
        let ended = join_all(wave.map(|n| Box::pin(counted(&meter, one(&client, attack.load, n))))).await;
        for (ok, took) in ended {
            succeeded += usize::from(ok);
            time = time.max(took);
        }
    }
    let peak = meter::most_memory();
    let all_time = began.elapsed();
    // Long enough for whatever is still under way to come to its end: a connection's, at the longest.
    sleep(Duration::from_secs(100)).await;
    // What the test itself keeps of each request does not count.
    let (attempts, heads) = (take(&meter.attempts), take(&meter.heads));
    let kept = meter::memory();
    drop((client, unread));
    Cost {
        attempts: attempts.most,
        connects: meter.connects.get(),
        peak: kib(peak, before),
        kept: kib(kept, before),
        time,
        polls: meter.polls.get(),
        pings: meter.pings.get(),
        posts: heads.most_of_a_post,
        succeeded,
        all_attempts: attempts.all,
        all_time,
        requests: attack.load.requests,
        frames: (meter.frames.get(), meter.sent.get()),
    }
}

fn kib(now: usize, before: usize) -> usize {
    now.saturating_sub(before).div_ceil(1024)
}

/// Sends one request, and reads its response to the end.
async fn one(client: &Stacked, load: Load, n: usize) -> (bool, Duration) {
    let began = Instant::now();
    let (method, body) = match n % 2 {
        0 => (Method::GET, Bytes::new()),
        _ => (Method::POST, Bytes::from(vec![b'x'; load.upload])),
    };
    let id = format!("{method}-{n}");
    let uri = "http://attacker.invalid/".parse().unwrap();
    let request = clients::request(method, uri, &id, body);
    let client = client.clone();
    let exchange = async {
        let mut body = client.oneshot(request).await?.into_body();
        if !load.reads {
            // The response is held, and nothing of it read.
            sleep(UNREAD).await;
        }
        while let Some(frame) = body.frame().await {
            // The caller keeps nothing of it.
            drop(frame?);
        }
        Ok::<_, BoxError>(())
    };
    let ended = match load.timeouts {
        Some((_, whole)) => timeout(whole, exchange).await.unwrap_or_else(|late| Err(late.into())),
        None => exchange.await,
    };
    (ended.is_ok(), began.elapsed())
}

/// Counts how often a future is polled.
async fn counted<F: Future>(meter: &Meter, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        meter.polls.add(1);
        future.as_mut().poll(cx)
    })
    .await
}
