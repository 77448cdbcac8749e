use std::future::poll_fn;
use std::time::Duration;

use super::super::machine::Settings;
use hyper::rt::ReadBufCursor;

use super::*;

/// A transport that does one thing as long as it is told to.
struct Socket {
    /// How many bytes a write takes at the most, or how it fails.
    write: Result<usize, io::ErrorKind>,
    flush: Result<(), io::ErrorKind>,
}

const WELL: Socket = Socket { write: Ok(usize::MAX), flush: Ok(()) };

impl Read for Socket {
    /// Gives nothing: at its end, or because there is no room.
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Write for Socket {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write.map(|most| buf.len().min(most)).map_err(io::Error::from))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.flush.map_err(io::Error::from))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all: Vec<_> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
        self.poll_write(cx, &all)
    }
}

fn io(socket: Socket) -> (Arc<Hub>, ObservedIo<Socket>) {
    let hub = Arc::new(Hub::new(Settings { after: Some((9, Duration::MAX)), ..Settings::default() }, 16));
    hub.fall_back();
    let origin = Origin::of(&http::Uri::from_static("https://example.com/")).unwrap();
    (Arc::clone(&hub), ObservedIo::new(socket, Some((hub, origin))))
}

/// One on which a client began to speak HTTP/2.
async fn begun() -> (Arc<Hub>, ObservedIo<Socket>) {
    let (hub, mut io) = io(WELL);
    assert_eq!(write(&mut io, PREFACE).await.unwrap(), PREFACE.len());
    assert_eq!(died(&hub), 0);
    (hub, io)
}

fn died(hub: &Hub) -> usize {
    hub.snapshot().origins.iter().map(|origin| origin.died).sum()
}

async fn write(io: &mut ObservedIo<Socket>, bytes: &[u8]) -> io::Result<usize> {
    poll_fn(|cx| Write::poll_write(Pin::new(&mut *io), cx, bytes)).await
}

/// Reads into so much room.
async fn read(io: &mut ObservedIo<Socket>, room: usize) {
    let mut room = vec![0; room];
    let mut buf = hyper::rt::ReadBuf::new(&mut room);
    poll_fn(|cx| Read::poll_read(Pin::new(&mut *io), cx, buf.unfilled())).await.unwrap();
}

/// What a peer has reset is seen by writing, where nobody reads.
#[tokio::test]
async fn a_write_that_fails_is_an_end() {
    let (hub, mut io) = begun().await;
    io.get_mut().write = Err(io::ErrorKind::ConnectionReset);
    write(&mut io, b"x").await.unwrap_err();
    assert_eq!(died(&hub), 1);
    write(&mut io, b"x").await.unwrap_err();
    assert_eq!(died(&hub), 1, "once");
}

/// As TLS does it, which keeps what is written.
#[tokio::test]
async fn a_flush_that_fails_is_an_end() {
    let (hub, mut io) = begun().await;
    poll_fn(|cx| Write::poll_flush(Pin::new(&mut io), cx)).await.unwrap();
    assert_eq!(died(&hub), 0);
    io.get_mut().flush = Err(io::ErrorKind::ConnectionReset);
    poll_fn(|cx| Write::poll_flush(Pin::new(&mut io), cx)).await.unwrap_err();
    assert_eq!(died(&hub), 1);
}

/// Only where there was room does nothing mean the end.
#[tokio::test]
async fn a_read_without_room_is_no_end() {
    let (hub, mut io) = begun().await;
    read(&mut io, 0).await;
    assert_eq!(died(&hub), 0);
    read(&mut io, 1).await;
    assert_eq!(died(&hub), 1);
}

/// What was not taken is written again.
#[tokio::test]
async fn a_write_counts_as_far_as_it_was_taken() {
    for vectored in [false, true] {
        for (most, expected) in [(PREFACE.len() - 1, 0), (PREFACE.len(), 1)] {
            let (hub, mut io) = io(Socket { write: Ok(most), ..WELL });
            let taken = if vectored {
                let (first, rest) = PREFACE.split_at(4);
                let bufs = [IoSlice::new(first), IoSlice::new(rest)];
                poll_fn(|cx| Write::poll_write_vectored(Pin::new(&mut io), cx, &bufs)).await
            } else {
                write(&mut io, PREFACE).await
            };
            assert_eq!(taken.unwrap(), most);
            read(&mut io, 1).await;
            assert_eq!(died(&hub), expected, "{most} bytes, vectored: {vectored}");
        }
    }
}

/// X4: to drop it is this side's doing.
#[tokio::test]
async fn to_drop_it_is_no_end() {
    let (hub, io) = begun().await;
    drop(io);
    assert_eq!(died(&hub), 0);
}

/// What a client of HTTP/2 only would send on the fallback's connection; in a body the same bytes are nobody's preface.
#[tokio::test]
async fn the_fallback_takes_no_preface() {
    let mut io = ObservedIo::over_http1(WELL);
    assert_eq!(write(&mut io, PREFACE).await.unwrap_err().kind(), io::ErrorKind::Unsupported);
    let bufs = [IoSlice::new(PREFACE)];
    poll_fn(|cx| Write::poll_write_vectored(Pin::new(&mut io), cx, &bufs)).await.unwrap_err();
    write(&mut io, b"PUT / HTTP/1.1\r\n").await.unwrap();
    write(&mut io, PREFACE).await.unwrap();
    begun().await;
}
