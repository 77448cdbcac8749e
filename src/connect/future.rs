use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{RecvStream, SendStream};
use http::request::Parts;
use http::{Method, Request, Response};
use http_body::Body;
use tower::BoxError;

use super::driver::{Place, Shared};
use super::gate::NotGiven;
use super::http2::not_let_in;
use super::pump::{Pump, Stopped};
use super::{Error, ResponseBody, head, proof};
use crate::fate::{Cause, Failure, Fate, Verdict};

/// The future of [`Http2Connection`](super::Http2Connection).
///
/// Dropping it before its end resets the stream with CANCEL, or gives up the place in the queue.
pub struct ResponseFuture<B> {
    state: State<B>,
}

enum State<B> {
    /// For a stream; nothing was given to h2.
    Waiting {
        request: Request<B>,
        place: Place,
    },
    /// A stream is being opened: nothing of it is known to be on the wire.
    Opening {
        head: Parts,
        body: B,
        upload: Option<SendStream<Bytes>>,
        exchange: Exchange,
    },
    /// The request's body is being sent, if it has one.
    Open {
        upload: Option<Pin<Box<Pump<B>>>>,
        exchange: Exchange,
    },
    Done,
}

/// A request that h2 has.
struct Exchange {
    shared: Arc<Shared>,
    stream_id: u32,
    method: Method,
    response: h2::client::ResponseFuture,
    /// An interim response has come.
    interim: bool,
}

// A body is not polled before it is boxed.
impl<B> Unpin for ResponseFuture<B> {}

impl<B> ResponseFuture<B> {
    pub(super) const fn new(request: Request<B>, place: Place) -> Self {
        Self { state: State::Waiting { request, place } }
    }
}

impl<B> Future for ResponseFuture<B>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response<ResponseBody>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let next = match std::mem::replace(&mut self.state, State::Done) {
                State::Waiting { request, mut place } => match place.poll(cx) {
                    Poll::Ready(Ok(())) => open(request, place)?,
                    Poll::Ready(Err(closed)) => return Poll::Ready(Err(Error::unsent(request, not_let_in(closed)))),
                    Poll::Pending => {
                        self.state = State::Waiting { request, place };
                        return Poll::Pending;
                    }
                },
                State::Opening { head, body, upload, mut exchange } => match exchange.poll(cx) {
                    Poll::Ready(Ok(response)) => {
                        // It came before the body was asked for anything.
                        let upload = upload.map(|stream| Box::pin(Pump::new(stream, body)));
                        return Poll::Ready(Ok(exchange.finish(response, upload)));
                    }
                    Poll::Ready(Err(error)) => {
                        return Poll::Ready(Err(exchange.fail(error, || Request::from_parts(head, body))));
                    }
                    Poll::Pending => match upload {
                        Some(stream) if exchange.may_send_body(cx) => {
                            State::Open { upload: Some(Box::pin(Pump::new(stream, body))), exchange }
                        }
                        upload => {
                            self.state = State::Opening { head, body, upload, exchange };
                            return Poll::Pending;
                        }
                    },
                },
                State::Open { mut upload, mut exchange } => {
                    if let Some(pump) = &mut upload {
                        match pump.as_mut().poll(cx) {
                            Poll::Ready(Ok(()) | Err(Stopped::Stream)) => upload = None,
                            Poll::Ready(Err(Stopped::Body(error))) => {
                                let failure = Failure::new(Fate::Permanent, Cause::Body);
                                let verdict = Verdict::new(failure, "the request's body failed").because(error);
                                return Poll::Ready(Err(Error::new(verdict)));
                            }
                            Poll::Pending => {}
                        }
                    }
                    match exchange.poll(cx) {
                        Poll::Ready(Ok(response)) => return Poll::Ready(Ok(exchange.finish(response, upload))),
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(exchange.fail_sent(error))),
                        Poll::Pending => {
                            self.state = State::Open { upload, exchange };
                            return Poll::Pending;
                        }
                    }
                }
                // It is over; who asks again waits for nothing.
                State::Done => return Poll::Pending,
            };
            self.state = next;
        }
    }
}

/// Gives a request that was let in to h2.
fn open<B>(request: Request<B>, mut place: Place) -> Result<State<B>, Error>
where
    B: Body + Send + 'static,
{
    let shared = Arc::clone(place.handle().shared());
    let (head, body) = request.into_parts();
    if head::is_connect_with_content(&head) {
        return Err(Error::new(Error::request("a CONNECT has no content: its content-length must go")));
    }
    if head::protocol(&head).is_some() {
        match shared.gate.extended_connect() {
            Some(true) => {}
            Some(false) => return Err(Error::new(Error::request("the peer does not take extended CONNECT"))),
            None => {
                let verdict = Verdict::not_sent("the peer has not said yet whether it takes extended CONNECT");
                return Err(Error::unsent(Request::from_parts(head, body), verdict));
            }
        }
    }
    let end_of_stream = body.is_end_stream();
    let outgoing = head::outgoing(&head, &body.size_hint());
    place.take();
    match shared.gate.give(outgoing, end_of_stream) {
        Ok((response, upload)) => {
            let stream_id = response.stream_id().as_u32();
            let method = head.method.clone();
            let exchange = Exchange { shared, stream_id, method, response, interim: false };
            Ok(State::Opening { head, body, upload: (!end_of_stream).then_some(upload), exchange })
        }
        Err(NotGiven::Closed(closed)) => Err(Error::unsent(Request::from_parts(head, body), not_let_in(closed))),
        Err(NotGiven::Refused(error)) if proof::is_users(&error) => {
            Err(Error::new(Error::request("HTTP/2 cannot carry this request").because(error)))
        }
        Err(NotGiven::Refused(error)) => {
            let verdict = Verdict::not_sent("the connection ended before the request was taken from it").because(error);
            Err(Error::unsent(Request::from_parts(head, body), verdict))
        }
    }
}

impl Exchange {
    /// The response, after whatever interim ones.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<RecvStream>, h2::Error>> {
        while let Some(interim) = ready!(self.response.poll_informational(cx)) {
            interim?;
            self.interim = true;
        }
        Pin::new(&mut self.response).poll(cx)
    }

    /// Whether the body may be asked for something: after that the request cannot be given back.
    fn may_send_body(&self, cx: &Context<'_>) -> bool {
        !self.shared.keep_unsent_bodies || self.shared.gate.poll_begun(self.stream_id, cx).is_ready()
    }

    /// Hands the response out, and what is left of the request's body to a task of its own.
    fn finish<B>(self, response: Response<RecvStream>, upload: Option<Pin<Box<Pump<B>>>>) -> Response<ResponseBody>
    where
        B: Body + Send + 'static,
        B::Error: Into<BoxError>,
    {
        // How it ends, the response's body tells, if anything.
        let upload = upload.map(|upload| self.shared.runtime.spawn(async move { drop(upload.await) }).abort_handle());
        let (mut head, stream) = response.into_parts();
        let body = ResponseBody::new(stream, &self.method, head.status, &head.headers, upload);
        head.extensions.insert(self.shared.health.clone());
        Response::from_parts(head, body)
    }

    fn fail<B: Send + 'static>(self, error: h2::Error, request: impl FnOnce() -> Request<B>) -> Error {
        match proof::of(&self.shared.health, self.stream_id, self.interim, error) {
            proof::Proof::NotSent(verdict) => Error::unsent(request(), verdict),
            proof::Proof::Sent(verdict) => Error::new(verdict),
        }
    }

    /// The same where the request's body has been asked for, and cannot be given back.
    fn fail_sent(self, error: h2::Error) -> Error {
        match proof::of(&self.shared.health, self.stream_id, self.interim, error) {
            proof::Proof::NotSent(verdict) | proof::Proof::Sent(verdict) => Error::new(verdict),
        }
    }
}

impl<B> fmt::Debug for ResponseFuture<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Waiting { .. } => "waiting for a stream",
            State::Opening { .. } => "opening its stream",
            State::Open { .. } => "waiting for the response",
            State::Done => "done",
        };
        f.debug_struct("ResponseFuture").field("state", &state).finish_non_exhaustive()
    }
}
