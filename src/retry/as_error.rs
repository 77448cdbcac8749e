//! One way to look at errors that are concrete types and at those that are boxed.

use std::error::Error;

use tower::BoxError;

mod sealed {
    pub trait Sealed<M> {}
}

/// Errors that can be read as `dyn Error`: every concrete [`Error`] type, and [`BoxError`], which is none.
///
/// A blanket implementation for `E: Error` beside one for `BoxError` would overlap, so the two are told apart by a marker,
/// [`Typed`] or [`Boxed`], which the compiler always infers. You never have to name it.
pub trait AsError<M>: sealed::Sealed<M> {
    /// The error as a trait object.
    fn as_error(&self) -> &(dyn Error + 'static);
}

/// Marks a service whose error is a concrete type.
#[derive(Clone, Copy, Debug, Default)]
pub struct Typed;

/// Marks a service whose error is a [`BoxError`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Boxed;

impl<E: Error> sealed::Sealed<Typed> for E {}
impl sealed::Sealed<Boxed> for BoxError {}

impl<E: Error + 'static> AsError<Typed> for E {
    fn as_error(&self) -> &(dyn Error + 'static) {
        self
    }
}

impl AsError<Boxed> for BoxError {
    fn as_error(&self) -> &(dyn Error + 'static) {
        &**self
    }
}
