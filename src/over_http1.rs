//! The mark by which a request of one hyper-util client asks for a connection of HTTP/1.1.
//!
//! hyper-util's `legacy::Client` keeps its connections by scheme and authority, and its connector is told those two (0.1.21,
//! `legacy/client.rs`, `PoolKey`). So the mark stands in the authority, as user information, which says nothing of where a
//! connection goes and never reaches the wire: marked requests have connections of their own, and neither kind is given one
//! that was made for the other. [`downgrade`](crate::downgrade) sets it and takes it off again before the caller's connector
//! sees it.

use http::Uri;
use http::uri::Authority;

const MARK: &str = "http1.tower-redial";

/// The same URI with the mark; `None` for one without authority.
pub(crate) fn mark(uri: &Uri) -> Option<Uri> {
    let authority = uri.authority()?;
    // User information of the caller's own stays in its place.
    let sign = if authority.as_str().contains('@') { ':' } else { '@' };
    with_authority(uri, format!("{MARK}{sign}{authority}").parse().ok()?)
}

/// The same URI without the mark; `None` for one that has none.
pub(crate) fn unmark(uri: &Uri) -> Option<Uri> {
    with_authority(uri, plain(uri.authority()?)?)
}

/// The authority without the mark; `None` for one that has none.
pub(crate) fn plain(authority: &Authority) -> Option<Authority> {
    let rest = authority.as_str().strip_prefix(MARK)?;
    let plain = match rest.split_at_checked(1)? {
        ("@", plain) => plain,
        (":", plain) if plain.contains('@') => plain,
        _ => return None,
    };
    plain.parse().ok()
}

fn with_authority(uri: &Uri, authority: Authority) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.authority = Some(authority);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_set_and_taken_off() {
        for uri in [
            "https://example.com/a?b=c",
            "https://example.com:8443/",
            "https://user@example.com/",
            "https://user:secret@[::1]:443/",
            "https://@example.com/",
        ] {
            let uri = Uri::from_static(uri);
            let marked = mark(&uri).unwrap();
            assert_eq!((marked.host(), marked.port_u16()), (uri.host(), uri.port_u16()), "{marked}");
            assert_eq!(marked.path_and_query(), uri.path_and_query());
            assert_ne!(marked.authority(), uri.authority());
            assert_eq!(unmark(&marked), Some(uri));
        }
    }

    #[test]
    fn is_not_found_where_it_is_not() {
        for uri in ["https://example.com/", "https://http1.tower-redial/", "https://http1.tower-redial:443/", "/path"] {
            assert_eq!(unmark(&Uri::from_static(uri)), None, "{uri}");
        }
        assert_eq!(mark(&Uri::from_static("/path")), None);
    }
}
