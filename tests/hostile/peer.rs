//! The attacker's end of a connection.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::meter::{Meter, one_more};
use crate::support::message::{HeaderReader, Received};
use crate::support::wire::PREFACE;
use crate::support::{Frame, REQUEST_ID, hpack};

pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// An accepted connection. Whatever it writes, it can tell what the client sends meanwhile.
pub(crate) struct Peer {
    /// The number of the connection, from 1.
    pub(crate) nth: u64,
    meter: Arc<Meter>,
    writer: WriteHalf<Box<dyn Io>>,
    reader: Option<ReadHalf<Box<dyn Io>>>,
    heard: mpsc::UnboundedReceiver<Heard>,
    tell: Option<mpsc::UnboundedSender<Heard>>,
    polite: bool,
    listening: Option<AbortHandle>,
}

impl Drop for Peer {
    /// Both halves go, and the connection with them.
    fn drop(&mut self) {
        if let Some(listening) = &self.listening {
            listening.abort();
        }
    }
}

/// What the client sent that an attack may care for.
enum Heard {
    Request(Received),
    Settings,
    Ping([u8; 8]),
}

impl Peer {
    pub(crate) fn new(io: impl Io + 'static, nth: u64, meter: Arc<Meter>) -> Self {
        let (reader, writer) = split(Box::new(io) as Box<dyn Io>);
        let (tell, heard) = mpsc::unbounded_channel();
        Self { nth, meter, writer, reader: Some(reader), heard, tell: Some(tell), polite: true, listening: None }
    }

    /// From here on neither SETTINGS nor PING are acknowledged.
    pub(crate) fn rude(mut self) -> Self {
        self.polite = false;
        self
    }

    // ===== HTTP/2 =====

    /// Reads the preface, sends these SETTINGS, and listens from then on.
    pub(crate) async fn greet(&mut self, settings: &[(u16, u32)]) -> io::Result<()> {
        self.listen().await?;
        self.send(&[Frame::Settings { ack: false, values: settings.to_vec() }]).await
    }

    /// Reads the preface and listens from then on.
    pub(crate) async fn listen(&mut self) -> io::Result<()> {
        let (Some(mut reader), Some(tell)) = (self.reader.take(), self.tell.take()) else { return Ok(()) };
        let mut preface = [0; PREFACE.len()];
        reader.read_exact(&mut preface).await?;
        if preface != PREFACE {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let meter = Arc::clone(&self.meter);
        let listening = tokio::spawn(async move {
            let _ = listen(reader, &meter, &tell).await;
        });
        self.listening = Some(listening.abort_handle());
        Ok(())
    }

    /// Whether the client speaks HTTP/2; its preface is taken if it does.
    pub(crate) async fn speaks_http2(&mut self) -> io::Result<bool> {
        match self.listen().await {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The next request; an error when the client has gone.
    pub(crate) async fn request(&mut self) -> io::Result<Received> {
        loop {
            let heard = self.heard.recv().await.ok_or(io::ErrorKind::BrokenPipe)?;
            if let Some(received) = self.take(heard).await? {
                return Ok(received);
            }
        }
    }

    /// Answers what is to be answered, for so long.
    pub(crate) async fn idle(&mut self, time: Duration) -> io::Result<()> {
        let end = tokio::time::Instant::now() + time;
        loop {
            match tokio::time::timeout_at(end, self.heard.recv()).await {
                Err(_) => return Ok(()),
                Ok(None) => return Err(io::ErrorKind::BrokenPipe.into()),
                Ok(Some(heard)) => drop(self.take(heard).await?),
            }
        }
    }

    /// The same until the client has gone.
    pub(crate) async fn until_gone(&mut self) -> io::Result<()> {
        while let Some(heard) = self.heard.recv().await {
            self.take(heard).await?;
        }
        Ok(())
    }

    async fn take(&mut self, heard: Heard) -> io::Result<Option<Received>> {
        match heard {
            Heard::Request(received) => return Ok(Some(received)),
            Heard::Settings if self.polite => {
                self.send(&[Frame::Settings { ack: true, values: Vec::new() }]).await?;
            }
            Heard::Ping(payload) if self.polite => self.send(&[Frame::Ping { ack: true, payload }]).await?,
            Heard::Settings | Heard::Ping(_) => {}
        }
        Ok(None)
    }

    /// Frames in one write.
    pub(crate) async fn send(&mut self, frames: &[Frame]) -> io::Result<()> {
        let mut bytes = BytesMut::new();
        for frame in frames {
            frame.encode(&mut bytes);
        }
        self.meter.sent.add(frames.len() as u64);
        self.raw(&bytes).await
    }

    /// Sends these frames again and again, a hundred batches a second, until the client has gone.
    pub(crate) async fn flood(&mut self, mut batch: impl FnMut(u32) -> Vec<Frame>) -> io::Result<()> {
        for n in 0.. {
            self.send(&batch(n)).await?;
            self.idle(Duration::from_millis(10)).await?;
        }
        Ok(())
    }

    // ===== HTTP/1.1 =====

    /// The head of the next HTTP/1.1 request, as text.
    pub(crate) async fn http1_request(&mut self) -> io::Result<String> {
        let reader = self.reader.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(reader.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let id = head.lines().find_map(|line| line.strip_prefix(REQUEST_ID)?.strip_prefix(": "));
        one_more(&self.meter.heads, id.unwrap_or_default());
        // A body is not read: who is hostile answers at once.
        Ok(head)
    }

    // ===== both =====

    /// Bytes as they are.
    pub(crate) async fn raw(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.writer.write_all(bytes.as_ref()).await?;
        self.writer.flush().await
    }

    /// Bytes again and again, a hundred times a second, until the client has gone.
    pub(crate) async fn pour(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.drip(bytes, Duration::from_millis(10)).await
    }

    /// Bytes again and again, each time after so long, until the client has gone.
    pub(crate) async fn drip(&mut self, bytes: impl AsRef<[u8]>, every: Duration) -> io::Result<()> {
        loop {
            self.raw(&bytes).await?;
            tokio::time::sleep(every).await;
        }
    }

    /// Reads nothing more and says nothing more, for longer than any client waits.
    pub(crate) async fn freeze(self) -> io::Result<()> {
        tokio::time::sleep(Duration::from_secs(60)).await;
        Ok(())
    }
}

async fn listen(
    mut reader: ReadHalf<Box<dyn Io>>,
    meter: &Meter,
    tell: &mpsc::UnboundedSender<Heard>,
) -> io::Result<()> {
    let (mut input, mut headers) = (BytesMut::new(), HeaderReader::default());
    loop {
        while let Some(frame) = Frame::decode(&mut input).map_err(io::Error::other)? {
            meter.frames.add(1);
            let heard = match headers.frame(frame).map_err(io::Error::other)? {
                Ok(Some(block)) => {
                    let Ok(received) = Received::new(block.stream, block.fields, block.end_stream) else { continue };
                    one_more(&meter.heads, &received.id);
                    Heard::Request(received)
                }
                Ok(None) => continue,
                Err(Frame::Settings { ack: false, .. }) => Heard::Settings,
                Err(Frame::Ping { ack: false, payload }) => {
                    meter.pings.add(1);
                    Heard::Ping(payload)
                }
                Err(_) => continue,
            };
            if tell.send(heard).is_err() {
                // Nobody attacks any more, but the client may go on writing.
                continue;
            }
        }
        if reader.read_buf(&mut input).await? == 0 {
            return Ok(());
        }
    }
}

// ===== frames =====

/// HEADERS of a response, or its trailers if there is no status.
pub(crate) fn headers(stream: u32, status: Option<u16>, fields: &[(&str, &str)], end_stream: bool) -> Frame {
    let mut block = BytesMut::new();
    hpack::encode(status, fields.iter().copied(), &mut block);
    Frame::Headers { stream, block: block.freeze(), end_stream, end_headers: true }
}

/// A whole response: 204.
pub(crate) fn no_content(stream: u32) -> Frame {
    headers(stream, Some(204), &[], true)
}

pub(crate) fn reset(stream: u32, reason: u32) -> Frame {
    Frame::Reset { stream, reason }
}

pub(crate) fn goaway(last_stream: u32, reason: u32) -> Frame {
    Frame::GoAway { last_stream, reason, debug: Bytes::new() }
}

/// The bytes of a frame whose header says what it likes.
pub(crate) fn forged(length: u32, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_uint(u64::from(length), 3);
    bytes.put_slice(&[kind, flags]);
    bytes.put_u32(stream);
    bytes.put_slice(payload);
    bytes.freeze()
}
