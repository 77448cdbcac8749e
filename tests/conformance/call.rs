//! One request of the table: its method and its body.

use std::fmt;
use std::io;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Method, Request, Uri};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};

use crate::support::REQUEST_ID;

/// The id under which the server counts the request that is tested.
pub(crate) const ID: &str = "tested";

/// More than any window here, and more than the layer records of a stream.
const LARGE: usize = 256 * 1024;

/// A request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// None at all.
    Empty,
    /// In memory, a few bytes.
    Small,
    /// In memory, larger than `replay_limit` and than the server's window.
    Large,
    /// A stream that gives itself once, of unknown length, shorter than `replay_limit`.
    Streamed,
    /// A stream that gives some bytes, and then an error.
    Failing,
}

/// What is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) content: Content,
}

pub(crate) type BoxBody = UnsyncBoxBody<Bytes, io::Error>;

impl Call {
    /// Every combination that means something.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = vec![Self { method: "GET", content: Content::Empty }];
        for method in ["PUT", "POST"] {
            for content in [Content::Empty, Content::Small, Content::Large, Content::Streamed, Content::Failing] {
                all.push(Self { method, content });
            }
        }
        all
    }

    pub(crate) fn method(self) -> Method {
        self.method.parse().expect("a method")
    }

    pub(crate) fn is_idempotent(self) -> bool {
        self.method != "POST"
    }

    /// The bytes that must arrive.
    pub(crate) fn bytes(self) -> Bytes {
        match self.content {
            Content::Empty => Bytes::new(),
            Content::Small | Content::Streamed | Content::Failing => Bytes::from_static(b"some bytes of a body"),
            Content::Large => (0..LARGE).map(|n| n as u8).collect(),
        }
    }

    pub(crate) fn body(self) -> BoxBody {
        match self.content {
            Content::Empty => Empty::new().map_err(|never| match never {}).boxed_unsync(),
            Content::Small | Content::Large => Full::new(self.bytes()).map_err(|never| match never {}).boxed_unsync(),
            Content::Streamed | Content::Failing => {
                StreamBody::new(self.stream().map(|part| part.map(Frame::data))).boxed_unsync()
            }
        }
    }

    /// The body in parts.
    pub(crate) fn stream(self) -> impl stream::Stream<Item = Result<Bytes, io::Error>> + Send + 'static {
        let bytes = self.bytes();
        let mut parts: Vec<_> = bytes.chunks(7).map(|part| Ok(Bytes::copy_from_slice(part))).collect();
        if self.content == Content::Failing {
            parts.push(Err(io::Error::other("the body's own error")));
        }
        stream::iter(parts)
    }

    pub(crate) fn request(self, id: &str, uri: &Uri) -> Request<BoxBody> {
        let request = Request::builder().method(self.method).uri(uri.clone()).header(REQUEST_ID, id);
        request.body(self.body()).expect("a method and a uri")
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.method, self.content)
    }
}
