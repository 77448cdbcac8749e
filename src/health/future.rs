use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tower::{BoxError, Service};

use super::ResponseBody;
use super::gate::Pass;
use super::permit::Place;
use super::registry::{Hub, Site};
use super::watched::Watched;
use crate::fate::Verdict;
use crate::over_http1;
use crate::timer::can_wait;

pin_project! {
    /// The future of [`WatchConnection`](super::WatchConnection).
    ///
    /// Dropping it gives up its place in the queue, or its stream.
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, S::Future, B>,
        hub: Arc<Hub>,
        watched: Watched,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, F, B> {
        // The peer's stream limit is used up. It is there until the request is sent.
        Waiting { held: Option<Box<Held<S, B>>> },
        // The client has it.
        Sent {
            #[pin]
            future: F,
            capture: CaptureConnection,
            // Runs from when its connection was seen to have ended.
            grace: Option<Pin<Box<Sleep>>>,
        },
        Done,
    }
}

/// A request that is not sent yet. Most never wait, and their futures are moved about: this has a place of its own.
struct Held<S, B> {
    service: S,
    request: Request<B>,
    place: Option<Place>,
    timeout: Option<Pin<Box<Sleep>>>,
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(super) fn new(service: &mut S, request: Request<B>, hub: &Arc<Hub>, site: Option<Arc<Site>>) -> Self
    where
        S: Clone,
    {
        let watched = Watched::new(site);
        let mut this = Self { state: State::Done, hub: Arc::clone(hub), watched };
        // Where nobody watches sockets, nobody knows of limits; and HTTP/1.1 has none.
        let http1 = request.uri().authority().is_some_and(|authority| over_http1::plain(authority).is_some());
        let gated = this.watched.site.as_ref().filter(|_| hub.monitors() && !http1);
        let pass = gated.map_or(Some(Pass::Free), |site| site.gate.try_enter());
        this.state = match pass {
            Some(pass) => send(&mut this.watched, service, request, &pass),
            None => {
                // The service that was asked whether it is ready is the one that may be called.
                let clone = service.clone();
                let ready = mem::replace(service, clone);
                State::Waiting { held: Some(Box::new(Held { service: ready, request, place: None, timeout: None })) }
            }
        };
        this
    }
}

impl<S, B, R> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body,
{
    type Output = Result<Response<ResponseBody<R>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let watched = this.watched;
        let config = &this.hub.config;
        let output = loop {
            match this.state.as_mut().project() {
                StateProj::Waiting { held } => {
                    let Some(waits) = held else { return Poll::Pending };
                    let pass = match poll_place(&mut waits.place, watched.site.as_ref(), cx) {
                        Poll::Ready(pass) => pass,
                        Poll::Pending => {
                            if waits.timeout.is_none() {
                                waits.timeout = after(config.max_wait);
                            }
                            if waits.timeout.as_mut().is_none_or(|timeout| timeout.as_mut().poll(cx).is_pending()) {
                                return Poll::Pending;
                            }
                            let waited = "the peer's stream limit was used up for too long";
                            let verdict = Verdict::not_sent(waited);
                            watched.tell(verdict.failure());
                            break Err(verdict.into());
                        }
                    };
                    #[cfg(feature = "metrics")]
                    watched.waited();
                    let Some(Held { mut service, request, .. }) = held.take().map(|held| *held) else {
                        return Poll::Pending;
                    };
                    let sent = send(watched, &mut service, request, &pass);
                    this.state.set(sent);
                }
                StateProj::Sent { future, capture, grace } => {
                    if let Poll::Ready(result) = future.poll(cx) {
                        watched.look(capture);
                        break match result {
                            Ok(response) => Ok(watched.succeed(response)),
                            Err(error) => {
                                let error = error.into();
                                watched.fail(&*error, Some(capture), config.retire_on_timeout);
                                Err(error)
                            }
                        };
                    }
                    watched.look(capture);
                    if !watched.poll_ended(cx) {
                        return Poll::Pending;
                    }
                    if grace.is_none() {
                        *grace = after(config.grace);
                    }
                    match grace {
                        Some(grace) => ready!(grace.as_mut().poll(cx)),
                        None => return Poll::Pending,
                    }
                    // hyper 1.12 can lose a request that is handed to a connection's task as it ends (hyper #4122).
                    if let Some(connection) = watched.connection() {
                        connection.rescued();
                    }
                    let verdict = Verdict::connection_lost("the connection ended, and the request was not told");
                    watched.tell(verdict.failure());
                    break Err(verdict.into());
                }
                StateProj::Done => return Poll::Pending,
            }
        };
        // The attempt goes first, and its permit with it, whoever still holds this future.
        this.state.set(State::Done);
        watched.end();
        Poll::Ready(output)
    }
}

fn send<S, B>(watched: &mut Watched, service: &mut S, mut request: Request<B>, pass: &Pass) -> State<S, S::Future, B>
where
    S: Service<Request<B>>,
{
    watched.passed(pass);
    let capture = capture_connection(&mut request);
    State::Sent { future: service.call(request), capture, grace: None }
}

/// Whether the request may be sent. Its place in the queue is taken at the first poll: who never polls waits for nothing.
fn poll_place(place: &mut Option<Place>, site: Option<&Arc<Site>>, cx: &Context<'_>) -> Poll<Pass> {
    let Some(site) = site else { return Poll::Ready(Pass::Free) };
    let pass = match place.as_ref().and_then(|place| place.ticket) {
        Some(ticket) => ready!(site.gate.poll(ticket, cx)),
        None => match site.gate.enter(cx.waker()) {
            Ok(pass) => pass,
            Err(ticket) => {
                *place = Some(Place { site: Arc::clone(site), ticket: Some(ticket) });
                return Poll::Pending;
            }
        },
    };
    // The permit is the request's now.
    if let Some(place) = place {
        place.ticket = None;
    }
    Poll::Ready(pass)
}

/// A timer; none where there is no runtime to have one in, or where it would never end.
fn after(duration: Duration) -> Option<Pin<Box<Sleep>>> {
    Instant::now().checked_add(duration).filter(|_| can_wait()).map(|end| Box::pin(sleep_until(end)))
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Waiting { .. } => "Waiting",
            State::Sent { .. } => "Sent",
            State::Done => "Done",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .field("connection", &self.watched.connection())
            .finish_non_exhaustive()
    }
}
