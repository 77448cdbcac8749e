//! Downloads that never end.

use std::time::Duration;

use http::Method;

use crate::attack::Attack;
use crate::bounds::{BOUNDS, Bounds};
use crate::peer::{Peer, headers, no_content};
use crate::stacks::Stack;
use crate::support::Frame;

const SIZE: u64 = 1 << 40;

/// How a part is sent.
#[derive(Clone, Copy)]
enum Part {
    /// The whole's length in its `Content-Range` grows by this each time.
    Growing(u64),
    /// A `200` from the beginning.
    Again,
}

/// Answers each GET with so many bytes of a terabyte, and closes; or says that it was moved for the second time.
async fn gives(mut peer: Peer, bytes: usize, part: Part) -> std::io::Result<()> {
    peer.greet(&[]).await?;
    loop {
        let request = peer.request().await?;
        let stream = request.stream_id;
        if request.method != Method::GET {
            peer.send(&[no_content(stream)]).await?;
            continue;
        }
        let range = request.headers.get("range").and_then(|range| range.to_str().ok());
        let first: Option<u64> = range.and_then(|range| range.strip_prefix("bytes=")?.split('-').next()?.parse().ok());
        let head = match (first, part) {
            (Some(first), Part::Growing(by)) => {
                let (last, size) = (SIZE - 1, SIZE + by * peer.nth);
                let length = (SIZE - first).to_string();
                let range = format!("bytes {first}-{last}/{size}");
                headers(
                    stream,
                    Some(206),
                    &[("etag", "\"e\""), ("content-length", &length), ("content-range", &range)],
                    false,
                )
            }
            _ => headers(stream, Some(200), &[("etag", "\"e\""), ("content-length", &SIZE.to_string())], false),
        };
        peer.send(&[head, Frame::data(stream, vec![b'x'; bytes], false)]).await?;
        // What was sent before shall have arrived before the connection ends.
        peer.idle(Duration::from_millis(1)).await?;
        return Ok(());
    }
}

fn attack(name: &'static str, what: &'static str, bytes: usize, part: Part) -> Attack {
    Attack::new(name, "a resume loop", what).on(&[Stack::Resume]).load(2, 1).serve(move |peer| gives(peer, bytes, part))
}

pub(crate) fn attacks() -> Vec<Attack> {
    let in_a_row = "ours: eight resumes in a row that bring nothing";
    vec![
        attack("one-byte-a-resume", "a terabyte, one byte for each connection", 1, Part::Growing(0))
            .bound_by("ours: 1,000 resumes for a download, 50 ms apart")
            .within(Bounds {
                attempts: 1_001,
                connects: 1_002,
                time: Duration::from_secs(200),
                polls: 60_000,
                answers: 1_001,
                succeed: (1, 1),
                ..BOUNDS
            }),
        attack("no-byte-a-resume", "a terabyte, no byte for any connection", 0, Part::Growing(0))
            .bound_by(in_a_row)
            .within(Bounds { attempts: 9, connects: 10, time: Duration::from_secs(60), succeed: (1, 1), ..BOUNDS }),
        attack("ever-another-total", "each part says another length of the whole", 1, Part::Growing(1))
            .bound_by("ours: what is not a part of the same is not joined on, and is the end")
            .within(Bounds { attempts: 2, connects: 3, pings: 1, succeed: (0, 1), ..BOUNDS }),
        attack("from-the-beginning", "ignores ranges: one byte, from the beginning", 1, Part::Again)
            .bound_by("ours: without `allow_restart` that is the end")
            .within(Bounds { attempts: 2, connects: 3, pings: 1, succeed: (0, 1), ..BOUNDS }),
        attack("from-the-beginning-for-ever", "the same, where `allow_restart` is set", 1, Part::Again)
            .on(&[Stack::Restart])
            .bound_by(in_a_row)
            .within(Bounds { attempts: 9, connects: 10, time: Duration::from_secs(60), succeed: (1, 1), ..BOUNDS }),
        Attack::new(
            "body-by-the-byte-resumed",
            "a resume loop",
            "a terabyte, one byte every second, on one connection",
        )
        .bound_by("the caller's timeout for the whole with the body: each byte ends a stall")
        .on(&[Stack::Resume])
        .load(2, 1)
        .with_timeouts()
        .within(Bounds { attempts: 1, time: Duration::from_secs(31), pings: 1, succeed: (0, 1), ..BOUNDS })
        .serve(|mut peer| async move {
            peer.greet(&[]).await?;
            loop {
                let request = peer.request().await?;
                let stream = request.stream_id;
                if request.method != Method::GET {
                    peer.send(&[no_content(stream)]).await?;
                    continue;
                }
                let fields = [("etag", "\"e\""), ("content-length", "1000000")];
                peer.send(&[headers(stream, Some(200), &fields, false)]).await?;
                for _ in 0..60 {
                    peer.send(&[Frame::data(stream, "x", false)]).await?;
                    peer.idle(Duration::from_secs(1)).await?;
                }
            }
        }),
        Attack::new(
            "body-stalls-resumed",
            "a resume loop",
            "heads at once, PINGs answered, and never a byte of a body",
        )
        .bound_by("ours: `stall_timeout`, 30 s, and eight resumes in a row that bring nothing")
        .on(&[Stack::Resume])
        .load(2, 1)
        .within(Bounds {
            attempts: 9,
            connects: 9,
            time: Duration::from_secs(330),
            pings: 24,
            succeed: (1, 1),
            ..BOUNDS
        })
        .serve(|mut peer| async move {
            peer.greet(&[]).await?;
            loop {
                let request = peer.request().await?;
                let stream = request.stream_id;
                if request.method != Method::GET {
                    peer.send(&[no_content(stream)]).await?;
                    continue;
                }
                let ranged = request.headers.contains_key("range");
                let mut fields = vec![("etag", "\"e\""), ("content-length", "1000000")];
                fields.extend(ranged.then_some(("content-range", "bytes 0-999999/1000000")));
                peer.send(&[headers(stream, Some(if ranged { 206 } else { 200 }), &fields, false)]).await?;
            }
        }),
    ]
}
