use tower::Layer;

use super::WholeBody;

/// The layer that puts [`WholeBody`] around a client.
///
/// It belongs below a layer that decodes content, whose length is another, and above or below
/// [`RetryOnCanceledLayer`](crate::RetryOnCanceledLayer), which has done its work when a body comes.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::{BodyExt, Full};
/// use tower::{BoxError, Layer, ServiceExt, service_fn};
/// use tower_redial::body::{WholeBodyLayer, WrongLength};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// // A server that promises six bytes, and ends its stream after three.
/// let half = service_fn(|_: Request<()>| async {
///     Response::builder().header("content-length", "6").body(Full::new(Bytes::from("one")))
/// });
/// let client = WholeBodyLayer::new().layer(half);
///
/// let response = client.oneshot(Request::new(())).await?;
/// let error = response.into_body().collect().await.unwrap_err();
/// assert!(error.downcast_ref::<WrongLength>().is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct WholeBodyLayer(());

impl WholeBodyLayer {
    /// A layer; there is nothing to set.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for WholeBodyLayer {
    type Service = WholeBody<S>;

    fn layer(&self, inner: S) -> WholeBody<S> {
        WholeBody::new(inner)
    }
}
