use http::Uri;

/// Response extension: which URL a response came from, where the client below follows redirects and says so.
///
/// A validator speaks of one resource (RFC 9110, section 8.8): that of another may be equal by chance.
#[derive(Clone, Debug)]
pub(crate) struct CameFrom(pub(crate) Uri);

impl CameFrom {
    /// Whether both are of one resource. A query may have another signature in it each time.
    pub(super) fn is_where(&self, other: &Self) -> bool {
        let Self(one) = self;
        let Self(other) = other;
        one.scheme() == other.scheme() && one.authority() == other.authority() && one.path() == other.path()
    }
}
