//! A request's head, as it goes out on HTTP/2.

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, TE, TRANSFER_ENCODING, UPGRADE};
use http::request;
use http::uri::{Parts, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body::SizeHint;

use super::Error;
use crate::fate::Verdict;

/// Fields that speak of one connection only (RFC 9113, section 8.2.2), as hyper has them (`proto/h2/mod.rs`).
const CONNECTION_FIELDS: [HeaderName; 4] =
    [HeaderName::from_static("keep-alive"), HeaderName::from_static("proxy-connection"), TRANSFER_ENCODING, UPGRADE];

/// The head to give to h2; what was given stays as it is, to be handed back.
pub(super) fn outgoing(head: &request::Parts, body: &SizeHint) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = head.uri.clone();
    *request.version_mut() = head.version;
    *request.headers_mut() = head.headers.clone();
    strip(request.headers_mut());
    if let Some(length) = body.exact() {
        if length != 0 || has_content(&head.method) {
            request.headers_mut().entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
        }
    }
    if let Some(protocol) = protocol(head) {
        request.extensions_mut().insert(protocol);
    }
    request
}

/// The `:protocol` of an extended CONNECT (RFC 8441), as hyper's or h2's request extension.
pub(super) fn protocol(head: &request::Parts) -> Option<h2::ext::Protocol> {
    let hypers = head.extensions.get::<hyper::ext::Protocol>();
    hypers.map(|protocol| protocol.as_str().into()).or_else(|| head.extensions.get().cloned())
}

/// Whether it is a CONNECT with a content-length, which has no meaning (RFC 9110, section 9.3.6).
pub(super) fn is_connect_with_content(head: &request::Parts) -> bool {
    head.method == Method::CONNECT && head.headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0")
}

/// Makes the request one for a connection of HTTP/1.1 to its origin, or to a proxy (RFC 9112, sections 3.2 and 7.2, as
/// hyper-util's client does it). Whether a Host header was added.
pub(super) fn for_http1<B>(request: &mut Request<B>, proxied: bool) -> Result<bool, Verdict> {
    let uri = request.uri();
    let Some(authority) = uri.authority() else {
        // The caller has done it.
        return Ok(false);
    };
    let default_port = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    let host = match authority.port_u16().filter(|port| *port != default_port) {
        Some(port) => HeaderValue::try_from(format!("{}:{port}", authority.host())),
        None => HeaderValue::from_str(authority.host()),
    };
    let host = host.map_err(|error| Error::request("its host is no header's value").because(error))?;
    let mut parts = Parts::default();
    if request.method() == Method::CONNECT {
        parts.authority = Some(authority.clone());
    } else if proxied {
        parts = uri.clone().into_parts();
    } else {
        parts.path_and_query = uri.path_and_query().cloned();
    }
    let target = if parts.path_and_query.is_none() && parts.authority.is_none() {
        Ok(Uri::default())
    } else {
        Uri::from_parts(parts)
    };
    let target = target.map_err(|error| Error::request("its URI has no form for HTTP/1.1").because(error))?;
    *request.uri_mut() = target;
    let missing = !request.headers().contains_key(HOST);
    if missing {
        request.headers_mut().insert(HOST, host);
    }
    Ok(missing)
}

/// Leaves the fields out that speak of one connection only.
pub(super) fn strip(headers: &mut HeaderMap) {
    for field in &CONNECTION_FIELDS {
        headers.remove(field);
    }
    if headers.get(TE).is_some_and(|te| te != "trailers") {
        headers.remove(TE);
    }
    while let Some(named) = headers.remove(CONNECTION) {
        for name in named.to_str().unwrap_or_default().split(',') {
            headers.remove(name.trim());
        }
    }
}

/// Methods whose requests say that they have no content, when they have none (RFC 9110, section 8.6).
fn has_content(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::DELETE | Method::CONNECT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(request: http::request::Builder, length: u64) -> HeaderMap {
        let (head, ()) = request.uri("http://host/").body(()).unwrap().into_parts();
        outgoing(&head, &SizeHint::with_exact(length)).into_parts().0.headers
    }

    #[test]
    fn fields_of_the_connection_are_left_out() {
        let request = Request::get("/")
            .header("connection", "close, x-mine")
            .header("x-mine", "1")
            .header("keep-alive", "timeout=5")
            .header("proxy-connection", "keep-alive")
            .header("transfer-encoding", "chunked")
            .header("upgrade", "websocket")
            .header("te", "gzip")
            .header("x-yours", "2");
        let headers = sent(request, 0);
        assert_eq!(headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["x-yours"]);
        assert_eq!(sent(Request::get("/").header("te", "trailers"), 0)["te"], "trailers");
    }

    #[test]
    fn http1_has_the_path_and_the_host() {
        for (method, uri, proxied, target, host) in [
            ("GET", "http://host/a?b", false, "/a?b", "host"),
            ("GET", "http://host:80/", false, "/", "host"),
            ("GET", "https://host:8443", false, "/", "host:8443"),
            ("GET", "http://host/a", true, "http://host/a", "host"),
            ("CONNECT", "host:443", false, "host:443", "host:443"),
        ] {
            let mut request = Request::builder().method(method).uri(uri).body(()).unwrap();
            assert!(for_http1(&mut request, proxied).unwrap());
            let seen = (request.uri().to_string(), request.headers()[HOST].to_str().unwrap());
            assert_eq!((seen.0.as_str(), seen.1), (target, host));
        }
        let mut request = Request::get("http://host/").header("host", "other").body(()).unwrap();
        assert!(!for_http1(&mut request, false).unwrap());
        assert_eq!(request.headers()[HOST], "other");
    }

    #[test]
    fn the_length_is_told_where_it_means_something() {
        assert_eq!(sent(Request::post("/"), 0)["content-length"], "0");
        assert_eq!(sent(Request::get("/"), 3)["content-length"], "3");
        assert!(!sent(Request::get("/"), 0).contains_key("content-length"));
        assert_eq!(sent(Request::put("/").header("content-length", "7"), 3)["content-length"], "7");
    }
}
