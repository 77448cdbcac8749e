//! HTTP/2 frames (RFC 9113, 4 and 6), and a codec for them over any IO.

use std::{fmt, io};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What a client sends first (RFC 9113, 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The highest stream id, which a graceful GOAWAY names.
pub const MAX_STREAM_ID: u32 = (1 << 31) - 1;

/// The largest payload either side may send unless SETTINGS_MAX_FRAME_SIZE says more.
pub const DEFAULT_FRAME_SIZE: usize = 16_384;

/// The flow-control window both sides begin with.
pub const DEFAULT_WINDOW: u32 = 65_535;

const HEADER_LEN: usize = 9;

/// Frame types.
pub mod kind {
    /// A body (RFC 9113, 6.1).
    pub const DATA: u8 = 0;
    /// A head, or trailers (6.2).
    pub const HEADERS: u8 = 1;
    /// Of no use any more (6.3).
    pub const PRIORITY: u8 = 2;
    /// Ends a stream (6.4).
    pub const RST_STREAM: u8 = 3;
    /// What one side asks of the other (6.5).
    pub const SETTINGS: u8 = 4;
    /// A stream that the server opens (6.6).
    pub const PUSH_PROMISE: u8 = 5;
    /// Asks for an answer (6.7).
    pub const PING: u8 = 6;
    /// Ends a connection (6.8).
    pub const GOAWAY: u8 = 7;
    /// Lets more be sent (6.9).
    pub const WINDOW_UPDATE: u8 = 8;
    /// More of a head (6.10).
    pub const CONTINUATION: u8 = 9;
}

/// Frame flags.
pub mod flag {
    /// On SETTINGS and PING: an answer.
    pub const ACK: u8 = 0x1;
    /// On DATA and HEADERS: the last of its stream.
    pub const END_STREAM: u8 = 0x1;
    /// On HEADERS and CONTINUATION: the head is whole.
    pub const END_HEADERS: u8 = 0x4;
    /// On DATA and HEADERS: there is padding.
    pub const PADDED: u8 = 0x8;
    /// On HEADERS: a priority comes first.
    pub const PRIORITY: u8 = 0x20;
}

/// Settings (RFC 9113, 6.5.2).
pub mod setting {
    /// The size of HPACK's table, in bytes.
    pub const HEADER_TABLE_SIZE: u16 = 1;
    /// Whether the server may push: 0 or 1.
    pub const ENABLE_PUSH: u16 = 2;
    /// How many streams the other side may have open.
    pub const MAX_CONCURRENT_STREAMS: u16 = 3;
    /// How many bytes may be sent on a new stream.
    pub const INITIAL_WINDOW_SIZE: u16 = 4;
    /// The longest payload, in bytes.
    pub const MAX_FRAME_SIZE: u16 = 5;
    /// The longest head, in bytes.
    pub const MAX_HEADER_LIST_SIZE: u16 = 6;
    /// Whether there is extended CONNECT (RFC 8441, 3).
    pub const ENABLE_CONNECT_PROTOCOL: u16 = 8;
}

/// Error codes (RFC 9113, 7), as GOAWAY and RST_STREAM carry them.
pub mod reason {
    /// Nothing is wrong: a graceful end.
    pub const NO_ERROR: u32 = 0x0;
    /// The other side broke a rule.
    pub const PROTOCOL_ERROR: u32 = 0x1;
    /// This side is broken.
    pub const INTERNAL_ERROR: u32 = 0x2;
    /// More was sent than the window lets.
    pub const FLOW_CONTROL_ERROR: u32 = 0x3;
    /// SETTINGS were not acknowledged in time.
    pub const SETTINGS_TIMEOUT: u32 = 0x4;
    /// A frame came on a stream that had ended.
    pub const STREAM_CLOSED: u32 = 0x5;
    /// A frame of a size that cannot be.
    pub const FRAME_SIZE_ERROR: u32 = 0x6;
    /// The request was not processed (8.7).
    pub const REFUSED_STREAM: u32 = 0x7;
    /// The stream is not wanted any more.
    pub const CANCEL: u32 = 0x8;
    /// A head that cannot be decoded.
    pub const COMPRESSION_ERROR: u32 = 0x9;
    /// The connection behind a CONNECT broke.
    pub const CONNECT_ERROR: u32 = 0xa;
    /// The other side asks for too much.
    pub const ENHANCE_YOUR_CALM: u32 = 0xb;
    /// TLS is not good enough.
    pub const INADEQUATE_SECURITY: u32 = 0xc;
    /// The request is to come over HTTP/1.1.
    pub const HTTP_1_1_REQUIRED: u32 = 0xd;

    /// The RFC's name of a code.
    pub fn name(code: u32) -> &'static str {
        const NAMES: [&str; 14] = [
            "NO_ERROR",
            "PROTOCOL_ERROR",
            "INTERNAL_ERROR",
            "FLOW_CONTROL_ERROR",
            "SETTINGS_TIMEOUT",
            "STREAM_CLOSED",
            "FRAME_SIZE_ERROR",
            "REFUSED_STREAM",
            "CANCEL",
            "COMPRESSION_ERROR",
            "CONNECT_ERROR",
            "ENHANCE_YOUR_CALM",
            "INADEQUATE_SECURITY",
            "HTTP_1_1_REQUIRED",
        ];
        NAMES.get(code as usize).copied().unwrap_or("an unknown code")
    }
}

/// One frame, padding and priority stripped.
#[derive(Clone, PartialEq, Eq)]
pub enum Frame {
    /// DATA.
    Data {
        /// Its stream.
        stream: u32,
        /// The bytes.
        data: Bytes,
        /// Whether the stream ends with it.
        end_stream: bool,
        /// What counts against the windows: the data, its padding and the padding's length.
        flow: u32,
    },
    /// HEADERS.
    Headers {
        /// Its stream.
        stream: u32,
        /// The fields, or the first of them, as HPACK has them.
        block: Bytes,
        /// Whether the stream ends with it.
        end_stream: bool,
        /// Whether the fields are whole.
        end_headers: bool,
    },
    /// PRIORITY.
    Priority {
        /// Its stream.
        stream: u32,
    },
    /// RST_STREAM.
    Reset {
        /// Its stream.
        stream: u32,
        /// Its code, of [`reason`].
        reason: u32,
    },
    /// SETTINGS.
    Settings {
        /// Whether it acknowledges the other side's.
        ack: bool,
        /// Identifiers, of [`setting`], and values.
        values: Vec<(u16, u32)>,
    },
    /// PING.
    Ping {
        /// Whether it answers one.
        ack: bool,
        /// Its bytes.
        payload: [u8; 8],
    },
    /// GOAWAY.
    GoAway {
        /// Streams above this were not and will not be processed.
        last_stream: u32,
        /// Its code, of [`reason`].
        reason: u32,
        /// Its debug data.
        debug: Bytes,
    },
    /// WINDOW_UPDATE.
    WindowUpdate {
        /// Its stream; 0 for the connection.
        stream: u32,
        /// How many more bytes may be sent.
        increment: u32,
    },
    /// CONTINUATION.
    Continuation {
        /// Its stream.
        stream: u32,
        /// More of the fields.
        block: Bytes,
        /// Whether they are whole.
        end_headers: bool,
    },
    /// PUSH_PROMISE and types that no RFC here defines.
    Other {
        /// The type.
        kind: u8,
        /// The flags.
        flags: u8,
        /// Its stream.
        stream: u32,
        /// The bytes.
        payload: Bytes,
    },
}

impl Frame {
    /// A DATA frame without padding.
    pub fn data(stream: u32, data: impl Into<Bytes>, end_stream: bool) -> Self {
        let data = data.into();
        Self::Data { stream, flow: data.len() as u32, data, end_stream }
    }

    /// The stream the frame belongs to, 0 for the connection.
    pub fn stream(&self) -> u32 {
        match self {
            Self::Data { stream, .. }
            | Self::Headers { stream, .. }
            | Self::Priority { stream }
            | Self::Reset { stream, .. }
            | Self::WindowUpdate { stream, .. }
            | Self::Continuation { stream, .. }
            | Self::Other { stream, .. } => *stream,
            Self::Settings { .. } | Self::Ping { .. } | Self::GoAway { .. } => 0,
        }
    }

    /// Appends the frame's bytes.
    pub fn encode(&self, out: &mut BytesMut) {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        match self {
            Self::Data { stream, data, end_stream, .. } => {
                put_header(out, data.len(), kind::DATA, flag(*end_stream, flag::END_STREAM), *stream);
                out.put_slice(data);
            }
            Self::Headers { stream, block, end_stream, end_headers } => {
                let flags = flag(*end_stream, flag::END_STREAM) | flag(*end_headers, flag::END_HEADERS);
                put_header(out, block.len(), kind::HEADERS, flags, *stream);
                out.put_slice(block);
            }
            Self::Priority { stream } => {
                put_header(out, 5, kind::PRIORITY, 0, *stream);
                out.put_bytes(0, 5);
            }
            Self::Reset { stream, reason } => {
                put_header(out, 4, kind::RST_STREAM, 0, *stream);
                out.put_u32(*reason);
            }
            Self::Settings { ack, values } => {
                put_header(out, values.len() * 6, kind::SETTINGS, flag(*ack, flag::ACK), 0);
                for (id, value) in values {
                    out.put_u16(*id);
                    out.put_u32(*value);
                }
            }
            Self::Ping { ack, payload } => {
                put_header(out, 8, kind::PING, flag(*ack, flag::ACK), 0);
                out.put_slice(payload);
            }
            Self::GoAway { last_stream, reason, debug } => {
                put_header(out, 8 + debug.len(), kind::GOAWAY, 0, 0);
                out.put_u32(*last_stream);
                out.put_u32(*reason);
                out.put_slice(debug);
            }
            Self::WindowUpdate { stream, increment } => {
                put_header(out, 4, kind::WINDOW_UPDATE, 0, *stream);
                out.put_u32(*increment);
            }
            Self::Continuation { stream, block, end_headers } => {
                put_header(out, block.len(), kind::CONTINUATION, flag(*end_headers, flag::END_HEADERS), *stream);
                out.put_slice(block);
            }
            Self::Other { kind, flags, stream, payload } => {
                put_header(out, payload.len(), *kind, *flags, *stream);
                out.put_slice(payload);
            }
        }
    }

    /// The frame's bytes, for scripts that send part of one.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.encode(&mut out);
        out.freeze()
    }

    /// Takes the next frame off `input`; `None` when it is not all there yet.
    ///
    /// # Errors
    ///
    /// When the bytes are no frame that may be sent: too long, or of a length its type does not have.
    pub fn decode(input: &mut BytesMut) -> Result<Option<Self>, WireError> {
        let Some(header) = input.first_chunk::<HEADER_LEN>() else { return Ok(None) };
        let len = usize::from(header[0]) << 16 | usize::from(header[1]) << 8 | usize::from(header[2]);
        let (kind, flags) = (header[3], header[4]);
        let stream = u32::from_be_bytes([header[5], header[6], header[7], header[8]]) & MAX_STREAM_ID;
        if len > DEFAULT_FRAME_SIZE {
            return Err(WireError::new(kind, stream, len, "is longer than SETTINGS_MAX_FRAME_SIZE"));
        }
        if input.len() < HEADER_LEN + len {
            return Ok(None);
        }
        input.advance(HEADER_LEN);
        let payload = input.split_to(len).freeze();
        parse(kind, flags, stream, payload).map(Some).ok_or(WireError::new(kind, stream, len, "is malformed"))
    }
}

fn put_header(out: &mut BytesMut, len: usize, kind: u8, flags: u8, stream: u32) {
    out.reserve(HEADER_LEN + len);
    out.put_uint(len as u64, 3);
    out.put_u8(kind);
    out.put_u8(flags);
    out.put_u32(stream);
}

fn parse(kind: u8, flags: u8, stream: u32, mut payload: Bytes) -> Option<Frame> {
    let set = |flag: u8| flags & flag != 0;
    let flow = payload.len() as u32;
    let on_stream = stream != 0;
    Some(match kind {
        kind::DATA if on_stream => {
            let data = unpad(set(flag::PADDED), payload)?;
            Frame::Data { stream, data, end_stream: set(flag::END_STREAM), flow }
        }
        kind::HEADERS if on_stream => {
            payload = unpad(set(flag::PADDED), payload)?;
            if set(flag::PRIORITY) {
                drop(take(&mut payload, 5)?);
            }
            let (end_stream, end_headers) = (set(flag::END_STREAM), set(flag::END_HEADERS));
            Frame::Headers { stream, block: payload, end_stream, end_headers }
        }
        kind::PRIORITY if on_stream && payload.len() == 5 => Frame::Priority { stream },
        kind::RST_STREAM if on_stream && payload.len() == 4 => Frame::Reset { stream, reason: payload.get_u32() },
        kind::SETTINGS if !on_stream && payload.len() % 6 == 0 => {
            let count = payload.len() / 6;
            let values = (0..count).map(|_| (payload.get_u16(), payload.get_u32())).collect();
            Frame::Settings { ack: set(flag::ACK), values }
        }
        kind::PING if !on_stream => Frame::Ping { ack: set(flag::ACK), payload: payload.as_ref().try_into().ok()? },
        kind::GOAWAY if !on_stream && payload.len() >= 8 => {
            Frame::GoAway { last_stream: payload.get_u32() & MAX_STREAM_ID, reason: payload.get_u32(), debug: payload }
        }
        kind::WINDOW_UPDATE if payload.len() == 4 => {
            Frame::WindowUpdate { stream, increment: payload.get_u32() & MAX_STREAM_ID }
        }
        kind::CONTINUATION if on_stream => {
            Frame::Continuation { stream, block: payload, end_headers: set(flag::END_HEADERS) }
        }
        kind if kind > kind::CONTINUATION || kind == kind::PUSH_PROMISE => {
            Frame::Other { kind, flags, stream, payload }
        }
        _ => return None,
    })
}

fn unpad(padded: bool, mut payload: Bytes) -> Option<Bytes> {
    if padded {
        let padding = usize::from(take(&mut payload, 1)?[0]);
        payload.truncate(payload.len().checked_sub(padding)?);
    }
    Some(payload)
}

fn take(payload: &mut Bytes, len: usize) -> Option<Bytes> {
    (payload.len() >= len).then(|| payload.split_to(len))
}

/// One line a frame, so that a failed script reads like a dump of the wire.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = |set: bool, mark: &'static str| if set { mark } else { "" };
        match self {
            Self::Data { stream, data, end_stream, .. } => {
                write!(f, "DATA({stream}, {} bytes{})", data.len(), mark(*end_stream, ", END_STREAM"))
            }
            Self::Headers { stream, block, end_stream, end_headers } => {
                let (end_stream, part) = (mark(*end_stream, ", END_STREAM"), mark(!*end_headers, ", to be continued"));
                write!(f, "HEADERS({stream}, {} bytes{end_stream}{part})", block.len())
            }
            Self::Priority { stream } => write!(f, "PRIORITY({stream})"),
            Self::Reset { stream, reason } => write!(f, "RST_STREAM({stream}, {})", reason::name(*reason)),
            Self::Settings { ack: true, .. } => f.write_str("SETTINGS(ACK)"),
            Self::Settings { values, .. } => write!(f, "SETTINGS({values:?})"),
            Self::Ping { ack, payload } => write!(f, "PING({}{payload:02x?})", mark(*ack, "ACK ")),
            Self::GoAway { last_stream, reason, debug } => {
                write!(f, "GOAWAY({last_stream}, {}, {:?})", reason::name(*reason), debug.escape_ascii().to_string())
            }
            Self::WindowUpdate { stream, increment } => write!(f, "WINDOW_UPDATE({stream}, {increment})"),
            Self::Continuation { stream, block, .. } => write!(f, "CONTINUATION({stream}, {} bytes)", block.len()),
            Self::Other { kind, stream, payload, .. } => {
                write!(f, "frame of type {kind:#x}({stream}, {} bytes)", payload.len())
            }
        }
    }
}

/// Bytes that are no HTTP/2 frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireError(String);

impl WireError {
    fn new(kind: u8, stream: u32, len: usize, what: &str) -> Self {
        Self(format!("a frame of type {kind:#x} with {len} bytes on stream {stream} {what}"))
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WireError {}

/// Reads and writes frames on any IO. Knows no state: a peer's every frame comes out as it came in.
#[derive(Debug)]
pub struct FrameIo<S> {
    io: S,
    input: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> FrameIo<S> {
    /// Wraps the IO.
    pub fn new(io: S) -> Self {
        Self { io, input: BytesMut::with_capacity(DEFAULT_FRAME_SIZE) }
    }

    /// The IO below.
    pub fn get_ref(&self) -> &S {
        &self.io
    }

    /// The IO below; bytes read but not yet decoded are lost.
    pub fn into_inner(self) -> S {
        self.io
    }

    /// Reads exactly `len` bytes, for what is not a frame: the preface.
    ///
    /// # Errors
    ///
    /// Those of the IO, and `UnexpectedEof`.
    pub async fn read_exact(&mut self, len: usize) -> io::Result<Bytes> {
        while self.input.len() < len {
            if self.io.read_buf(&mut self.input).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.input.split_to(len).freeze())
    }

    /// Reads the next frame; `None` at the end of the IO. Cancel safe.
    ///
    /// # Errors
    ///
    /// Those of the IO; `InvalidData` for what is no frame; `UnexpectedEof` for an end within one.
    pub async fn read(&mut self) -> io::Result<Option<Frame>> {
        loop {
            let frame = Frame::decode(&mut self.input);
            if let Some(frame) = frame.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))? {
                return Ok(Some(frame));
            }
            if self.io.read_buf(&mut self.input).await? == 0 {
                let whole = self.input.is_empty();
                return if whole { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
    }

    /// Writes bytes as they are, and flushes.
    ///
    /// # Errors
    ///
    /// Those of the IO.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.io.write_all(bytes).await?;
        self.io.flush().await
    }

    /// Ends our side: FIN.
    ///
    /// # Errors
    ///
    /// Those of the IO.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.io.shutdown().await
    }
}
