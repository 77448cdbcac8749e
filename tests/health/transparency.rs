//! The wrapper at the socket changes no byte; and where it has something to say, it says it between frames.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use http::Uri;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready, task};
use tower::{ServiceExt, service_fn};
use tower_redial::ConnectionHealth;
use tower_redial::health::{MonitoredIo, Protocol};

use crate::setup::only;
use crate::support::message::HeaderReader;
use crate::support::wire::{Frame, PREFACE};

/// An IO whose every read and write is as long as the test says, and pending as often.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    to_read: VecDeque<u8>,
    written: Vec<u8>,
    /// How many bytes each call may take, 0 for pending; in turn.
    steps: Vec<usize>,
    at: usize,
    vectored: bool,
    /// What there was no room for. As with TLS, the next write has to begin with it: it may lie in a record already.
    refused: Vec<u8>,
    flushed: usize,
    shut: bool,
    open: bool,
    /// Nothing can be written any more.
    broken: bool,
    /// No byte is taken any more, and no error says why.
    stuck: bool,
    /// There is no room to write.
    full: bool,
}

impl Inner {
    fn step(&mut self, cx: &Context<'_>) -> Poll<usize> {
        let step = self.steps[self.at % self.steps.len()];
        self.at += 1;
        if step == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(step)
    }
}

impl Script {
    /// A peer that has sent its SETTINGS.
    fn greeting() -> Self {
        let to_read = SETTINGS.iter().copied().collect();
        Self(Arc::new(Mutex::new(Inner { to_read, steps: vec![64], open: true, ..Inner::default() })))
    }
}

impl AsyncRead for Script {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.lock().unwrap();
        if inner.to_read.is_empty() && inner.open {
            return Poll::Pending;
        }
        let Poll::Ready(step) = inner.step(cx) else { return Poll::Pending };
        let len = step.min(buf.remaining()).min(inner.to_read.len());
        let part: Vec<u8> = inner.to_read.drain(..len).collect();
        buf.put_slice(&part);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut inner = self.0.lock().unwrap();
        assert!(buf.starts_with(&inner.refused), "{buf:?} after {:?} found no room", inner.refused);
        if inner.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if inner.stuck {
            return Poll::Ready(Ok(0));
        }
        let full = inner.full;
        let Poll::Ready(step) = (if full { Poll::Pending } else { inner.step(cx) }) else {
            inner.refused = buf.to_vec();
            return Poll::Pending;
        };
        inner.refused.clear();
        let len = step.min(buf.len());
        inner.written.extend_from_slice(&buf[..len]);
        Poll::Ready(Ok(len))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
        self.poll_write(cx, &all)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.lock().unwrap().vectored
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.lock().unwrap();
        if inner.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        inner.flushed = inner.written.len();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().unwrap().shut = true;
        Poll::Ready(Ok(()))
    }
}

async fn monitored(health: &ConnectionHealth, script: &Script) -> TokioIo<MonitoredIo<TokioIo<Script>>> {
    let io = TokioIo::new(script.clone());
    let connector = service_fn(move |_: Uri| {
        let io = TokioIo::new(io.inner().clone());
        std::future::ready(Ok::<_, Infallible>(io))
    });
    TokioIo::new(health.connector(connector).oneshot(Uri::from_static("http://peer")).await.unwrap())
}

/// The peer's SETTINGS have been read, and one request is out.
async fn with_a_request(script: &Script) -> TokioIo<MonitoredIo<TokioIo<Script>>> {
    let mut io = monitored(&ConnectionHealth::default(), script).await;
    io.read_exact(&mut [0; SETTINGS.len()]).await.unwrap();
    io.write_all(&[PREFACE, SETTINGS, b"\0\0\x01\x01\x05\0\0\0\x01\x82"].concat()).await.unwrap();
    io
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(future)
}

/// One frame, with a payload that its type allows, or a header block of two.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    fn raw(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        bytes
    }
    // `:method: GET`, indexed: a header block that can be decoded whole, and cut anywhere between fields.
    let field = b"\x82";
    let payload = prop::collection::vec(any::<u8>(), 0..60);
    let frame = prop_oneof![
        payload.prop_map(|payload| raw(0, 0, 1, &payload)),
        Just([raw(1, 0, 1, field), raw(9, 0, 1, field), raw(9, 4, 1, field)].concat()),
        any::<[u8; 8]>().prop_map(|payload| raw(6, 0, 0, &payload)),
        (1_u32..100).prop_map(|increment| raw(8, 0, 0, &increment.to_be_bytes())),
        Just(raw(4, 1, 0, &[])),
    ];
    prop::collection::vec(frame, 0..12).prop_map(|frames| frames.concat())
}

fn steps() -> impl Strategy<Value = Vec<usize>> {
    // Never pending for ever.
    prop::collection::vec(0_usize..40, 1..20).prop_map(|mut steps| {
        steps.push(7);
        steps
    })
}

const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// With nothing to be done, what goes in and out is exactly what it is without the wrapper: any bytes, HTTP/2 or not, in any
    /// pieces, plain or vectored.
    #[test]
    fn no_byte_is_changed(
        inbound in prop_oneof![prop::collection::vec(any::<u8>(), 0..400), frames()],
        outbound in prop_oneof![prop::collection::vec(any::<u8>(), 0..400), frames()],
        prefaced in any::<bool>(),
        vectored in any::<bool>(),
        steps in steps(),
        pieces in prop::collection::vec(1_usize..90, 1..10),
    ) {
        let mut outbound = outbound;
        if prefaced {
            outbound = [PREFACE, SETTINGS, &outbound].concat();
        }
        let script = Script::default();
        *script.0.lock().unwrap() =
            Inner { to_read: inbound.iter().copied().collect(), steps, vectored, ..Inner::default() };
        let (read, sent) = block_on(async {
            let health = ConnectionHealth::default();
            let mut io = monitored(&health, &script).await;
            assert_eq!(AsyncWrite::is_write_vectored(&io), vectored);
            let mut rest = &outbound[..];
            for piece in pieces.iter().cycle() {
                let (now, later) = rest.split_at(rest.len().min(*piece));
                let (first, second) = now.split_at(now.len() / 2);
                let slices = [IoSlice::new(first), IoSlice::new(second)];
                let written = io.write_vectored(&slices).await.unwrap();
                assert!(written > 0 || now.is_empty());
                rest = &rest[written..];
                if later.is_empty() && rest.is_empty() {
                    break;
                }
            }
            let mut read = Vec::new();
            let mut buf = vec![0; *pieces.first().unwrap()];
            loop {
                match io.read(&mut buf).await.unwrap() {
                    0 => break,
                    len => read.extend_from_slice(&buf[..len]),
                }
            }
            io.shutdown().await.unwrap();
            let connection = io.inner().connection().snapshot();
            (read, (connection.bytes_received, connection.bytes_sent))
        });
        let inner = script.0.lock().unwrap();
        prop_assert_eq!(&read, &inbound);
        prop_assert_eq!(&inner.written, &outbound);
        prop_assert!(inner.shut);
        prop_assert_eq!(sent, (inbound.len() as u64, outbound.len() as u64));
    }

    /// A PING of ours that is due at any moment stands between two frames, outside header blocks and after both SETTINGS, whole,
    /// once, and everything around it is untouched.
    #[test]
    fn a_ping_stands_between_frames(
        outbound in frames(),
        steps in steps(),
        due_at in 0_usize..400,
        pieces in prop::collection::vec(1_usize..90, 1..10),
    ) {
        let head = b"\0\0\x01\x01\x05\0\0\0\x01\x82";
        let outbound = [PREFACE, SETTINGS, head, &outbound].concat();
        let script = Script::default();
        *script.0.lock().unwrap() =
            Inner { to_read: SETTINGS.iter().copied().collect(), steps, open: true, ..Inner::default() };
        block_on(async {
            let health = ConnectionHealth::default();
            let mut io = monitored(&health, &script).await;
            let mut rest = &outbound[..];
            let mut due = false;
            let mut buf = [0; 64];
            // The peer's SETTINGS, which it may send at once.
            let mut heard = 0;
            while heard < SETTINGS.len() {
                heard += io.read(&mut buf).await.unwrap();
            }
            for piece in pieces.iter().cycle() {
                if !due && outbound.len() - rest.len() >= due_at.max(PREFACE.len() + SETTINGS.len() + head.len()) {
                    due = true;
                    advance(Duration::from_secs(16)).await;
                    // The task that reads finds out that there is silence.
                    assert!(futures_util::poll!(std::pin::pin!(io.read(&mut buf))).is_pending());
                }
                let now = &rest[..rest.len().min(*piece)];
                rest = &rest[io.write(now).await.unwrap()..];
                if rest.is_empty() {
                    break;
                }
            }
            io.flush().await.unwrap();
            // Here at the latest.
            if !due {
                advance(Duration::from_secs(16)).await;
            }
            assert!(futures_util::poll!(std::pin::pin!(io.read(&mut buf))).is_pending());
            io.flush().await.unwrap();
        });
        let written = script.0.lock().unwrap().written.clone();
        let ours = b"\0\0\x08\x06\0\0\0\0\0rdil\0\0\0\x01";
        let at = written.windows(ours.len()).position(|window| window == ours);
        // A last frame that the script cut short leaves no place for it: there is none here.
        let at = at.expect("the PING");
        let without = [&written[..at], &written[at + ours.len()..]].concat();
        prop_assert_eq!(without, outbound);
        prop_assert!(at >= PREFACE.len() + SETTINGS.len());
        // A parser of the tests' own, which takes nothing within a header block.
        let mut input = BytesMut::from(&written[PREFACE.len()..]);
        let mut reader = HeaderReader::default();
        while let Some(frame) = Frame::decode(&mut input).unwrap() {
            // What the blocks hold is not a request; that they are whole is what counts.
            if let Err(error) = reader.frame(frame) {
                prop_assert!(!error.contains("within the header block"), "{}", error);
            }
        }
        prop_assert!(input.is_empty());
        prop_assert_eq!(script.0.lock().unwrap().flushed, written.len(), "a PING is flushed");
    }
}

/// A PING that falls due while a write of the client's finds no room waits until that is through, and takes nothing of it away.
#[test]
fn a_ping_does_not_overtake_a_write_that_waits() {
    let script = Script::default();
    let state = |steps| script.0.lock().unwrap().steps = steps;
    *script.0.lock().unwrap() =
        Inner { to_read: SETTINGS.iter().copied().collect(), steps: vec![64], open: true, ..Inner::default() };
    let data = [&b"\0\0\x02\0\0\0\0\0\x01ab"[..], b"\0\0\x02\0\x01\0\0\0\x01cd"].concat();
    block_on(async {
        let mut io = monitored(&ConnectionHealth::default(), &script).await;
        let mut buf = [0; 64];
        io.read_exact(&mut buf[..SETTINGS.len()]).await.unwrap();
        io.write_all(&[PREFACE, SETTINGS, b"\0\0\x01\x01\x04\0\0\0\x01\x82"].concat()).await.unwrap();
        state(vec![0]);
        assert!(futures_util::poll!(std::pin::pin!(io.write(&data))).is_pending());
        advance(Duration::from_secs(16)).await;
        assert!(futures_util::poll!(std::pin::pin!(io.read(&mut buf))).is_pending());
        state(vec![64]);
        assert_eq!(io.write(&data).await.unwrap(), data.len());
        io.flush().await.unwrap();
    });
    let written = script.0.lock().unwrap().written.clone();
    let after = written.windows(data.len()).position(|window| window == data).expect("all of it at once") + data.len();
    assert_eq!(&written[after..], b"\0\0\x08\x06\0\0\0\0\0rdil\0\0\0\x01");
}

/// A client that has ended its side may still read, and is not spoken for any more.
#[test]
fn a_ping_does_not_follow_the_clients_end() {
    let script = Script::greeting();
    let sent = [PREFACE, SETTINGS, b"\0\0\x01\x01\x05\0\0\0\x01\x82"].concat();
    block_on(async {
        let mut io = monitored(&ConnectionHealth::default(), &script).await;
        let mut buf = [0; 64];
        io.read_exact(&mut buf[..SETTINGS.len()]).await.unwrap();
        io.write_all(&sent).await.unwrap();
        io.shutdown().await.unwrap();
        advance(Duration::from_secs(16)).await;
        assert!(futures_util::poll!(std::pin::pin!(io.read(&mut buf))).is_pending());
    });
    assert_eq!(script.0.lock().unwrap().written, sent);
}

/// A PING that cannot be written is no reason to keep from the client what its peer still says. Its own next write fails, and if
/// nothing comes the connection is given up in time.
#[test]
fn a_ping_that_cannot_be_written_takes_nothing_from_the_reader() {
    let data = b"\0\0\x01\0\0\0\0\0\x01!";
    let ways = [io::ErrorKind::BrokenPipe, io::ErrorKind::WriteZero];
    for (way, writes) in ways.into_iter().flat_map(|way| [(way, false), (way, true)]) {
        let script = Script::greeting();
        block_on(async {
            let mut io = with_a_request(&script).await;
            let mut buf = [0; 64];
            {
                let mut inner = script.0.lock().unwrap();
                inner.broken = way == io::ErrorKind::BrokenPipe;
                inner.stuck = !inner.broken;
            }
            advance(Duration::from_secs(16)).await;
            assert!(futures_util::poll!(std::pin::pin!(io.read(&mut buf))).is_pending());
            assert_eq!(io.inner().connection().snapshot().probes, 1);
            script.0.lock().unwrap().to_read.extend(data);
            assert_eq!(io.read(&mut buf).await.unwrap(), data.len());
            if writes {
                assert_eq!(io.write(b"!").await.unwrap_err().kind(), way);
                return;
            }
            for _ in 0..5 {
                advance(Duration::from_secs(20)).await;
                if let Poll::Ready(result) = futures_util::poll!(std::pin::pin!(io.read(&mut buf))) {
                    assert_eq!(result.unwrap_err().kind(), io::ErrorKind::TimedOut);
                    return;
                }
            }
            panic!("it waits for ever");
        });
    }
}

/// A transport that failed a write is not written to again, not for a PING that waited: TLS may hold a record of the client's
/// bytes.
#[test]
fn nothing_of_ours_follows_a_write_that_failed() {
    let script = Script::greeting();
    block_on(async {
        let mut io = with_a_request(&script).await;
        let mut buf = [0; 64];
        script.0.lock().unwrap().full = true;
        let next = b"\0\0\x01\x01\x05\0\0\0\x03\x82";
        assert!(futures_util::poll!(std::pin::pin!(io.write(next))).is_pending());
        advance(Duration::from_secs(16)).await;
        assert!(futures_util::poll!(std::pin::pin!(io.write(next))).is_pending());
        assert_eq!(io.inner().connection().snapshot().probes, 1, "and it waits for the client's frame");
        {
            let mut script = script.0.lock().unwrap();
            (script.full, script.broken) = (false, true);
        }
        assert_eq!(io.write(next).await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        // The script panics at a write that does not begin with what was refused.
        assert!(futures_util::poll!(std::pin::pin!(io.read(&mut buf))).is_pending());
    });
}

/// What came before a write failed is to be read first: the client is told of its write a little later, and if it reads nothing too.
#[test]
fn what_came_before_a_write_failed_is_read_first() {
    let data = b"\0\0\x01\0\0\0\0\0\x01!";
    for (reads, flushes) in [(false, false), (true, false), (true, true)] {
        let script = Script::greeting();
        block_on(async {
            let io = with_a_request(&script).await;
            let mut buf = [0; 64];
            {
                let mut script = script.0.lock().unwrap();
                script.broken = true;
                script.to_read.extend(data);
            }
            let (mut reader, mut writer) = tokio::io::split(io);
            let mut write =
                task::spawn(async move { if flushes { writer.flush().await } else { writer.write_all(b"!").await } });
            assert_pending!(write.poll());
            assert!(!write.is_woken());
            if reads {
                assert_eq!(reader.read(&mut buf).await.unwrap(), data.len());
            }
            advance(Duration::from_millis(2)).await;
            assert!(write.is_woken());
            let error = assert_ready!(write.poll()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        });
    }
}

/// A client that has read to the end is told at once: a connection that its peer has closed is not kept for nothing.
#[test]
fn a_write_that_fails_after_the_end_is_told_at_once() {
    let script = Script::default();
    *script.0.lock().unwrap() = Inner { steps: vec![64], broken: true, ..Inner::default() };
    block_on(async {
        let mut io = monitored(&ConnectionHealth::default(), &script).await;
        assert_eq!(io.read(&mut [0; 64]).await.unwrap(), 0);
        let mut write = task::spawn(io.write_all(PREFACE));
        assert_eq!(assert_ready!(write.poll()).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    });
}

/// Without a timer the client's next turn is all the time that it gets to read.
#[test]
fn a_write_that_failed_is_told_without_a_timer() {
    let script = Script::default();
    *script.0.lock().unwrap() = Inner { steps: vec![64], open: true, broken: true, ..Inner::default() };
    let io = ConnectionHealth::default().monitor(TokioIo::new(script), &Uri::from_static("http://peer"));
    let mut io = TokioIo::new(io);
    let mut write = task::spawn(io.write_all(PREFACE));
    assert_pending!(write.poll());
    assert!(write.is_woken());
    assert_eq!(assert_ready!(write.poll()).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}

/// A client that waits to write and does not read knows nothing of its peer's silence: more may lie unread than is read for it.
#[test]
fn a_client_that_does_not_read_is_not_told_of_silence() {
    let script = Script::default();
    let data = [b"\0\x3f\xff\0\0\0\0\0\x01", &[b'.'; 0x3fff][..]].concat();
    let to_read = [SETTINGS, &data, &data].concat();
    *script.0.lock().unwrap() =
        Inner { to_read: to_read.iter().copied().collect(), steps: vec![1 << 16], open: true, ..Inner::default() };
    block_on(async {
        let mut io = monitored(&ConnectionHealth::default(), &script).await;
        io.write_all(&[PREFACE, SETTINGS, b"\0\0\x01\x01\x04\0\0\0\x01\x82"].concat()).await.unwrap();
        script.0.lock().unwrap().full = true;
        for _ in 0..20 {
            assert!(futures_util::poll!(std::pin::pin!(io.write(&data))).is_pending());
            advance(Duration::from_secs(10)).await;
        }
        assert!(!script.0.lock().unwrap().to_read.is_empty(), "something lies unread");
        let mut received = vec![0; to_read.len()];
        io.read_exact(&mut received).await.unwrap();
        assert!(received == to_read);
    });
}

/// After the end of what comes in there is nothing, not even of ours.
#[test]
fn a_notice_does_not_follow_the_peers_end() {
    let script = Script::default();
    *script.0.lock().unwrap() =
        Inner { to_read: SETTINGS.iter().copied().collect(), steps: vec![64], ..Inner::default() };
    block_on(async {
        let mut io = monitored(&ConnectionHealth::builder().own_goaway(true).build(), &script).await;
        let mut buf = [0; 64];
        io.write_all(&[PREFACE, SETTINGS].concat()).await.unwrap();
        assert_eq!(io.read(&mut buf).await.unwrap(), SETTINGS.len());
        io.inner().connection().drain();
        assert_eq!(io.read(&mut buf).await.unwrap(), 0);
        io.write_all(SETTINGS).await.unwrap();
        assert_eq!(io.read(&mut buf).await.unwrap(), 0);
    });
}

/// On an upgraded connection one task may read and another write: a write that finds no room takes no wake-up away from the one
/// that reads.
#[test]
fn a_write_that_waits_leaves_the_reader_its_wakeup() {
    block_on(async {
        for writer_comes_first in [false, true] {
            let (near, mut far) = tokio::io::duplex(8);
            let io = ConnectionHealth::default().monitor(TokioIo::new(near), &Uri::from_static("http://peer"));
            let (mut read_half, mut write_half) = tokio::io::split(TokioIo::new(io));
            let mut buf = [0; 64];
            let mut reader = task::spawn(read_half.read(&mut buf));
            assert_pending!(reader.poll());
            let mut writer = task::spawn(write_half.write_all(b"GET / HTTP/1.1\r\n\r\n"));
            assert_pending!(writer.poll());
            far.write_all(b"hello").await.unwrap();
            if writer_comes_first {
                assert_pending!(writer.poll());
            }
            assert!(reader.is_woken());
            assert_eq!(assert_ready!(reader.poll()).unwrap(), 5);
        }
    });
}

/// A notice may come before the client has said a word. It is given in time, and the client is woken for it.
#[test]
fn a_notice_that_comes_first_is_given_in_time() {
    let notice = b"\0\0\x08\x07\0\0\0\0\0\x7f\xff\xff\xff\0\0\0\0";
    block_on(async {
        let (near, mut far) = tokio::io::duplex(1_024);
        let health = ConnectionHealth::builder().own_goaway(true).build();
        let io = health.monitor(TokioIo::new(near), &Uri::from_static("http://peer"));
        let (mut read_half, mut write_half) = tokio::io::split(TokioIo::new(io));
        far.write_all(&[SETTINGS, notice].concat()).await.unwrap();
        let mut buf = [0; 64];
        assert_eq!(read_half.read(&mut buf).await.unwrap(), SETTINGS.len());
        let mut reader = task::spawn(read_half.read(&mut buf));
        assert_pending!(reader.poll());
        // One task does both, as HTTP/2's clients do.
        let written = [PREFACE, SETTINGS, b"\0\0\x01\x01\x05\0\0\0\x01\x82"].concat();
        let mut both = task::spawn(async {
            write_half.write_all(&written).await.unwrap();
            std::future::pending::<()>().await;
        });
        assert_pending!(both.poll());
        for _ in 0..10 {
            advance(Duration::from_millis(200)).await;
            if both.is_woken() || reader.is_woken() {
                if let Poll::Ready(read) = reader.poll() {
                    assert_eq!(read.unwrap(), notice.len());
                    return;
                }
            }
        }
        panic!("nobody was woken for it");
    });
}

/// HTTP/1.1, or anything else, is told as such.
#[test]
fn other_protocols_are_told_apart() {
    for (bytes, protocol) in [(&b"GET / HTTP/1.1\r\n\r\n"[..], Protocol::Other), (PREFACE, Protocol::Http2)] {
        let script = Script::default();
        *script.0.lock().unwrap() = Inner { steps: vec![9], open: true, ..Inner::default() };
        block_on(async {
            let health = ConnectionHealth::default();
            let mut io = monitored(&health, &script).await;
            assert_eq!(only(&health).protocol, Protocol::Unknown);
            io.write_all(bytes).await.unwrap();
            assert_eq!(only(&health).protocol, protocol);
            drop(io);
            assert!(health.snapshot().connections.is_empty());
        });
    }
}
