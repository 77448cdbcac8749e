use std::fmt;
use std::future::Future;
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

use super::body::Held;
use super::gate::Pass;
use super::permit::{Permit, Place};
use super::registry::{Hub, Site};
use super::{Connection, ResponseBody};
use crate::fate::{BodyUse, Cause, Failure, Verdict, connect_info};
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
        // The peer's stream limit is used up.
        Waiting {
            // Both are there until the request is sent.
            service: Option<S>,
            request: Option<Request<B>>,
            place: Option<Place>,
            #[pin]
            timeout: Option<Sleep>,
        },
        // The client has it.
        Sent {
            #[pin]
            future: F,
            capture: CaptureConnection,
            // Runs from when its connection was seen to have ended.
            #[pin]
            grace: Option<Sleep>,
        },
        Done,
    }
}

/// What is known of the request.
struct Watched {
    site: Option<Arc<Site>>,
    permit: Option<Permit>,
    connection: Option<Connection>,
    /// Its place among those who wait for the connection's end.
    key: Option<usize>,
    #[cfg(feature = "metrics")]
    began: Instant,
    #[cfg(feature = "metrics")]
    active: Option<super::metrics::Active>,
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(super) fn new(service: S, request: Request<B>, hub: &Arc<Hub>, site: Option<Arc<Site>>) -> Self {
        let watched = Watched {
            #[cfg(feature = "metrics")]
            began: Instant::now(),
            #[cfg(feature = "metrics")]
            active: site.as_ref().map(|site| super::metrics::Active::new(&site.origin)),
            site,
            permit: None,
            connection: None,
            key: None,
        };
        let mut this = Self { state: State::Done, hub: Arc::clone(hub), watched };
        // Where nobody watches sockets, nobody knows of limits.
        let gated = this.watched.site.as_ref().filter(|_| hub.monitors());
        let pass = gated.map_or(Some(Pass::Free), |site| site.gate.try_enter());
        this.state = match pass {
            Some(pass) => this.watched.send(service, request, &pass),
            None => State::Waiting { service: Some(service), request: Some(request), place: None, timeout: None },
        };
        this
    }
}

impl Watched {
    fn send<S, B>(&mut self, mut service: S, mut request: Request<B>, pass: &Pass) -> State<S, S::Future, B>
    where
        S: Service<Request<B>>,
    {
        if *pass == Pass::Counted {
            self.permit = self.site.clone().map(Permit::new);
        }
        let capture = capture_connection(&mut request);
        State::Sent { future: service.call(request), capture, grace: None }
    }

    /// Finds out which connection the request is on.
    fn look(&mut self, capture: &CaptureConnection) {
        // hyper-util moves a request that a dying connection gave back to the next one (`legacy/client.rs`, `send_request`).
        if self.connection.as_ref().is_some_and(Connection::admits) {
            return;
        }
        let mut extras = http::Extensions::new();
        match &*capture.connection_metadata() {
            Some(connected) => connected.get_extras(&mut extras),
            None => return,
        }
        let Some(connection) = extras.remove::<Connection>() else { return };
        if self.connection.as_ref().is_none_or(|known| known.id() != connection.id()) {
            connection.adopt(capture);
            self.found(connection);
        }
    }

    fn found(&mut self, connection: Connection) {
        self.forget_connection();
        if let Some(permit) = &mut self.permit {
            permit.assign(connection.id());
        }
        self.connection = Some(connection);
    }

    fn forget_connection(&mut self) {
        if let (Some(connection), Some(key)) = (&self.connection, self.key.take()) {
            connection.leave(key);
        }
    }

    fn succeed<R: Body>(&mut self, mut response: Response<R>) -> Response<ResponseBody<R>> {
        if let Some(connection) = response.extensions().get::<Connection>() {
            self.found(connection.clone());
        }
        if let Some(site) = &self.site {
            site.answered();
        }
        match (&self.connection, &self.site) {
            (Some(connection), _) => {
                response.extensions_mut().insert(connection.clone());
            }
            (None, Some(site)) if self.permit.is_some() => site.gate.unmonitored(),
            (None, _) => {}
        }
        if let Some(permit) = &mut self.permit {
            permit.answered();
        }
        #[cfg(feature = "metrics")]
        self.measure(Ok(response.status()));
        let held = Held {
            permit: self.permit.take(),
            #[cfg(feature = "metrics")]
            active: self.active.take(),
        };
        response.map(|body| ResponseBody::new(body, held))
    }

    fn fail(&mut self, error: BoxError, capture: &CaptureConnection, retire_on_timeout: bool) -> BoxError {
        let failure = Failure::of(&*error, BodyUse::Untouched);
        let timed_out = failure.cause() == Cause::Timeout && self.connection.is_none() && retire_on_timeout;
        if failure.connection_is_dead() || timed_out {
            if let Some(connected) = &*capture.connection_metadata() {
                connected.poison();
            }
            // Where the client drops request extensions, reqwest for instance, the error may still know.
            if let Some(connected) = connect_info(&*error) {
                connected.poison();
            }
        }
        self.tell(failure);
        error
    }

    fn tell(&mut self, failure: Failure) {
        if let Some(site) = &self.site {
            site.failed(failure);
        }
        #[cfg(feature = "metrics")]
        self.measure(Err(failure.cause().label()));
    }

    #[cfg(feature = "metrics")]
    fn measure(&self, outcome: Result<http::StatusCode, &'static str>) {
        if let Some(site) = &self.site {
            super::metrics::attempt(&site.origin, self.began.elapsed(), outcome);
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.forget_connection();
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
                StateProj::Waiting { service, request, place, mut timeout } => {
                    let pass = match poll_place(place, watched.site.as_ref(), cx) {
                        Poll::Ready(pass) => pass,
                        Poll::Pending => {
                            if timeout.is_none() {
                                timeout.set(after(config.max_wait));
                            }
                            if timeout.as_pin_mut().is_none_or(|timeout| timeout.poll(cx).is_pending()) {
                                return Poll::Pending;
                            }
                            let waited = "the peer's stream limit was used up for too long";
                            let verdict = Verdict::not_sent(waited);
                            watched.tell(verdict.failure());
                            break Err(verdict.into());
                        }
                    };
                    #[cfg(feature = "metrics")]
                    if let Some(site) = &watched.site {
                        super::metrics::waited(&site.origin, watched.began.elapsed());
                    }
                    let (Some(service), Some(request)) = (service.take(), request.take()) else {
                        return Poll::Pending;
                    };
                    let sent = watched.send(service, request, &pass);
                    this.state.set(sent);
                }
                StateProj::Sent { future, capture, mut grace } => {
                    if let Poll::Ready(result) = future.poll(cx) {
                        watched.look(capture);
                        break match result {
                            Ok(response) => Ok(watched.succeed(response)),
                            Err(error) => Err(watched.fail(error.into(), capture, config.retire_on_timeout)),
                        };
                    }
                    watched.look(capture);
                    let Some(connection) = &watched.connection else { return Poll::Pending };
                    if !connection.poll_ended(&mut watched.key, cx) {
                        return Poll::Pending;
                    }
                    if grace.is_none() {
                        grace.set(after(config.grace));
                    }
                    match grace.as_pin_mut() {
                        Some(grace) => ready!(grace.poll(cx)),
                        None => return Poll::Pending,
                    }
                    // hyper 1.12 can lose a request that is handed to a connection's task as it ends (hyper #4122).
                    connection.rescued();
                    let verdict = Verdict::connection_lost("the connection ended, and the request was not told");
                    watched.tell(verdict.failure());
                    break Err(verdict.into());
                }
                StateProj::Done => return Poll::Pending,
            }
        };
        // The attempt goes first, and its permit with it, whoever still holds this future.
        this.state.set(State::Done);
        watched.forget_connection();
        watched.permit = None;
        Poll::Ready(output)
    }
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
fn after(duration: Duration) -> Option<Sleep> {
    Instant::now().checked_add(duration).filter(|_| can_wait()).map(sleep_until)
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
            .field("connection", &self.watched.connection)
            .finish_non_exhaustive()
    }
}
