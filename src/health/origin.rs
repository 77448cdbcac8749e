use std::fmt;
use std::hash::{Hash, Hasher};

use http::Uri;
use http::uri::{Authority, Scheme};

use crate::over_http1;

/// Where connections go: scheme, host and port, as a URI has them.
///
/// An explicit default port is not the same as none, just as hyper-util keeps separate connections for the two.
#[derive(Clone)]
pub struct Origin {
    scheme: Scheme,
    /// In lower case, so that it can be compared and hashed as it is: once for each request.
    authority: Authority,
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        self.authority.as_str() == other.authority.as_str() && self.scheme == other.scheme
    }
}

impl Eq for Origin {}

impl Hash for Origin {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.authority.as_str().as_bytes());
        state.write_usize(self.scheme.as_str().len());
    }
}

impl Origin {
    /// The origin of an absolute URI; `None` for one without scheme or authority.
    #[must_use]
    pub fn of(uri: &Uri) -> Option<Self> {
        let (scheme, authority) = (uri.scheme()?.clone(), uri.authority()?);
        // A request that goes over HTTP/1.1 for once goes to the same origin.
        let plain = over_http1::plain(authority);
        let authority = plain.as_ref().unwrap_or(authority);
        let is_lower = !authority.as_str().bytes().any(|byte| byte.is_ascii_uppercase());
        let authority =
            if is_lower { authority.clone() } else { authority.as_str().to_ascii_lowercase().parse().ok()? };
        Some(Self { scheme, authority })
    }

    /// Of a connection whose URI has none.
    pub(super) fn unknown() -> Self {
        Self { scheme: Scheme::HTTP, authority: Authority::from_static("unknown.invalid") }
    }

    /// `http` or `https`, mostly.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.scheme.as_str()
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &str {
        self.authority.host()
    }

    /// The port, explicit or the scheme's.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.authority.port_u16().or_else(|| match self.scheme() {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never with the user information that an authority may hold.
        write!(f, "{}://{}", self.scheme, self.authority.host())?;
        self.authority.port().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Origin {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_no_secret() {
        let origin = Origin::of(&Uri::from_static("https://user:secret@example.com:8443/path?token=1")).unwrap();
        assert_eq!((origin.to_string().as_str(), origin.port()), ("https://example.com:8443", Some(8443)));
        assert_eq!(format!("{origin:?}"), "https://example.com:8443");
        assert_eq!(Origin::of(&Uri::from_static("/path")), None);
    }

    #[test]
    fn is_the_same_in_any_case() {
        let of = |uri| Origin::of(&Uri::from_static(uri)).unwrap();
        assert_eq!(of("http://Example.COM/a"), of("http://example.com/b"));
        assert_ne!(of("http://example.com"), of("https://example.com"));
        assert_ne!(of("http://example.com"), of("http://example.com:80"));
    }

    #[test]
    fn is_the_same_over_http1() {
        let uri = Uri::from_static("https://user@Example.com:8443/");
        assert_eq!(Origin::of(&over_http1::mark(&uri).unwrap()), Origin::of(&uri));
    }
}
