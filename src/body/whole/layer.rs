use tower::Layer;

use super::WholeBody;

/// The layer that puts [`WholeBody`] around a client.
///
/// It belongs below a layer that decodes content, whose length is another, and above or below
/// [`RetryOnCanceledLayer`](crate::RetryOnCanceledLayer), which has done its work when a body comes.
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
