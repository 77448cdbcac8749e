use tonic::transport::Channel;
use tower::Layer;

use super::{BodyLayer, StatusLayer, WithBody, WithStatus};
use crate::health::WatchConnection;
use crate::retry::Boxed;
use crate::{ConnectionHealthLayer, RetryOnCanceled, RetryOnCanceledLayer};

/// All layers for a gRPC channel, in their order; see the [module](super).
///
/// ```
/// use tonic::transport::Endpoint;
/// use tower::Layer;
/// use tower_redial::tonic::{GrpcLayer, GrpcService};
/// use tower_redial::{ConnectionHealth, RetryOnCanceledLayer};
///
/// # fn service() -> GrpcService {
/// let endpoint = Endpoint::from_static("http://localhost:50051");
/// let health = ConnectionHealth::default();
/// let layer = GrpcLayer::new(RetryOnCanceledLayer::new(), health.layer().origin(endpoint.uri()));
/// let service: GrpcService = layer.layer(endpoint.connect_lazy());
/// // GreeterClient::new(service)
/// # service
/// # }
/// ```
///
/// # Clone
///
/// Clones, and the services made from them, share the budgets and the health.
#[derive(Clone, Debug)]
pub struct GrpcLayer {
    retry: RetryOnCanceledLayer<Boxed>,
    health: ConnectionHealthLayer,
}

impl GrpcLayer {
    /// The layers with these settings.
    ///
    /// Without a [`connector`](crate::ConnectionHealth::connector) of the same health below the channel, the health only counts.
    #[must_use]
    pub const fn new(retry: RetryOnCanceledLayer<Boxed>, health: ConnectionHealthLayer) -> Self {
        Self { retry, health }
    }
}

impl<S> Layer<S> for GrpcLayer {
    type Service = GrpcService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        StatusLayer::new().layer(self.retry.layer(self.health.layer(BodyLayer::new().layer(inner))))
    }
}

/// What [`GrpcLayer`] makes of a channel, to name it in a generated client's type: `GreeterClient<GrpcService>`.
pub type GrpcService<S = Channel> = WithStatus<RetryOnCanceled<WatchConnection<WithBody<S>>, Boxed>>;
