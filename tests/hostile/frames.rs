//! Frames that no peer may send, and those that never come.

use std::time::Duration;

use bytes::Bytes;

use crate::attack::Attack;
use crate::bounds::{BOUNDS, Bounds};
use crate::peer::{forged, headers, no_content};
use crate::support::Frame;
use crate::support::wire::{flag, kind, setting};

/// A peer who sends these bytes after the first request of each connection, and then nothing.
fn sends(name: &'static str, source: &'static str, what: &'static str, bytes: impl Into<Bytes>) -> Attack {
    let bytes = bytes.into();
    Attack::new(name, source, what).bound_by("h2: the connection's end; ours: two resends").serve(move |mut peer| {
        let bytes = bytes.clone();
        async move {
            peer.greet(&[]).await?;
            peer.request().await?;
            peer.raw(bytes).await?;
            peer.until_gone().await
        }
    })
}

pub(crate) fn attacks() -> Vec<Attack> {
    let silent = "ours: probes, and 15 s after one the connection's end; two resends";
    let handshake = "ours: `handshake_timeout`, and two resends";
    // hyper hands back what it was given for a connection that ends in its handshake.
    let handed_back = Bounds { attempts: 7, connects: 140, time: Duration::from_secs(60), ..BOUNDS };
    vec![
        sends(
            "frame-too-large",
            "RFC 9113, 4.2",
            "a DATA frame of 16 MiB",
            [&forged((1 << 24) - 1, kind::DATA, 0, 1, b"")[..], &[0; 20_000]].concat(),
        ),
        sends(
            "frame-on-wrong-stream",
            "RFC 9113, 5.1.1",
            "a response on a stream that the client cannot have opened",
            forged(1, kind::HEADERS, flag::END_HEADERS, 2, b"\x88"),
        ),
        sends("data-on-idle-stream", "RFC 9113, 5.1", "DATA on a stream that nobody opened", forged(1, kind::DATA, 0, 4_001, b"x")),
        sends(
            "settings-out-of-range",
            "RFC 9113, 6.5.2",
            "SETTINGS with a window above 2^31-1",
            forged(6, kind::SETTINGS, 0, 0, &[0, 4, 0xff, 0xff, 0xff, 0xff]),
        ),
        sends("ping-of-wrong-length", "RFC 9113, 6.7", "a PING of seven bytes", forged(7, kind::PING, 0, 0, &[0; 7])),
        sends(
            "hpack-garbage",
            "RFC 7541, 2.3.3",
            "a field that points out of every table",
            forged(5, kind::HEADERS, flag::END_HEADERS, 1, b"\xff\xff\xff\xff\x07"),
        ),
        sends(
            "push-promise",
            "RFC 9113, 8.4",
            "PUSH_PROMISE, though SETTINGS_ENABLE_PUSH is 0",
            forged(5, kind::PUSH_PROMISE, flag::END_HEADERS, 1, b"\0\0\0\x02\x82"),
        ),
        sends("garbage-after-preface", "RFC 9113, 3.4", "bytes that are no frames, after SETTINGS", vec![0xa5; 50_000]),
        Attack::new("hpack-bomb", "CVE-2016-6581", "one field of 4,000 bytes, and then 4,000 references to it")
            .bound_by("h2: the largest header list, 16 KiB; ours: two resends")
            .within(Bounds { peak: 2_048, ..BOUNDS })
            .serve(|mut peer| async move {
                peer.greet(&[]).await?;
                loop {
                    let stream = peer.request().await?.stream_id;
                    // A literal with indexing, of which every byte 0xbe is one more.
                    let field = [b"\x88\x40\x01x\x7f\xa1\x1e".as_slice(), &[b'b'; 4_000]].concat();
                    let block = [field, vec![0xbe; 4_000]].concat();
                    peer.raw(forged(block.len() as u32, kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, stream, &block))
                        .await?;
                }
            }),
        Attack::new("nameless-fields", "CVE-2019-9516", "fields without names and values, thousands in a head")
            .bound_by("h2: a head with them is malformed; ours: two resends")
            .serve(|mut peer| async move {
                peer.greet(&[]).await?;
                loop {
                    let stream = peer.request().await?.stream_id;
                    let block = [&[0x88][..], &[0, 0, 0].repeat(4_000)].concat();
                    peer.raw(forged(block.len() as u32, kind::HEADERS, flag::END_HEADERS, stream, &block)).await?;
                }
            }),
        Attack::new("http1-answer", "RFC 9113, 3.1", "an HTTP/1.1 response to the preface")
            .bound_by("h2: the connection's end; ours: six resends of what was handed back unsent, backed off, and their budget")
            .within(handed_back)
            .serve(|mut peer| async move {
                peer.raw("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".repeat(10)).await?;
                peer.listen().await?;
                peer.until_gone().await
            }),
        Attack::new("garbage-first", "RFC 9113, 3.4", "bytes that are no SETTINGS, for ever")
            .bound_by("h2: the connection's end; ours: six resends of what was handed back unsent, backed off, and their budget")
            .within(handed_back)
            .serve(|mut peer| async move {
                peer.listen().await?;
                peer.pour([0xa5; 1_000]).await
            }),
        Attack::new("no-settings", "RFC 9113, 3.4", "takes the preface and the request, and never sends SETTINGS")
            .bound_by(handshake)
            .within(Bounds { connects: 30, time: Duration::from_secs(95), ..BOUNDS })
            .serve(|peer| async move {
                let mut peer = peer.rude();
                peer.listen().await?;
                peer.until_gone().await
            }),
        Attack::new("settings-not-first", "RFC 9113, 3.4", "PINGs for ever instead of SETTINGS")
            .bound_by(handshake)
            .within(Bounds { connects: 30, time: Duration::from_secs(95), polls: 200_000, ..BOUNDS })
            .serve(|mut peer| async move {
                peer.listen().await?;
                peer.flood(|_| vec![Frame::Ping { ack: false, payload: [0; 8] }]).await
            }),
        Attack::new("settings-never-acknowledged", "RFC 9113, 6.5.3", "answers requests and PINGs, but no SETTINGS")
            .bound_by("nothing has to: it costs nothing")
            .within(Bounds { attempts: 1, succeed: (20, 20), ..BOUNDS })
            .serve(|peer| async move {
                let mut peer = peer.rude();
                peer.greet(&[(setting::MAX_CONCURRENT_STREAMS, 100)]).await?;
                loop {
                    let stream = peer.request().await?.stream_id;
                    peer.send(&[no_content(stream)]).await?;
                }
            }),
        Attack::new("never-answers", "gRPC A8, golang/go#39750", "takes every request and falls silent")
            .bound_by(silent)
            .within(Bounds { time: Duration::from_secs(95), pings: 4, ..BOUNDS })
            .serve(|peer| async move {
                let mut peer = peer.rude();
                peer.greet(&[]).await?;
                peer.until_gone().await
            }),
        Attack::new("never-reads", "CVE-2019-9517", "after SETTINGS, neither reads nor writes")
            .bound_by(silent)
            .upload(200_000)
            .within(Bounds { time: Duration::from_secs(95), peak: 4_096, pings: 4, ..BOUNDS })
            .serve(|mut peer| async move {
                peer.send(&[Frame::Settings { ack: false, values: vec![(setting::INITIAL_WINDOW_SIZE, 1 << 20)] }]).await?;
                peer.send(&[Frame::WindowUpdate { stream: 0, increment: 1 << 30 }]).await?;
                peer.freeze().await
            }),
        Attack::new("silent-within-a-frame", "RFC 9113, 4.1", "half a DATA frame, and then silence")
            .bound_by("ours: probes, and 15 s after one the connection's end; what has a head is not resent here")
            .within(Bounds { attempts: 1, time: Duration::from_secs(95), pings: 4, ..BOUNDS })
            .serve(|peer| async move {
                let mut peer = peer.rude();
                peer.greet(&[]).await?;
                loop {
                    let stream = peer.request().await?.stream_id;
                    peer.send(&[headers(stream, Some(200), &[], false)]).await?;
                    peer.idle(Duration::from_millis(100)).await?;
                    peer.raw(forged(1_000, kind::DATA, 0, stream, b"half")).await?;
                    peer.until_gone().await?;
                }
            }),
    ]
}
