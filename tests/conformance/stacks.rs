//! Every stack, behind one face.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Response, StatusCode, Uri};
use http_body::Body;
use http_body_util::BodyExt;
use tower::{BoxError, ServiceBuilder, ServiceExt};
use tower_redial::fate::{Cause, Fate};
use tower_redial::health::Builder;
use tower_redial::retry::{Boxed, Decision, Typed};
use tower_redial::{ConnectionHealth, RetryOnCanceledLayer};

use crate::call::{Call, Content};
use crate::support::tls::Identity;
use crate::support::tls::Trusting as _;
use crate::support::{REQUEST_ID, clients};

/// A way in which the layers are put around a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stack {
    /// hyper-util's client, bare but for the retry layer.
    HyperUtil,
    /// Both layers in a `ServiceBuilder`, over a watched connector.
    Watched,
    /// reqwest as it comes, which follows redirects.
    Reqwest,
    /// reqwest without redirects, and the layer told so.
    ReqwestSingleHop,
    /// reqwest-middleware.
    Middleware,
    /// All layers around tonic's channel.
    Tonic,
    /// Both layers within kube's own.
    Kube,
    /// A connection of our own, made anew by `tower::reconnect`.
    Connection,
    /// A pool of them.
    Pool,
}

pub(crate) const STACKS: [Stack; 9] = [
    Stack::HyperUtil,
    Stack::Watched,
    Stack::Reqwest,
    Stack::ReqwestSingleHop,
    Stack::Middleware,
    Stack::Tonic,
    Stack::Kube,
    Stack::Connection,
    Stack::Pool,
];

/// After how long a stream is suspicious, and how long a probe waits for its answer.
const QUICK: Duration = Duration::from_millis(100);

/// A failed attempt: what it proved, why it came, and what was decided.
pub(crate) type Attempt = (Fate, Cause, Decision);

pub(crate) type Sending = Pin<Box<dyn Future<Output = Result<StatusCode, BoxError>> + Send>>;

pub(crate) type SendFn = Box<dyn Fn(Call, String, Uri) -> Sending + Send + Sync>;

/// One client of one stack.
pub(crate) struct Client {
    send: SendFn,
    attempts: Arc<Mutex<Vec<Attempt>>>,
}

impl Client {
    /// Sends a request and reads its response to the end.
    pub(crate) fn send(&self, call: Call, id: impl Into<String>, uri: Uri) -> Sending {
        (self.send)(call, id.into(), uri)
    }

    pub(crate) fn attempts(&self) -> Vec<Attempt> {
        self.attempts.lock().unwrap().clone()
    }
}

/// How a client is set up.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// Whom it trusts; without one it speaks HTTP/2 in the clear.
    pub(crate) trusted: Option<Identity>,
    /// With times that a test can wait for.
    pub(crate) impatient: bool,
    /// Its connections are.
    pub(crate) watched: bool,
}

impl Setup {
    /// The timeout for each attempt: a short one where nothing else finds out that a connection is silent.
    pub(crate) fn timeout(&self) -> Duration {
        if self.impatient && !self.watched { 6 * QUICK } else { Duration::from_secs(30) }
    }

    pub(crate) fn health(&self, set: impl FnOnce(Builder) -> Builder) -> ConnectionHealth {
        let builder = set(ConnectionHealth::builder());
        let quick = |builder: Builder| builder.probe_after(QUICK).probe_timeout(QUICK).dead_after(2 * QUICK);
        if self.impatient { quick(builder).build() } else { builder.build() }
    }
}

impl Stack {
    /// Whether the body of a request can be sent again once some of it was sent.
    pub(crate) fn resends_body(self, content: Content) -> bool {
        match self {
            // What lies in memory is cloned, or recorded by counting a reference.
            Self::Reqwest | Self::ReqwestSingleHop | Self::Middleware => true,
            _ => content != Content::Large,
        }
    }

    /// Whether a GOAWAY below a request with this body is a proof: it is known that its stream was opened, by its id or by its body,
    /// which was polled.
    pub(crate) fn knows_its_stream(self, content: Content) -> bool {
        match self {
            Self::Connection | Self::Pool => true,
            Self::HyperUtil | Self::Watched | Self::ReqwestSingleHop | Self::Tonic | Self::Kube => {
                content != Content::Empty
            }
            // reqwest is left to clone what it can, so that it can redirect it.
            Self::Reqwest | Self::Middleware => matches!(content, Content::Streamed | Content::Failing),
        }
    }

    /// Whether its connections are this crate's own.
    pub(crate) fn is_own(self) -> bool {
        matches!(self, Self::Connection | Self::Pool)
    }

    /// Whether a proof is trusted for a request that changes something.
    pub(crate) fn trusts_proof(self) -> bool {
        // Redirects are followed below: a proof may be about the last hop only.
        !matches!(self, Self::Reqwest | Self::Middleware)
    }

    /// Whether its connections are watched, so that one that falls silent is found and left.
    pub(crate) fn watches(self) -> bool {
        matches!(self, Self::Watched | Self::Tonic | Self::Kube | Self::Connection | Self::Pool)
    }

    /// Whether its client takes back what a used connection hands back, and sends it on a new one by itself.
    pub(crate) fn takes_back(self) -> bool {
        self != Self::Tonic
    }

    /// Whether such a request can be made with it.
    pub(crate) fn can_send(self, content: Content) -> Result<(), &'static str> {
        match (self, content) {
            (Self::Kube, Content::Streamed | Content::Failing) => Err("kube's bodies are made of what lies in memory"),
            _ => Ok(()),
        }
    }

    pub(crate) fn client(self, setup: &Setup) -> Client {
        let attempts = Arc::new(Mutex::new(Vec::new()));
        let send: SendFn = match self {
            Self::HyperUtil => {
                let layer = layer::<Boxed>(&attempts);
                let stack = ServiceBuilder::new().layer(layer).timeout(setup.timeout());
                match &setup.trusted {
                    Some(identity) => http(stack.service(clients::https(identity))),
                    None => http(stack.service(clients::h2())),
                }
            }
            Self::Watched => {
                let health = setup.health(|builder| builder);
                let stack = ServiceBuilder::new().layer(layer::<Boxed>(&attempts)).layer(health.layer());
                let stack = stack.timeout(setup.timeout());
                let builder = clients::builder();
                match &setup.trusted {
                    Some(identity) => http(stack.service(builder.build(health.connector(identity.connector())))),
                    None => {
                        let mut builder = builder;
                        http(stack.service(builder.http2_only(true).build(health.connector(clients::http_connector()))))
                    }
                }
            }
            Self::Reqwest | Self::ReqwestSingleHop => {
                let single = self == Self::ReqwestSingleHop;
                let layer = layer::<Typed>(&attempts);
                let layer = if single { layer.single_hop(true) } else { layer };
                let client = reqwest_client(setup, single);
                let service = ServiceBuilder::new().layer(layer).service(client.clone());
                Box::new(move |call, id, uri| {
                    let (service, request) = (service.clone(), reqwest_request(call, &id, &uri));
                    Box::pin(async move {
                        let response = service.oneshot(request).await?;
                        read(response.into()).await
                    })
                })
            }
            Self::Middleware => {
                let client = reqwest_middleware::ClientBuilder::new(reqwest_client(setup, false))
                    .with(layer::<Typed>(&attempts))
                    .build();
                Box::new(move |call, id, uri| {
                    let (client, request) = (client.clone(), reqwest_request(call, &id, &uri));
                    Box::pin(async move {
                        let response = client.execute(request).await?;
                        read(response.into()).await
                    })
                })
            }
            Self::Tonic => crate::over_tonic::send(setup, layer(&attempts)),
            Self::Kube => crate::over_kube::send(setup, layer(&attempts)),
            Self::Connection => crate::over_connect::connection(setup, layer(&attempts)),
            Self::Pool => crate::over_connect::pool(setup, layer(&attempts)),
        };
        Client { send, attempts }
    }
}

fn layer<M>(attempts: &Arc<Mutex<Vec<Attempt>>>) -> RetryOnCanceledLayer<M> {
    let attempts = Arc::clone(attempts);
    RetryOnCanceledLayer::new().resend_timeouts(true).on_retry(move |event| {
        attempts.lock().unwrap().push((event.failure().fate(), event.failure().cause(), event.decision()));
    })
}

pub(crate) fn http<S, R>(service: S) -> SendFn
where
    S: tower::Service<http::Request<crate::call::BoxBody>, Response = Response<R>, Error = BoxError>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    R: Body<Error: Into<BoxError>, Data: Send> + Send + 'static,
{
    Box::new(move |call, id, uri| {
        let (service, request) = (service.clone(), call.request(&id, &uri));
        Box::pin(async move { read(service.oneshot(request).await?).await })
    })
}

pub(crate) async fn read<R>(response: Response<R>) -> Result<StatusCode, BoxError>
where
    R: Body<Error: Into<BoxError>>,
{
    let status = response.status();
    response.into_body().collect().await.map_err(Into::into)?;
    Ok(status)
}

fn reqwest_client(setup: &Setup, single_hop: bool) -> reqwest::Client {
    let builder = clients::reqwest().timeout(setup.timeout());
    let builder = if single_hop { builder.redirect(reqwest::redirect::Policy::none()) } else { builder };
    let builder = match &setup.trusted {
        Some(identity) => builder.tls_backend_preconfigured(identity.client_config()),
        None => builder.http2_prior_knowledge(),
    };
    builder.build().expect("a client")
}

fn reqwest_request(call: Call, id: &str, uri: &Uri) -> reqwest::Request {
    let url = uri.to_string().parse().expect("a URL");
    let mut request = reqwest::Request::new(call.method(), url);
    request.headers_mut().insert(REQUEST_ID, id.parse().expect("an id"));
    *request.body_mut() = match call.content {
        Content::Empty => None,
        Content::Small | Content::Large => Some(call.bytes().into()),
        Content::Streamed | Content::Failing => Some(reqwest::Body::wrap_stream(call.stream())),
    };
    request
}
