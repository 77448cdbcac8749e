//! Requests as the servers receive them, and replies.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::{
    REQUEST_ID,
    hpack::{self, Field},
    wire::{DEFAULT_FRAME_SIZE, Frame},
};

/// The head of a request.
#[derive(Clone, Debug)]
pub struct Received {
    /// The HTTP/2 stream; on HTTP/1.1, which request of its connection this is, from 1.
    pub stream_id: u32,
    /// The method.
    pub method: Method,
    /// Path and query, as they were sent.
    pub path: String,
    /// `:authority`, or the Host header of HTTP/1.1.
    pub authority: String,
    /// The fields, without pseudo-headers.
    pub headers: HeaderMap,
    /// The header [`REQUEST_ID`]; empty if there was none.
    pub id: String,
    /// Whether the head was all of it.
    pub end_stream: bool,
}

impl Received {
    /// Reads the fields of a request. Says what is wrong with one that is malformed (RFC 9113, 8.1.1).
    ///
    /// # Errors
    ///
    /// What is wrong.
    pub fn new(stream_id: u32, fields: Vec<(Bytes, Bytes)>, end_stream: bool) -> Result<Self, String> {
        let (mut method, mut path, mut authority) = (None, None, None);
        let mut headers = HeaderMap::with_capacity(fields.len());
        for (name, value) in fields {
            match name.as_ref() {
                b":method" => method = Some(Method::from_bytes(&value).map_err(|error| error.to_string())?),
                b":path" => path = Some(text(&value)?),
                b":authority" => authority = Some(text(&value)?),
                b":scheme" | b":protocol" => {}
                _ => append(&mut headers, &name, value)?,
            }
        }
        let id = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
        let method = method.ok_or("a request without :method")?;
        let path = path.unwrap_or_default();
        let authority = authority.unwrap_or_default();
        Ok(Self { stream_id, method, path, authority, headers, id, end_stream })
    }
}

/// Reads the fields of trailers.
pub(crate) fn header_map(fields: Vec<Field>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        append(&mut headers, &name, value)?;
    }
    Ok(headers)
}

fn append(headers: &mut HeaderMap, name: &[u8], value: Bytes) -> Result<(), String> {
    let wrong = |error: &dyn std::fmt::Display| format!("header {:?}: {error}", name.escape_ascii().to_string());
    let parsed = HeaderName::from_lowercase(name).map_err(|error| wrong(&error))?;
    headers.append(parsed, HeaderValue::from_maybe_shared(value).map_err(|error| wrong(&error))?);
    Ok(())
}

fn text(value: &[u8]) -> Result<String, String> {
    String::from_utf8(value.to_vec()).map_err(|error| error.to_string())
}

/// What a server answers.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Fields besides `:status`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// Trailers; none if empty.
    pub trailers: Vec<(String, String)>,
    /// How long to wait before the head goes out, instead of the server's own delay.
    pub delay: Option<Duration>,
}

impl Reply {
    /// A reply with this status, and no body.
    pub fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// 200 with this body, and its content-length.
    pub fn ok(body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self::new(200).header("content-length", body.len().to_string()).body(body)
    }

    /// Adds a field.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a trailer.
    pub fn trailer(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.trailers.push((name.into(), value.into()));
        self
    }

    /// Sets the body; adds no content-length.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Holds this reply back for a time.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }
}

/// Field pairs of owned strings, as the encoder takes them.
pub(crate) fn pairs(fields: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

/// Appends HEADERS, and CONTINUATION if one frame cannot hold them.
pub fn encode_headers<'a>(
    stream: u32,
    status: Option<u16>,
    fields: impl IntoIterator<Item = (&'a str, &'a str)>,
    end_stream: bool,
    out: &mut BytesMut,
) {
    let mut block = BytesMut::new();
    hpack::encode(status, fields, &mut block);
    let mut block = block.freeze();
    let first = block.split_to(block.len().min(DEFAULT_FRAME_SIZE));
    Frame::Headers { stream, block: first, end_stream, end_headers: block.is_empty() }.encode(out);
    while !block.is_empty() {
        let part = block.split_to(block.len().min(DEFAULT_FRAME_SIZE));
        Frame::Continuation { stream, block: part, end_headers: block.is_empty() }.encode(out);
    }
}

/// Puts HEADERS and their CONTINUATIONs together and decodes them.
#[derive(Debug, Default)]
pub struct HeaderReader {
    decoder: hpack::Decoder,
    open: Option<(u32, BytesMut, bool)>,
}

/// A whole header block.
#[derive(Debug)]
pub struct Block {
    /// Its stream.
    pub stream: u32,
    /// Names and values, pseudo-headers first.
    pub fields: Vec<(Bytes, Bytes)>,
    /// Whether the stream ends with it.
    pub end_stream: bool,
}

impl HeaderReader {
    /// Takes part in every frame that arrives. `Ok(Err(frame))` is a frame that is no part of a header block,
    /// `Ok(Ok(None))` a block that goes on.
    ///
    /// # Errors
    ///
    /// What is wrong with a frame that may not stand here, or with its block.
    pub fn frame(&mut self, frame: Frame) -> Result<Result<Option<Block>, Frame>, String> {
        match (self.open.take(), frame) {
            (None, Frame::Headers { stream, block, end_stream, end_headers: true }) => {
                self.block(stream, &block, end_stream).map(|block| Ok(Some(block)))
            }
            (None, Frame::Headers { stream, block, end_stream, .. }) => {
                self.open = Some((stream, block.into(), end_stream));
                Ok(Ok(None))
            }
            (None, frame @ Frame::Continuation { .. }) => Err(format!("{frame:?} without HEADERS")),
            (None, frame) => Ok(Err(frame)),
            (Some((stream, mut start, end_stream)), Frame::Continuation { stream: same, block, end_headers })
                if same == stream =>
            {
                start.extend_from_slice(&block);
                if end_headers {
                    return self.block(stream, &start, end_stream).map(|block| Ok(Some(block)));
                }
                self.open = Some((stream, start, end_stream));
                Ok(Ok(None))
            }
            // RFC 9113, 6.10: whatever stands here is a connection error, a PING of a middleware's own too.
            (Some((stream, ..)), frame) => Err(format!("{frame:?} within the header block of stream {stream}")),
        }
    }

    fn block(&mut self, stream: u32, raw: &[u8], end_stream: bool) -> Result<Block, String> {
        let fields = self.decoder.decode(raw).map_err(|error| error.to_string())?;
        Ok(Block { stream, fields, end_stream })
    }
}
