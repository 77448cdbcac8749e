//! A client and a peer, and a wrapper of the library's between them.
//!
//! The client does something only when it was woken for it, or begins it: what it still waits for in the end was forgotten.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use hyper::rt::{Read, ReadBuf, Write};
use tower_redial::health::frame::PREFACE;

use crate::pipe::Pipe;
use crate::wire::cook;

/// How often in a row a task may be woken for nothing.
const FOR_NOTHING: usize = 16;

const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

/// What is to be read of an input before its steps: three bytes, and what goes over the wire in both directions.
///
/// The first byte holds [`options`]; the second and the third are the lengths of what goes out and of what comes in.
pub struct Input<'a> {
    pub options: u8,
    pub outbound: Vec<u8>,
    pub inbound: Vec<u8>,
    /// Two bytes for each.
    pub steps: &'a [u8],
}

pub mod options {
    /// What goes out begins with a preface and SETTINGS.
    pub const PREFACE: u8 = 1;
    /// What comes in begins with SETTINGS.
    pub const GREETING: u8 = 2;
    /// What goes out is a recipe: see [`cook`](super::cook).
    pub const COOK_OUTBOUND: u8 = 4;
    /// What comes in is one.
    pub const COOK_INBOUND: u8 = 8;
    /// A task reads and another writes; else one does both, as HTTP's clients do.
    pub const TWO_TASKS: u8 = 16;
    /// The transport writes several buffers at once.
    pub const VECTORED: u8 = 32;
    /// The wrapper may put in notices of its own, where it can.
    pub const OWN_GOAWAY: u8 = 64;
}

impl<'a> Input<'a> {
    #[must_use]
    pub fn new(data: &'a [u8]) -> Option<Self> {
        let [options, out, inside, rest @ ..] = data else { return None };
        let (out, rest) = rest.split_at_checked(usize::from(*out))?;
        let (inside, steps) = rest.split_at_checked(usize::from(*inside))?;
        let has = |option| options & option != 0;
        let bytes = |head: &[&[u8]], cooked, recipe: &[u8]| {
            let mut bytes = head.concat();
            if cooked {
                cook(recipe, &mut bytes);
            } else {
                bytes.extend(recipe);
            }
            bytes
        };
        let preface: &[&[u8]] = if has(options::PREFACE) { &[PREFACE, &SETTINGS] } else { &[] };
        let greeting: &[&[u8]] = if has(options::GREETING) { &[&SETTINGS] } else { &[] };
        Some(Self {
            options: *options,
            outbound: bytes(preface, has(options::COOK_OUTBOUND), out),
            inbound: bytes(greeting, has(options::COOK_INBOUND), inside),
            steps,
        })
    }
}

#[derive(Default)]
struct Task {
    woken: AtomicBool,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Relaxed);
    }
}

impl Task {
    fn take(&self) -> bool {
        self.woken.swap(false, Ordering::Relaxed)
    }
}

#[derive(Clone, Copy)]
enum Doing {
    /// So many bytes, in so many pieces.
    Write(usize, usize),
    Flush,
    Shutdown,
}

/// A connection, and who is at its ends.
pub struct Play<I> {
    pub io: I,
    pub pipe: Pipe,
    /// What the client writes, and how much of it was taken.
    pub outbound: Vec<u8>,
    pub taken: usize,
    /// What the peer sends, and how much of it came.
    pub inbound: Vec<u8>,
    pub came: usize,
    /// What the client has read, and the end of it.
    pub received: Vec<u8>,
    pub read_end: Option<Result<(), io::ErrorKind>>,
    pub write_end: Option<io::ErrorKind>,
    doing: Option<Doing>,
    reads: bool,
    buffer: usize,
    reader: Arc<Task>,
    writer: Arc<Task>,
}

impl<I: Read + Write + Unpin> Play<I> {
    #[must_use]
    pub fn new(io: I, pipe: Pipe, input: &Input<'_>) -> Self {
        let reader = Arc::<Task>::default();
        let writer = if input.options & options::TWO_TASKS != 0 { Arc::default() } else { Arc::clone(&reader) };
        reader.woken.store(true, Ordering::Relaxed);
        Self {
            io,
            pipe,
            outbound: input.outbound.clone(),
            taken: 0,
            inbound: input.inbound.clone(),
            came: 0,
            received: Vec::new(),
            read_end: None,
            write_end: None,
            doing: None,
            reads: true,
            buffer: 64,
            reader,
            writer,
        }
    }

    /// A step that means the same whatever the wrapper. Whether it is one.
    pub fn step(&mut self, what: u8, how: u8) -> bool {
        let amount = usize::from(how);
        match what % 32 {
            // All that is left, or some of it.
            0 => self.arrive(if how == 255 { usize::MAX } else { amount }),
            1 => self.begin(Doing::Write(if how == 255 { usize::MAX } else { amount }, 1)),
            2 => self.begin(Doing::Write(amount, 2 + amount % 3)),
            3 => self.begin(Doing::Flush),
            4 => self.begin(Doing::Shutdown),
            // None, some, or as much as anybody wants.
            5 => {
                self.pipe.look().room = if how == 255 { usize::MAX } else { amount };
                if how > 0 {
                    self.pipe.wake_writer();
                }
            }
            6 => self.pipe.look().read_at_most = amount + 1,
            7 => self.pipe.look().write_at_most = amount + 1,
            8 => self.buffer = amount * 8 + 1,
            9 => self.pause(how.is_multiple_of(2)),
            10 => {
                self.pipe.look().flush_waits = how.is_multiple_of(2);
                self.pipe.wake_writer();
            }
            11 => {
                self.pipe.look().shutdown_waits = how.is_multiple_of(2);
                self.pipe.wake_writer();
            }
            12 => self.pipe.end(Ok(())),
            13 => self.pipe.end(Err(io::ErrorKind::ConnectionReset)),
            14 => {
                self.pipe.look().write_fails = true;
                self.pipe.wake_writer();
            }
            // Woken for nothing.
            15 => self.reader.woken.store(true, Ordering::Relaxed),
            16 => self.writer.woken.store(true, Ordering::Relaxed),
            // A large frame of DATA.
            17 => self.inbound.extend(large(amount)),
            18 => self.outbound.extend(large(amount)),
            _ => return false,
        }
        self.run();
        true
    }

    pub fn arrive(&mut self, bytes: usize) {
        let end = self.inbound.len().min(self.came.saturating_add(bytes));
        if self.pipe.look().end.is_none() {
            self.pipe.arrive(&self.inbound[self.came..end]);
            self.came = end;
        }
    }

    fn pause(&mut self, reads: bool) {
        if reads && !self.reads {
            self.reader.woken.store(true, Ordering::Relaxed);
        }
        self.reads = reads;
    }

    fn begin(&mut self, doing: Doing) {
        if self.doing.is_none() && self.write_end.is_none() && !self.pipe.look().shut {
            self.doing = Some(doing);
            self.writer.woken.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the client waits for the end of what it began to do.
    #[must_use]
    pub fn is_writing(&self) -> bool {
        self.doing.is_some()
    }

    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        matches!(self.doing, Some(Doing::Shutdown))
    }

    /// Whether the client would read what came.
    #[must_use]
    pub fn is_reading(&self) -> bool {
        self.reads && self.read_end.is_none()
    }

    /// Lets the tasks run until nothing wakes them.
    pub fn run(&mut self) {
        let mut for_nothing = 0;
        loop {
            let before = self.moved();
            let one = Arc::ptr_eq(&self.reader, &self.writer);
            let (reads, writes) = (self.reader.take(), self.writer.take());
            if !reads && !writes {
                return;
            }
            if reads {
                self.read();
            }
            if writes || one {
                self.write();
            }
            for_nothing = if self.moved() == before { for_nothing + 1 } else { 0 };
            assert!(for_nothing < FOR_NOTHING, "it spins");
        }
    }

    fn moved(&self) -> (usize, usize, usize, usize) {
        let pipe = self.pipe.look();
        (pipe.read, pipe.written.len(), self.received.len(), self.taken)
    }

    fn read(&mut self) {
        let waker = Waker::from(Arc::clone(&self.reader));
        let mut cx = Context::from_waker(&waker);
        while self.reads && self.read_end.is_none() {
            let mut bytes = vec![0; self.buffer];
            let mut buf = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.io).poll_read(&mut cx, buf.unfilled()) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) if buf.filled().is_empty() => self.read_end = Some(Ok(())),
                Poll::Ready(Ok(())) => self.received.extend_from_slice(buf.filled()),
                Poll::Ready(Err(error)) => self.read_end = Some(Err(error.kind())),
            }
        }
    }

    fn write(&mut self) {
        let waker = Waker::from(Arc::clone(&self.writer));
        let mut cx = Context::from_waker(&waker);
        let Some(doing) = self.doing else { return };
        let io = Pin::new(&mut self.io);
        let done = match doing {
            Doing::Write(most, pieces) => {
                let rest = &self.outbound[self.taken..];
                let bytes = &rest[..rest.len().min(most)];
                let polled = if pieces == 1 {
                    io.poll_write(&mut cx, bytes)
                } else {
                    // An empty one is among them.
                    let (first, second) = bytes.split_at(bytes.len() / pieces);
                    io.poll_write_vectored(&mut cx, &[IoSlice::new(first), IoSlice::new(&[]), IoSlice::new(second)])
                };
                polled.map_ok(|written| {
                    assert!(written <= bytes.len() && (written > 0 || bytes.is_empty()), "{written} were written");
                    self.taken += written;
                })
            }
            Doing::Flush => io.poll_flush(&mut cx).map_ok(|()| {
                let pipe = self.pipe.look();
                assert_eq!(pipe.flushed, pipe.written.len(), "all of it is flushed");
            }),
            Doing::Shutdown => io.poll_shutdown(&mut cx),
        };
        if let Poll::Ready(done) = done {
            self.doing = None;
            self.write_end = done.err().map(|error| error.kind());
        }
    }

    /// Everything comes, there is room for everything, and the client takes it.
    pub fn let_through(&mut self) {
        {
            let mut pipe = self.pipe.look();
            pipe.room = usize::MAX;
            pipe.flush_waits = false;
        }
        self.pipe.wake_writer();
        self.arrive(usize::MAX);
        self.pause(true);
        self.run();
    }

    /// The end comes, if it has not.
    pub fn finish(&mut self) {
        self.pipe.end(Ok(()));
        self.run();
        assert!(self.read_end.is_some(), "the client waits for an end that has come");
        // Whoever comes back is told again that there is nothing.
        let again = self.read_end.take();
        let received = self.received.len();
        self.reader.woken.store(true, Ordering::Relaxed);
        self.run();
        assert!(self.read_end.is_some() && self.received.len() == received, "{:?} after {again:?}", self.read_end);
        self.read_end = again;
    }
}

fn large(blocks: usize) -> Vec<u8> {
    let length = blocks * 256;
    let mut frame = (length as u32).to_be_bytes()[1..].to_vec();
    frame.extend([0, 0, 0, 0, 0, 1]);
    frame.resize(9 + length, b'.');
    frame
}
