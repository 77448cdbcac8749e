//! reqwest's requests and responses, as the layer sees them.

use std::fmt;
use std::mem;

use http::request::Parts;
use http::{Extensions, StatusCode, Uri};
use reqwest::{Body, Request, Response, ResponseBuilderExt};

use crate::body::{ReplayBody, Rewind, SourceError, replay};
use crate::body_use::BodyUse;
use crate::retry::head::SavedHead;
use crate::retry::request::Kept;
use crate::retry::request::sealed::{Answer, Keeping, Kind};

impl Kind for Request {
    type Sent = Self;
    type Kept = KeptRequest;

    // reqwest follows redirects unless it is told not to.
    const SINGLE_HOP: bool = false;

    fn keep(self, keeping: Keeping) -> (Self, KeptRequest) {
        KeptRequest::new(self, Extensions::new(), keeping)
    }
}

impl Answer for Response {
    fn extensions_mut(&mut self) -> &mut Extensions {
        self.extensions_mut()
    }

    fn status(&self) -> StatusCode {
        self.status()
    }
}

/// What is kept of a reqwest request.
pub struct KeptRequest {
    head: SavedHead,
    /// For what only reqwest can clone, its own settings for instance; with the body, where reqwest can clone that.
    template: Request,
    /// The body, where it is a stream.
    stream: Option<Rewind<Body>>,
}

impl KeptRequest {
    pub(super) fn new(mut request: Request, extensions: Extensions, keeping: Keeping) -> (Request, Self) {
        let uri = uri(&request);
        let head = SavedHead::new(request.method(), uri, request.version(), request.headers(), extensions);

        let body = request.body_mut().take();
        let kept = |template, stream| Self { head, template, stream };
        let Some((body, limit)) = body.and_then(|body| wrapped(body, request.body_mut(), keeping)) else {
            let template = template(&mut request);
            return (request, kept(template, None));
        };
        let template = template(&mut request);
        let (body, rewind) = replay(body, limit);
        *request.body_mut() = Some(Body::wrap(body));
        (request, kept(template, Some(rewind)))
    }

    pub(super) fn request(&self, head: Parts, body: Option<ReplayBody<Body>>) -> (Request, Extensions) {
        let mut request = clone(&self.template);
        *request.headers_mut() = head.headers;
        if let Some(body) = body {
            *request.body_mut() = Some(Body::wrap(body));
        }
        (request, head.extensions)
    }
}

/// The URI of a request. Where its URL is none, reqwest's own conversion fails too, and the request is not sent.
pub(super) fn uri(request: &Request) -> Uri {
    request.url().as_str().parse().unwrap_or_default()
}

/// The response, from which reqwest makes the same again: it keeps a response's URL in an extension of its own.
pub(super) fn into_http(response: Response) -> http::Response<Body> {
    let url = response.url().clone();
    let url = http::Response::builder().url(url).body(()).map(|response| response.into_parts().0.extensions);
    let mut response = http::Response::<Body>::from(response);
    response.extensions_mut().extend(url.unwrap_or_default());
    response
}

/// The body and how much of it is recorded, if it has to be wrapped; else it stays in its place.
///
/// To wrap it makes a stream of it, and reqwest follows no 307 or 308 with one. So a body that reqwest can clone is wrapped
/// only where nothing is redirected: there it shows whether it was polled, which makes a GOAWAY a proof.
fn wrapped(body: Body, place: &mut Option<Body>, keeping: Keeping) -> Option<(Body, usize)> {
    match body.as_bytes() {
        None => Some((body, keeping.replay_limit)),
        // It lies in memory in one piece, of which recording only counts a reference.
        Some(bytes) if keeping.single_hop && !bytes.is_empty() => Some((body, usize::MAX)),
        Some(_) => {
            *place = Some(body);
            None
        }
    }
}

/// The same without its header fields, which are kept elsewhere.
fn template(request: &mut Request) -> Request {
    let headers = mem::take(request.headers_mut());
    let template = clone(request);
    *request.headers_mut() = headers;
    template
}

/// A copy of a request that has no body, or one that reqwest can clone.
pub(super) fn clone(request: &Request) -> Request {
    request.try_clone().unwrap_or_else(|| Request::new(request.method().clone(), request.url().clone()))
}

impl Kept for KeptRequest {
    type Sent = Request;
    type Taken = Option<ReplayBody<Body>>;

    fn head(&self) -> &SavedHead {
        &self.head
    }

    fn body_use(&self) -> BodyUse {
        self.stream.as_ref().map_or(BodyUse::Untouched, Rewind::body_use)
    }

    fn source_error(&self) -> Option<SourceError> {
        self.stream.as_ref()?.source_error()
    }

    fn take_back(&mut self) -> Option<Self::Taken> {
        match &mut self.stream {
            Some(stream) => stream.again().map(Some),
            None => Some(None),
        }
    }

    fn resend(&self, head: Parts, body: Self::Taken) -> Request {
        self.request(head, body).0
    }

    fn release(self) {
        if let Some(stream) = self.stream {
            stream.release();
        }
    }
}

impl fmt::Debug for KeptRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptRequest").field("stream", &self.stream).finish_non_exhaustive()
    }
}
