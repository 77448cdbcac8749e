//! What the layer needs of a request to send it again, whatever client's it is.

use std::fmt;

use http::request::Parts;
use http::{Extensions, Request, Response, StatusCode};
use http_body::Body;

use super::NextOverHttp1;
use super::head::SavedHead;
use crate::body::{ReplayBody, Rewind, SourceError, replay};
use crate::body_use::BodyUse;

/// Requests that [`RetryOnCanceled`](super::RetryOnCanceled) can send again.
///
/// - `http::Request<B>`, with any body: the inner service is called with `http::Request<ReplayBody<B>>`;
/// - with the feature `reqwest`, `reqwest::Request`: the inner service is called with the same.
pub trait Resendable: sealed::Kind {}

impl<Q: sealed::Kind> Resendable for Q {}

pub(crate) mod sealed {
    use super::Kept;

    /// How a request is taken apart.
    pub trait Kind: Sized {
        /// What the inner service is called with.
        type Sent;
        /// What stays with the layer.
        type Kept: Kept<Sent = Self::Sent>;

        /// Whether a client of such requests sends each of them once, to one server, unless the caller says otherwise.
        const SINGLE_HOP: bool;

        /// Makes the first attempt's request.
        fn keep(self, keeping: Keeping) -> (Self::Sent, Self::Kept);
    }

    /// How much of a request is kept.
    #[derive(Clone, Copy, Debug)]
    pub struct Keeping {
        /// How many bytes of the body may be recorded.
        pub replay_limit: usize,
        /// Whether the client sends the request once, to one server.
        pub single_hop: bool,
    }

    /// Responses that have a place to say which attempts came before.
    pub trait Answer {
        /// The response's extensions.
        fn extensions_mut(&mut self) -> &mut http::Extensions;

        /// Its status.
        fn status(&self) -> http::StatusCode;
    }
}

/// A request as the caller gave it: what one attempt's layers add to theirs is not seen by the next.
pub trait Kept {
    /// What the inner service is called with.
    type Sent;
    /// The body, once it was taken from the attempt before.
    type Taken;

    /// Its head.
    fn head(&self) -> &SavedHead;

    /// What the newest attempt did with the body.
    fn body_use(&self) -> BodyUse;

    /// The error of the body's source, if it failed.
    fn source_error(&self) -> Option<SourceError>;

    /// Whether a layer below said that the next attempt goes over HTTP/1.1. Asked once for each attempt that has failed.
    fn next_over_http1(&self) -> bool {
        // reqwest's requests have no place to say it in.
        false
    }

    /// Takes the body back from the attempt that has it; `None` where not all of it can be sent again.
    fn take_back(&mut self) -> Option<Self::Taken>;

    /// Makes an attempt's request from a head that may have been changed for it.
    fn resend(&self, head: Parts, body: Self::Taken) -> Self::Sent;

    /// Leaves the body to the attempt that has it.
    fn release(self);
}

impl<B: Body> sealed::Kind for Request<B> {
    type Sent = Request<ReplayBody<B>>;
    type Kept = KeptRequest<B>;

    const SINGLE_HOP: bool = true;

    fn keep(self, keeping: sealed::Keeping) -> (Self::Sent, Self::Kept) {
        let head = SavedHead::of(&self);
        let over_http1 = NextOverHttp1::new();
        let (mut parts, body) = self.into_parts();
        let (body, rewind) = replay(body, keeping.replay_limit);
        if let Some(over_http1) = &over_http1 {
            parts.extensions.insert(over_http1.clone());
        }
        (Request::from_parts(parts, body), KeptRequest { head, rewind, over_http1 })
    }
}

/// What is kept of an `http::Request`.
pub struct KeptRequest<B> {
    head: SavedHead,
    rewind: Rewind<B>,
    over_http1: Option<NextOverHttp1>,
}

impl<B> fmt::Debug for KeptRequest<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptRequest").field("head", &self.head).field("rewind", &self.rewind).finish_non_exhaustive()
    }
}

impl<B> Kept for KeptRequest<B> {
    type Sent = Request<ReplayBody<B>>;
    type Taken = ReplayBody<B>;

    fn head(&self) -> &SavedHead {
        &self.head
    }

    fn body_use(&self) -> BodyUse {
        self.rewind.body_use()
    }

    fn source_error(&self) -> Option<SourceError> {
        self.rewind.source_error()
    }

    fn next_over_http1(&self) -> bool {
        self.over_http1.as_ref().is_some_and(NextOverHttp1::take)
    }

    fn take_back(&mut self) -> Option<ReplayBody<B>> {
        self.rewind.again()
    }

    fn resend(&self, mut head: Parts, body: ReplayBody<B>) -> Self::Sent {
        if let Some(over_http1) = &self.over_http1 {
            head.extensions.insert(over_http1.clone());
        }
        Request::from_parts(head, body)
    }

    fn release(self) {
        self.rewind.release();
    }
}

impl<R> sealed::Answer for Response<R> {
    fn extensions_mut(&mut self) -> &mut Extensions {
        self.extensions_mut()
    }

    fn status(&self) -> StatusCode {
        self.status()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::Full;

    use super::*;

    #[test]
    fn what_is_kept_shows_no_secret() {
        let request = Request::get("http://user:hunter2@host/?token=hunter2").header("authorization", "hunter2");
        let request = request.body(Full::new(Bytes::from("hunter2"))).unwrap();
        let (_, kept) = sealed::Kind::keep(request, sealed::Keeping { replay_limit: 100, single_hop: true });
        let shown = format!("{kept:?}");
        assert!(shown.starts_with("KeptRequest") && !shown.contains("hunter2"), "{shown}");
    }
}
