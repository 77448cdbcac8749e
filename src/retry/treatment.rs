//! Which requests may be sent twice.

use http::request::Parts;
use http::{HeaderName, Method, header};

/// What the caller knows of a request that its method does not tell.
///
/// Given by the predicate of [`RetryOnCanceledLayer::treatment`](super::RetryOnCanceledLayer::treatment).
///
/// ```
/// use tower_redial::RetryOnCanceledLayer;
/// use tower_redial::retry::Treatment;
///
/// let layer: RetryOnCanceledLayer = RetryOnCanceledLayer::new().treatment(|head| match head.uri.path() {
///     "/search" => Treatment::Idempotent, // a POST that only asks
///     "/metrics" => Treatment::NoRetry,
///     _ => Treatment::ByRequest,
/// });
/// # drop(layer);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Treatment {
    /// Nothing: the method, an `Idempotency-Key` header and the request's extensions decide.
    #[default]
    ByRequest,
    /// Processing it twice has the effect of processing it once.
    Idempotent,
    /// Processing it twice does harm, whatever its method.
    NotIdempotent,
    /// It is never to be resent, not even where it was provably not processed.
    NoRetry,
}

/// Request extension: processing this request twice has the effect of processing it once.
///
/// ```
/// use http::Request;
/// use tower_redial::retry::Idempotent;
///
/// let mut request = Request::post("https://example.com/search").body(()).unwrap();
/// request.extensions_mut().insert(Idempotent);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Idempotent;

/// Request extension: this request is never resent.
///
/// ```
/// use http::Request;
/// use tower_redial::retry::NoRetry;
///
/// # fn main() -> http::Result<()> {
/// let request = Request::post("https://example.com/ping").extension(NoRetry).body(())?;
/// # drop(request);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoRetry;

/// RFC 9110, section 9.2.2: the safe methods, PUT and DELETE.
pub(crate) const IDEMPOTENT_METHODS: [Method; 6] =
    [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS, Method::TRACE];

/// draft-ietf-httpapi-idempotency-key-header: the server promises to act once for each key.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How the request may be resent, after all that was said about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Safety {
    /// After anything that another attempt can help.
    Idempotent,
    /// After a proof that it was not processed.
    OnProof,
    /// After a proof that it was not sent: what follows a CONNECT or an upgrade is not a request.
    Tunnel,
    /// Never.
    Never,
}

impl Safety {
    pub(super) fn of(head: &Parts, said: Treatment, idempotent_methods: &[Method]) -> Self {
        if said == Treatment::NoRetry || head.extensions.get::<NoRetry>().is_some() {
            return Self::Never;
        }
        if head.method == Method::CONNECT || head.headers.contains_key(header::UPGRADE) {
            return Self::Tunnel;
        }
        let idempotent = match said {
            Treatment::Idempotent => true,
            Treatment::NotIdempotent => false,
            Treatment::ByRequest | Treatment::NoRetry => {
                idempotent_methods.contains(&head.method)
                    || head.headers.contains_key(IDEMPOTENCY_KEY)
                    || head.extensions.get::<Idempotent>().is_some()
            }
        };
        if idempotent { Self::Idempotent } else { Self::OnProof }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn safety(request: http::request::Builder, said: Treatment) -> Safety {
        let (head, ()) = request.body(()).unwrap().into_parts();
        Safety::of(&head, said, &IDEMPOTENT_METHODS)
    }

    #[test]
    fn methods_are_those_of_rfc_9110() {
        for (method, expected) in [
            ("GET", Safety::Idempotent),
            ("HEAD", Safety::Idempotent),
            ("PUT", Safety::Idempotent),
            ("DELETE", Safety::Idempotent),
            ("OPTIONS", Safety::Idempotent),
            ("TRACE", Safety::Idempotent),
            ("POST", Safety::OnProof),
            ("PATCH", Safety::OnProof),
            ("get", Safety::OnProof),
            ("PURGE", Safety::OnProof),
            ("CONNECT", Safety::Tunnel),
        ] {
            assert_eq!(safety(Request::builder().method(method), Treatment::ByRequest), expected, "{method}");
        }
    }

    #[test]
    fn what_was_said_of_one_request_counts() {
        let post = || Request::post("/");
        assert_eq!(safety(post().header("Idempotency-Key", "\"7\""), Treatment::ByRequest), Safety::Idempotent);
        assert_eq!(safety(post().extension(Idempotent), Treatment::ByRequest), Safety::Idempotent);
        assert_eq!(safety(post(), Treatment::Idempotent), Safety::Idempotent);
        assert_eq!(safety(Request::get("/"), Treatment::NotIdempotent), Safety::OnProof);
        assert_eq!(safety(post().extension(Idempotent), Treatment::NotIdempotent), Safety::OnProof);
        assert_eq!(safety(Request::get("/").extension(NoRetry), Treatment::Idempotent), Safety::Never);
        assert_eq!(safety(Request::get("/"), Treatment::NoRetry), Safety::Never);
        assert_eq!(safety(Request::get("/").header("Upgrade", "websocket"), Treatment::Idempotent), Safety::Tunnel);
    }
}
