//! The requests.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, CACHE_CONTROL, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body::{Body, Frame, SizeHint};

/// The layer's default, which a body of unknown length is recorded up to.
pub(crate) const REPLAY_LIMIT: usize = 64 << 10;

/// How many of [`Case::GetDynamic`]'s values are made anew for each request.
pub(crate) const DYNAMIC_VALUES: usize = 2;

const FRAME: &[u8] = &[7; 16 << 10];
const FRAMES: u32 = 64;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// GET with eight headers, the values of which are static.
    Get,
    /// The same, but that two values are made for each request.
    GetDynamic,
    /// POST with 1 KiB in one piece.
    Post,
    /// POST that streams 1 MiB in 64 frames, and says nothing of its length.
    Stream,
}

impl Case {
    pub(crate) const ALL: [Self; 4] = [Self::Get, Self::GetDynamic, Self::Post, Self::Stream];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Get => "get_static",
            Self::GetDynamic => "get_dynamic",
            Self::Post => "post_1k",
            Self::Stream => "post_stream_1m",
        }
    }

    pub(crate) fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|case| case.name() == name).expect("a case's name")
    }

    /// The request; `n` is its number.
    pub(crate) fn request(self, uri: &Uri, n: u64) -> Request<Payload> {
        let mut request = Request::new(match self {
            Self::Get | Self::GetDynamic => Payload::Empty,
            Self::Post => Payload::Whole(Bytes::from_static(&FRAME[..1024])),
            Self::Stream => Payload::Stream { left: FRAMES },
        });
        *request.uri_mut() = uri.clone();
        if matches!(self, Self::Post | Self::Stream) {
            *request.method_mut() = Method::POST;
        }
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, br"));
        headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static("en"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(USER_AGENT, HeaderValue::from_static("overhead/1"));
        headers.insert(HeaderName::from_static("x-client"), HeaderValue::from_static("bench"));
        if self == Self::GetDynamic {
            let value = |name: &str| HeaderValue::try_from(format!("{name} {n}")).expect("visible characters");
            headers.insert(AUTHORIZATION, value("Bearer"));
            headers.insert(HeaderName::from_static("x-request-id"), value("request"));
        } else {
            headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer secret"));
            headers.insert(HeaderName::from_static("x-request-id"), HeaderValue::from_static("request 0"));
        }
        request
    }
}

/// A request body. `Clone` only for `tower::retry`, which needs it.
#[derive(Clone, Debug)]
pub(crate) enum Payload {
    Empty,
    Whole(Bytes),
    Stream { left: u32 },
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        let data = match this {
            Self::Empty => None,
            Self::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                *this = Self::Empty;
                Some(bytes)
            }
            Self::Stream { left: 0 } => None,
            Self::Stream { left } => {
                *left -= 1;
                Some(Bytes::from_static(FRAME))
            }
        };
        Poll::Ready(data.map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream { .. } => SizeHint::default(),
        }
    }
}
