//! The stacks of layers.

use std::convert::Infallible;
use std::future::Future;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::Empty;
use tower::retry::{Policy, RetryLayer};
use tower::{Layer, Service, ServiceBuilder};
use tower_redial::{ConnectionHealth, RetryOnCanceledLayer};

use super::cases::{Case, Payload};
use super::service::InMemory;

/// What is around the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stack {
    Bare,
    /// The head is copied, and nothing is done with it: the least that a layer does which could send the request again.
    Copy,
    Retry,
    RetryAndHealth,
    TowerRetry,
}

impl Stack {
    pub(crate) const ALL: [Self; 5] = [Self::Bare, Self::Copy, Self::Retry, Self::RetryAndHealth, Self::TowerRetry];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "no_layer",
            Self::Copy => "copy_of_head",
            Self::Retry => "retry_on_canceled",
            Self::RetryAndHealth => "both_layers",
            Self::TowerRetry => "tower_retry",
        }
    }

    pub(crate) fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|stack| stack.name() == name).expect("a stack's name")
    }
}

/// Sends so many requests, one after the other.
pub(crate) fn run(stack: Stack, case: Case, requests: u64) {
    match stack {
        Stack::Bare => drive(InMemory, case, requests),
        Stack::Copy => drive(CopyHead::default(), case, requests),
        Stack::Retry => drive(RetryOnCanceledLayer::new().layer(InMemory), case, requests),
        Stack::RetryAndHealth => {
            let health = ConnectionHealth::default();
            let both = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).layer(health.layer()).service(InMemory);
            drive(both, case, requests);
        }
        Stack::TowerRetry => drive(RetryLayer::new(CloneAndResend { left: 2 }).layer(InMemory), case, requests),
    }
}

fn drive<S>(mut service: S, case: Case, requests: u64)
where
    S: Service<Request<Payload>>,
    S::Error: std::fmt::Debug,
{
    let uri = Uri::from_static("http://127.0.0.1:8080/some/path?with=query");
    let mut cx = Context::from_waker(Waker::noop());
    for n in 0..requests {
        let Poll::Ready(Ok(())) = service.poll_ready(&mut cx) else { unreachable!("it is always ready") };
        let future = pin!(service.call(case.request(&uri, n)));
        let Poll::Ready(response) = future.poll(&mut cx) else { unreachable!("it answers at once") };
        drop(black_box(response.expect("it never fails")));
    }
}

/// Copies each request's head to where the last one's was, so that nothing is allocated.
#[derive(Debug, Default)]
struct CopyHead {
    head: Option<(Method, Uri)>,
    fields: Vec<(HeaderName, HeaderValue)>,
}

impl Service<Request<Payload>> for CopyHead {
    type Response = <InMemory as Service<Request<Payload>>>::Response;
    type Error = Infallible;
    type Future = <InMemory as Service<Request<Payload>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<Payload>>::poll_ready(&mut InMemory, cx)
    }

    fn call(&mut self, request: Request<Payload>) -> Self::Future {
        self.head = Some((request.method().clone(), request.uri().clone()));
        self.fields.clear();
        self.fields.extend(request.headers().iter().map(|(name, value)| (name.clone(), value.clone())));
        black_box(&*self);
        InMemory.call(request)
    }
}

/// What people write for `tower::retry`: the request is cloned up front, and sent again after any error.
#[derive(Clone, Copy, Debug)]
struct CloneAndResend {
    left: u32,
}

impl Policy<Request<Payload>, Response<Empty<Bytes>>, Infallible> for CloneAndResend {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<Payload>,
        result: &mut Result<Response<Empty<Bytes>>, Infallible>,
    ) -> Option<Ready<()>> {
        if result.is_ok() || self.left == 0 {
            return None;
        }
        self.left -= 1;
        Some(ready(()))
    }

    fn clone_request(&mut self, request: &Request<Payload>) -> Option<Request<Payload>> {
        Some(request.clone())
    }
}
