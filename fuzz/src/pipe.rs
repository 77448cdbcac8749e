//! A transport that does what it is told to, and remembers what was done with it.

use std::cell::{RefCell, RefMut};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::time::Instant;

/// A handle to it. As with a socket, one task at a time is woken for each direction: the one that asked last.
#[derive(Clone)]
pub struct Pipe(Rc<RefCell<Inner>>);

pub struct Inner {
    /// What has come, and was not read yet.
    pub arrived: VecDeque<u8>,
    /// What comes after it.
    pub end: Option<Result<(), io::ErrorKind>>,
    /// How much a read gives at the most.
    pub read_at_most: usize,
    /// How much was read in all, and when last.
    pub read: usize,
    pub read_last: Instant,
    pub written: Vec<u8>,
    /// How much had been written and read at each write's beginning.
    pub writes: Vec<(usize, usize)>,
    /// How much there is room for.
    pub room: usize,
    pub write_at_most: usize,
    pub write_fails: bool,
    pub flush_waits: bool,
    pub shutdown_waits: bool,
    pub vectored: bool,
    pub flushed: usize,
    pub shut: bool,
    /// That was begun, and nothing may be written any more.
    shuts: bool,
    /// What there was no room for. As with TLS, the next write has to begin with it: it may lie in a record already.
    refused: Vec<u8>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    #[must_use]
    pub fn new(vectored: bool) -> Self {
        Self(Rc::new(RefCell::new(Inner {
            arrived: VecDeque::new(),
            end: None,
            read_at_most: usize::MAX,
            read: 0,
            read_last: Instant::now(),
            written: Vec::new(),
            writes: Vec::new(),
            room: usize::MAX,
            write_at_most: usize::MAX,
            write_fails: false,
            flush_waits: false,
            shutdown_waits: false,
            vectored,
            flushed: 0,
            shut: false,
            shuts: false,
            refused: Vec::new(),
            reader: None,
            writer: None,
        })))
    }

    pub fn look(&self) -> RefMut<'_, Inner> {
        self.0.borrow_mut()
    }

    /// Something can be read: wakes who waits for that.
    pub fn arrive(&self, bytes: &[u8]) {
        self.look().arrived.extend(bytes);
        if !bytes.is_empty() {
            self.wake_reader();
        }
    }

    /// Nothing more comes.
    pub fn end(&self, end: Result<(), io::ErrorKind>) {
        self.look().end.get_or_insert(end);
        self.wake_reader();
    }

    /// There is room, or something else that a writer may wait for.
    pub fn wake_writer(&self) {
        let writer = self.look().writer.take();
        writer.into_iter().for_each(Waker::wake);
    }

    fn wake_reader(&self) {
        let reader = self.look().reader.take();
        reader.into_iter().for_each(Waker::wake);
    }
}

impl Inner {
    fn wait_to_write<T>(&mut self, cx: &Context<'_>) -> Poll<T> {
        self.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    fn write(&mut self, buf: &[u8], cx: &Context<'_>) -> Poll<io::Result<usize>> {
        assert!(!self.shuts, "written to after its end");
        assert!(buf.starts_with(&self.refused), "{buf:?} after {:?} found no room", self.refused);
        if self.write_fails {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let len = buf.len().min(self.room).min(self.write_at_most);
        if len == 0 && !buf.is_empty() {
            self.refused = buf.to_vec();
            return self.wait_to_write(cx);
        }
        self.refused.clear();
        self.writes.push((self.written.len(), self.read));
        self.written.extend_from_slice(&buf[..len]);
        self.room -= len;
        Poll::Ready(Ok(len))
    }
}

impl Read for Pipe {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.look();
        if inner.arrived.is_empty() {
            if let Some(end) = inner.end {
                return Poll::Ready(end.map_err(io::Error::from));
            }
            inner.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let len = inner.arrived.len().min(inner.read_at_most).min(buf.remaining());
        let bytes: Vec<u8> = inner.arrived.drain(..len).collect();
        buf.put_slice(&bytes);
        inner.read += len;
        inner.read_last = Instant::now();
        Poll::Ready(Ok(()))
    }
}

impl Write for Pipe {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.look().write(buf, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
        self.look().write(&all, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.look().vectored
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.look();
        if inner.flush_waits {
            return inner.wait_to_write(cx);
        }
        inner.flushed = inner.written.len();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.look();
        inner.shuts = true;
        if inner.shutdown_waits {
            return inner.wait_to_write(cx);
        }
        inner.shut = true;
        Poll::Ready(Ok(()))
    }
}
