//! Counts the connections that a client makes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tower::{Layer, Service};

/// How many connections came to be, and how many did not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connects(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    made: AtomicU64,
    failed: AtomicU64,
}

impl Connects {
    pub(crate) fn count(&self) -> u64 {
        self.0.made.load(Ordering::Relaxed)
    }

    #[allow(dead_code, reason = "the bench `faults` asks for it")]
    pub(crate) fn failed(&self) -> u64 {
        self.0.failed.load(Ordering::Relaxed)
    }
}

/// Any connector: reqwest's have types that cannot be named.
impl<S> Layer<S> for Connects {
    type Service = Counted<S>;

    fn layer(&self, connector: S) -> Counted<S> {
        Counted { connector, connects: self.clone() }
    }
}

/// A connector whose connections are counted.
#[derive(Clone, Debug)]
pub(crate) struct Counted<S> {
    connector: S,
    connects: Connects,
}

impl<S, R> Service<R> for Counted<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.connector.poll_ready(cx)
    }

    fn call(&mut self, target: R) -> Self::Future {
        let (connecting, connects) = (self.connector.call(target), self.connects.clone());
        Box::pin(async move {
            let connection = connecting.await;
            let counted = if connection.is_ok() { &connects.0.made } else { &connects.0.failed };
            counted.fetch_add(1, Ordering::Relaxed);
            connection
        })
    }
}
