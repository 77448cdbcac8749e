//! Outages of everything: what retries make of them.

use std::time::Duration;

use crate::attack::{Attack, Dial};
use crate::bounds::{BOUNDS, Bounds};
use crate::peer::no_content;
use crate::stacks::Stack;

/// Up for as long as down.
const FLAP: Duration = Duration::from_millis(50);

fn is_up(since: Duration) -> bool {
    (since.as_millis() / FLAP.as_millis()) % 2 == 1
}

pub(crate) fn attacks() -> Vec<Attack> {
    let all: &[Stack] = &[Stack::HyperUtil, Stack::Http1, Stack::Pool];
    let connects = "ours: two resends after a failed connect, and their budget: 100, then 10 a second";
    vec![
        Attack::new("connects-refused", "an outage of everything", "every connect is refused")
            .bound_by(connects)
            .on(all)
            .load(500, 50)
            .within(Bounds { connects: 850, polls: 5_000, time: Duration::from_secs(40), ..BOUNDS })
            .dial(|_, _| Dial::Refused),
        Attack::new("connects-hang", "an outage of everything", "no connect ever ends")
            .bound_by("ours: `connect_timeout`, and two resends")
            .on(all)
            .within(Bounds { connects: 60, time: Duration::from_secs(65), ..BOUNDS })
            .dial(|_, _| Dial::Hangs),
        Attack::new("accept-and-close", "an outage of everything", "every connection is closed at once")
            .bound_by(connects)
            .on(all)
            .load(500, 50)
            .within(Bounds {
                attempts: 7,
                connects: 850,
                peak: 4_096,
                polls: 30_000,
                time: Duration::from_secs(60),
                ..BOUNDS
            })
            .serve(|_| async { Ok(()) }),
        Attack::new(
            "accept-and-say-nothing",
            "an outage of everything",
            "every connection is taken, and nothing read or said",
        )
        .bound_by("ours: `handshake_timeout`, and two resends; over HTTP/1.1, the caller's timeout for an attempt")
        .on(all)
        .with_timeouts()
        .within(Bounds { connects: 60, time: Duration::from_secs(31), ..BOUNDS })
        .serve(|peer| async move { peer.freeze().await }),
        Attack::new(
            "flapping",
            "an outage that comes and goes",
            "up for 50 ms and down for 50 ms: refused, and then cut",
        )
        .bound_by("ours: two resends, backed off, and their budget")
        .on(&[Stack::HyperUtil, Stack::Pool])
        .load(500, 10)
        .within(Bounds { connects: 500, polls: 30_000, succeed: (20, 500), time: Duration::from_secs(20), ..BOUNDS })
        .dial(|_, since| if is_up(since) { Dial::Accepted } else { Dial::Refused })
        .serve(|mut peer| async move {
            peer.greet(&[]).await?;
            let up = async {
                loop {
                    let stream = peer.request().await?.stream_id;
                    peer.idle(Duration::from_millis(3)).await?;
                    peer.send(&[no_content(stream)]).await?;
                }
            };
            tokio::time::timeout(FLAP, up).await.unwrap_or(Ok(()))
        }),
    ]
}
