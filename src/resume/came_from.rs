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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_known_by_its_url_without_the_query() {
        let is = |other: &str| {
            let of = |uri: &str| CameFrom(uri.parse().unwrap());
            of("https://a.example/file?signature=1").is_where(&of(other))
        };
        assert!(is("https://a.example/file?signature=2"));
        for other in
            ["http://a.example/file", "https://b.example/file", "https://a.example/other", "https://a.example:444/file"]
        {
            assert!(!is(other), "{other}");
        }
    }
}
