//! Attacks by HTTP/1.1.

use std::time::Duration;

use crate::attack::Attack;
use crate::bounds::{BOUNDS, Bounds};
use crate::peer::{goaway, reset};
use crate::stacks::Stack;
use crate::support::wire::reason;

/// Over HTTP/1.1 there is a connection for each attempt.
const EACH: Bounds = Bounds { connects: 40, peak: 8_192, ..BOUNDS };

/// The same where an attempt lasts as long as the caller lets it.
const UNANSWERED: Bounds = Bounds { attempts: 3, time: Duration::from_secs(16), polls: 100_000, ..EACH };

/// A peer who begins to answer with this, and goes on with that for ever.
fn begins(
    name: &'static str,
    source: &'static str,
    what: &'static str,
    begin: &'static str,
    go_on: impl Fn() -> Vec<u8> + Send + Sync + 'static,
) -> Attack {
    Attack::new(name, source, what).on(&[Stack::Http1]).within(EACH).serve(move |mut peer| {
        let go_on = go_on();
        async move {
            peer.http1_request().await?;
            peer.raw(begin).await?;
            peer.pour(go_on).await
        }
    })
}

pub(crate) fn attacks() -> Vec<Attack> {
    let buffer = "hyper: the read buffer, about 400 KiB; ours: no resend, since it was a parse error";
    let whole = "the caller's timeout for the whole with the body";
    let body = Bounds { attempts: 1, time: Duration::from_secs(31), polls: 200_000, ..EACH };
    vec![
        begins("http1-endless-status-line", "RFC 9112, 4", "a status line that never ends", "HTTP/1.1 200 ", || {
            vec![b'x'; 20_000]
        })
        .bound_by(buffer),
        begins("http1-endless-field", "RFC 9112, 5", "one field that never ends", "HTTP/1.1 200 OK\r\nx: ", || {
            vec![b'x'; 20_000]
        })
        .bound_by(buffer),
        begins(
            "http1-endless-fields",
            "CVE-2011-3192 and others",
            "fields without an end",
            "HTTP/1.1 200 OK\r\n",
            || b"x: y\r\n".repeat(3_000),
        )
        .bound_by("hyper: 100 fields; ours: no resend, since it was a parse error"),
        begins("http1-continue-flood", "RFC 9110, 15.2.1", "100 Continue for ever, 1,000 a second", "", || {
            b"HTTP/1.1 100 Continue\r\n\r\n".repeat(10)
        })
        .bound_by("the caller's timeout for an attempt")
        .with_timeouts()
        .within(UNANSWERED),
        begins("http1-early-hints-flood", "RFC 8297", "103 Early Hints for ever, 1,000 a second", "", || {
            b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(10)
        })
        .bound_by("the caller's timeout for an attempt")
        .with_timeouts()
        .within(UNANSWERED),
        begins(
            "http1-chunk-extensions",
            "CVE-2023-39326",
            "a chunk's extension that never ends",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;",
            || vec![b'x'; 1_000],
        )
        .bound_by("hyper: 16 KiB of them; what has a head is not resent here")
        .within(Bounds { attempts: 1, ..EACH }),
        begins(
            "http1-endless-trailers",
            "RFC 9112, 7.1.2",
            "trailers without an end",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
            || b"x: y\r\n".repeat(100),
        )
        .bound_by("hyper: 16 KiB of them; what has a head is not resent here")
        .within(Bounds { attempts: 1, ..EACH }),
        begins("http1-endless-body", "RFC 9112, 6.3", "a body without an end", "HTTP/1.1 200 OK\r\n\r\n", || {
            vec![b'x'; 1_000]
        })
        .bound_by(whole)
        .with_timeouts()
        .within(body),
        begins("http1-garbage", "RFC 9112, 2.2", "bytes that are no HTTP", "", || vec![0xa5; 1_000])
            .bound_by("hyper: a parse error; ours: no resend"),
        begins("http1-http2-answer", "RFC 9113, 3.4", "SETTINGS of HTTP/2", "\0\0\0\x04\0\0\0\0\0", || vec![0; 9])
            .bound_by("hyper: a parse error; ours: no resend"),
        Attack::new("http1-by-the-byte", "CVE-2007-6750 (Slowloris)", "one byte of a response's head every second")
            .bound_by("the caller's timeout for an attempt")
            .on(&[Stack::Http1])
            .with_timeouts()
            .within(UNANSWERED)
            .serve(|mut peer| async move {
                peer.http1_request().await?;
                peer.raw("HTTP/1.1 200 OK\r\nx: ").await?;
                peer.drip("y", Duration::from_secs(1)).await
            }),
        Attack::new("http1-cut", "hyperium/hyper#2136", "closes each connection instead of an answer")
            .bound_by("ours: two resends of what may have been processed, and their budget")
            .on(&[Stack::Http1])
            .within(EACH)
            .serve(|mut peer| async move { peer.http1_request().await.map(drop) }),
        downgrade("http11-required-for-ever", "every stream reset with HTTP_1_1_REQUIRED; over HTTP/1.1, garbage"),
        Attack::new(
            "http2-dies-http1-garbage",
            "RFC 9113, 9.1",
            "every HTTP/2 connection ended by GOAWAY; over HTTP/1.1, garbage",
        )
        .bound_by("ours: two resends, or none after a parse error")
        .on(&[Stack::Downgrade])
        .within(Bounds { posts: 3, ..EACH })
        .serve(|mut peer| async move {
            if peer.speaks_http2().await? {
                peer.greet(&[]).await?;
                peer.send(&[crate::support::Frame::Settings { ack: false, values: vec![] }]).await?;
                peer.request().await?;
                return peer.send(&[goaway(1, reason::INTERNAL_ERROR)]).await;
            }
            peer.pour([0xa5; 1_000]).await
        }),
    ]
}

fn downgrade(name: &'static str, what: &'static str) -> Attack {
    Attack::new(name, "RFC 9113, 7", what)
        .bound_by("ours: HTTP/1.1 from the first on, and no resend after a parse error")
        .on(&[Stack::Downgrade])
        .within(Bounds { posts: 1, ..EACH })
        .serve(|mut peer| async move {
            if !peer.speaks_http2().await? {
                return peer.pour([0xa5; 1_000]).await;
            }
            peer.send(&[crate::support::Frame::Settings { ack: false, values: vec![] }]).await?;
            loop {
                let stream = peer.request().await?.stream_id;
                peer.send(&[reset(stream, reason::HTTP_1_1_REQUIRED)]).await?;
            }
        })
}
