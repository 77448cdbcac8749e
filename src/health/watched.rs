//! One attempt, watched.

use std::cell::Cell;
use std::error::Error;
use std::sync::Arc;
use std::task::Context;

use http::{Extensions, Response, StatusCode};
use http_body::Body;
use hyper_util::client::legacy::connect::CaptureConnection;
#[cfg(feature = "metrics")]
use tokio::time::Instant;

use super::body::Held;
use super::gate::Pass;
use super::permit::Permit;
use super::registry::Site;
use super::{Connection, ResponseBody};
use crate::fate::{BodyUse, Cause, Failure, connect_info};

/// What is known of a request while an attempt of it is under way.
pub(crate) struct Watched {
    pub(super) site: Option<Arc<Site>>,
    permit: Option<Permit>,
    connection: Option<Connection>,
    /// Its place among those who wait for the connection's end.
    key: Option<usize>,
    #[cfg(feature = "metrics")]
    began: Instant,
    #[cfg(feature = "metrics")]
    active: Option<super::metrics::Active>,
}

impl Watched {
    pub(super) fn new(site: Option<Arc<Site>>) -> Self {
        Self {
            #[cfg(feature = "metrics")]
            began: Instant::now(),
            #[cfg(feature = "metrics")]
            active: site.as_ref().map(|site| super::metrics::Active::new(&site.labels)),
            site,
            permit: None,
            connection: None,
            key: None,
        }
    }

    pub(super) fn connection(&self) -> Option<&Connection> {
        self.connection.as_ref()
    }

    /// The request was let through the gate.
    pub(super) fn passed(&mut self, pass: &Pass) {
        if *pass == Pass::Counted {
            self.permit = self.site.clone().map(Permit::new);
        }
    }

    /// Finds out which connection the request is on.
    pub(super) fn look(&mut self, capture: &CaptureConnection) {
        // hyper-util moves a request that a dying connection gave back to the next one (`legacy/client.rs`, `send_request`).
        if self.connection.as_ref().is_some_and(Connection::admits) {
            return;
        }
        let Some(connection) = captured(capture) else { return };
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

    /// Whether the request's connection has ended; wakes the task when it does.
    pub(super) fn poll_ended(&mut self, cx: &Context<'_>) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.poll_ended(&mut self.key, cx))
    }

    /// The response's head came, with a body that holds the request's place.
    pub(super) fn succeed<R: Body>(&mut self, mut response: Response<R>) -> Response<ResponseBody<R>> {
        if let Some(connection) = response.extensions().get::<Connection>() {
            if self.connection.as_ref().is_none_or(|known| known.id() != connection.id()) {
                self.found(connection.clone());
            }
        }
        match (&self.connection, &self.site) {
            // hyper-util has put it there itself, mostly.
            (Some(_), _) if response.extensions().get::<Connection>().is_some() => {}
            (Some(connection), _) => {
                response.extensions_mut().insert(connection.clone());
            }
            (None, Some(site)) if self.permit.is_some() => site.gate.unmonitored(),
            (None, _) => {}
        }
        if let Some(permit) = &mut self.permit {
            permit.answered();
        }
        self.answered(response.status());
        let held = Held {
            permit: self.permit.take(),
            #[cfg(feature = "metrics")]
            active: self.active.take(),
        };
        response.map(|body| ResponseBody::new(body, held))
    }

    /// The response's head came.
    #[cfg_attr(not(feature = "metrics"), expect(unused_variables, reason = "only counted there"))]
    pub(crate) fn answered(&self, status: StatusCode) {
        if let Some(site) = &self.site {
            site.answered();
        }
        #[cfg(feature = "metrics")]
        self.measure(Ok(status));
    }

    /// The attempt failed: a connection that the error says is of no more use is taken out of its client's pool, if that can
    /// be told so.
    pub(crate) fn fail(
        &self,
        error: &(dyn Error + 'static),
        capture: Option<&CaptureConnection>,
        retire_on_timeout: bool,
    ) {
        let failure = Failure::of(error, BodyUse::Untouched);
        let timed_out = failure.cause() == Cause::Timeout && self.connection.is_none() && retire_on_timeout;
        if failure.connection_is_dead() || timed_out {
            if let Some(connected) =
                capture.map(CaptureConnection::connection_metadata).as_deref().and_then(Option::as_ref)
            {
                connected.poison();
            }
            // Where the client drops request extensions, reqwest for instance, the error may still know.
            if let Some(connected) = connect_info(error) {
                connected.poison();
            }
        }
        self.tell(failure);
    }

    pub(super) fn tell(&self, failure: Failure) {
        if let Some(site) = &self.site {
            site.failed(failure);
        }
        #[cfg(feature = "metrics")]
        self.measure(Err(failure.cause().label()));
    }

    #[cfg(feature = "metrics")]
    fn measure(&self, outcome: Result<StatusCode, &'static str>) {
        if let Some(site) = &self.site {
            super::metrics::attempt(&site.labels, self.began.elapsed(), outcome);
        }
    }

    /// How long a request waited before the gate.
    #[cfg(feature = "metrics")]
    pub(super) fn waited(&self) {
        if let Some(site) = &self.site {
            super::metrics::waited(&site.labels, self.began.elapsed());
        }
    }

    /// The attempt is over: its permit goes, whoever still holds the future.
    pub(super) fn end(&mut self) {
        self.forget_connection();
        self.permit = None;
    }
}

thread_local! {
    /// A map to be filled and emptied again: to make one takes three allocations.
    static EXTRAS: Cell<Option<Extensions>> = const { Cell::new(None) };
}

/// The connection that was captured, if there is one yet and it is watched.
fn captured(capture: &CaptureConnection) -> Option<Connection> {
    let metadata = capture.connection_metadata();
    let connected = metadata.as_ref()?;
    // A thread that ends has none.
    let mut extras = EXTRAS.try_with(Cell::take).ok().flatten().unwrap_or_default();
    connected.get_extras(&mut extras);
    let connection = extras.remove();
    // Even an empty one would be gone over.
    if !extras.is_empty() {
        extras.clear();
    }
    let _ = EXTRAS.try_with(|place| place.set(Some(extras)));
    connection
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.forget_connection();
    }
}
