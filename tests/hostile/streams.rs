//! Resets, GOAWAYs, limits and windows: what a peer may say of its streams, said to do harm.

use std::time::Duration;

use crate::attack::Attack;
use crate::bounds::{BOUNDS, Bounds};
use crate::peer::{goaway, headers, no_content, reset};
use crate::support::Frame;
use crate::support::wire::{MAX_STREAM_ID, reason, setting};

/// A peer who resets each stream at once, with this code.
fn resets(name: &'static str, source: &'static str, what: &'static str, code: u32) -> Attack {
    Attack::new(name, source, what).serve(move |mut peer| async move {
        peer.greet(&[]).await?;
        loop {
            let stream = peer.request().await?.stream_id;
            peer.send(&[reset(stream, code)]).await?;
        }
    })
}

/// A peer who answers each request with this, and has the client reset its stream.
fn made(
    name: &'static str,
    what: &'static str,
    answer: impl Fn(u32) -> Vec<Frame> + Clone + Send + Sync + 'static,
) -> Attack {
    Attack::new(name, "CVE-2025-8671", what)
        .bound_by(
            "h2: so many resets of its own and then the connection; ours: two resends of what may have been processed",
        )
        .with_timeouts()
        .within(Bounds { time: Duration::from_secs(16), pings: 1, ..BOUNDS })
        .serve(move |mut peer| {
            let answer = answer.clone();
            async move {
                peer.greet(&[]).await?;
                loop {
                    let stream = peer.request().await?.stream_id;
                    peer.send(&answer(stream)).await?;
                }
            }
        })
}

pub(crate) fn attacks() -> Vec<Attack> {
    let lost = "ours: two resends of what may have been processed, and their budget";
    let unprocessed = "ours: six resends of what was not processed, backed off, and their budget";
    let waiting = "ours: `max_wait` before the gate, and then nothing was sent; the caller's timeout for the one that was given to h2 before";
    let until_timeout = Bounds { attempts: 3, time: Duration::from_secs(16), pings: 1, ..BOUNDS };
    vec![
        resets("rapid-reset", "CVE-2023-44487", "resets every stream at once, with CANCEL", reason::CANCEL)
            .bound_by(lost)
            .load(200, 50),
        resets("refused-for-ever", "RFC 9113, 8.7", "resets every stream with REFUSED_STREAM", reason::REFUSED_STREAM)
            .bound_by(unprocessed)
            .within(Bounds { attempts: 7, posts: 7, connects: 150, time: Duration::from_secs(5), ..BOUNDS })
            .load(200, 50),
        resets("calm-for-ever", "RFC 9113, 7", "resets every stream with ENHANCE_YOUR_CALM", reason::ENHANCE_YOUR_CALM)
            .bound_by(lost)
            .load(200, 50),
        resets(
            "reset-no-error",
            "RFC 9113, 8.1",
            "resets every stream with NO_ERROR, without a response",
            reason::NO_ERROR,
        )
        .bound_by(lost),
        resets(
            "reset-protocol-error",
            "RFC 9113, 7",
            "resets every stream with PROTOCOL_ERROR",
            reason::PROTOCOL_ERROR,
        )
        .bound_by("ours: no resend, and another connection"),
        made("made-you-reset-window", "a WINDOW_UPDATE of 0 for each stream", |stream| {
            vec![Frame::WindowUpdate { stream, increment: 0 }]
        }),
        made("made-you-reset-overflow", "WINDOW_UPDATEs that overflow each stream's window", |stream| {
            vec![Frame::WindowUpdate { stream, increment: MAX_STREAM_ID }; 2]
        }),
        made("made-you-reset-head", "a response's head with a field that may not be in one", |stream| {
            vec![headers(stream, Some(200), &[("connection", "close")], false)]
        }),
        made("made-you-reset-twice", "two heads of a response, of which the second does not end it", |stream| {
            vec![headers(stream, Some(200), &[], false), headers(stream, Some(200), &[], false)]
        }),
        Attack::new("resets-of-idle-streams", "RFC 9113, 5.1", "RST_STREAM for streams that were never opened")
            .bound_by("h2: the connection's end; ours: two resends")
            .serve(|mut peer| async move {
                peer.greet(&[]).await?;
                peer.request().await?;
                peer.flood(|n| (0..10).map(|i| reset(1_001 + 2 * (10 * n + i), reason::CANCEL)).collect()).await
            }),
        Attack::new(
            "goaway-always",
            "RFC 9113, 6.8",
            "GOAWAY on every connection, before any request: nothing is processed",
        )
        .bound_by(unprocessed)
        .within(Bounds { attempts: 7, posts: 7, connects: 140, time: Duration::from_secs(60), ..BOUNDS })
        .serve(|mut peer| async move {
            peer.greet(&[]).await?;
            peer.send(&[goaway(0, reason::NO_ERROR)]).await?;
            peer.until_gone().await
        }),
        Attack::new(
            "goaway-each-request",
            "RFC 9113, 6.8",
            "one request for each connection, and then GOAWAY and its end",
        )
        .bound_by(unprocessed)
        .within(Bounds { attempts: 7, posts: 7, connects: 60, ..BOUNDS })
        .serve(|mut peer| async move {
            peer.greet(&[]).await?;
            let stream = peer.request().await?.stream_id;
            peer.send(&[goaway(stream, reason::NO_ERROR)]).await
        }),
        Attack::new("goaway-calm", "RFC 9113, 6.8", "GOAWAY(ENHANCE_YOUR_CALM) for each request, and the end")
            .bound_by(lost)
            .within(Bounds { connects: 60, posts: 3, ..BOUNDS })
            .serve(|mut peer| async move {
                peer.greet(&[]).await?;
                peer.request().await?;
                peer.send(&[goaway(0, reason::ENHANCE_YOUR_CALM)]).await
            }),
        Attack::new("limit-of-zero", "RFC 9113, 5.1.2", "MAX_CONCURRENT_STREAMS of 0, for ever")
            .bound_by(waiting)
            .with_timeouts()
            .within(Bounds { time: Duration::from_secs(65), ..BOUNDS })
            .serve(|mut peer| async move {
                peer.greet(&[(setting::MAX_CONCURRENT_STREAMS, 0)]).await?;
                peer.until_gone().await
            }),
        Attack::new(
            "limit-of-2-to-31",
            "RFC 9113, 5.1.2",
            "MAX_CONCURRENT_STREAMS of 2^31, and an answer to everything",
        )
        .bound_by("ours: nothing is kept for a stream that is not there")
        .load(400, 200)
        .within(Bounds { attempts: 1, peak: 4_096, kept: 512, succeed: (400, 400), ..BOUNDS })
        .serve(|mut peer| async move {
            peer.greet(&[(setting::MAX_CONCURRENT_STREAMS, 1 << 31)]).await?;
            loop {
                let stream = peer.request().await?.stream_id;
                peer.send(&[no_content(stream)]).await?;
            }
        }),
        Attack::new(
            "limit-of-one-unanswered",
            "RFC 9113, 5.1.2",
            "MAX_CONCURRENT_STREAMS of 1, and no answer to that one",
        )
        .bound_by("ours: `max_wait` for those that wait; the caller's timeout for the one")
        .with_timeouts()
        .within(Bounds { time: Duration::from_secs(31), pings: 6, ..BOUNDS })
        .serve(|mut peer| async move {
            peer.greet(&[(setting::MAX_CONCURRENT_STREAMS, 1)]).await?;
            peer.until_gone().await
        }),
        Attack::new("one-byte-windows", "CVE-2019-9511", "a window of one byte, and another byte every 10 ms")
            .bound_by("the caller's timeout for an attempt")
            .load(10, 5)
            .upload(20_000)
            .with_timeouts()
            .within(Bounds { polls: 60_000, succeed: (5, 5), ..until_timeout })
            .serve(|mut peer| async move {
                peer.greet(&[(setting::INITIAL_WINDOW_SIZE, 1)]).await?;
                let mut opened = Vec::new();
                loop {
                    for stream in &opened {
                        peer.send(&[Frame::WindowUpdate { stream: *stream, increment: 1 }]).await?;
                    }
                    match tokio::time::timeout(Duration::from_millis(10), peer.request()).await {
                        Err(_) => {}
                        Ok(request) if request.as_ref().is_ok_and(|request| request.end_stream) => {
                            peer.send(&[no_content(request?.stream_id)]).await?;
                        }
                        Ok(request) => opened.push(request?.stream_id),
                    }
                }
            }),
        Attack::new("zero-window", "CVE-2019-9517", "a window of nothing: no body can be sent")
            .bound_by("the caller's timeout for an attempt")
            .load(10, 5)
            .upload(20_000)
            .with_timeouts()
            .within(until_timeout)
            .serve(|mut peer| async move {
                peer.greet(&[(setting::INITIAL_WINDOW_SIZE, 0)]).await?;
                peer.until_gone().await
            }),
        Attack::new("window-update-of-zero", "RFC 9113, 6.9", "a WINDOW_UPDATE of 0 for the connection")
            .bound_by("h2: the connection's end; ours: two resends")
            .serve(|mut peer| async move {
                peer.greet(&[]).await?;
                peer.request().await?;
                peer.send(&[Frame::WindowUpdate { stream: 0, increment: 0 }]).await?;
                peer.until_gone().await
            }),
        Attack::new("window-overflow", "RFC 9113, 6.9.1", "WINDOW_UPDATEs that overflow the connection's window")
            .bound_by("h2: the connection's end; ours: two resends")
            .serve(|mut peer| async move {
                peer.greet(&[]).await?;
                peer.request().await?;
                peer.flood(|_| vec![Frame::WindowUpdate { stream: 0, increment: MAX_STREAM_ID }]).await
            }),
    ]
}
