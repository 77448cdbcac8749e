//! Which requests can go over HTTP/1.1, and what has to be said differently there.

use http::header::{CONNECTION, COOKIE, HeaderName, TE};
use http::{Extensions, HeaderMap, HeaderValue, Method, Version};

use crate::retry::IDEMPOTENT_METHODS;
use crate::retry::grpc::is_grpc;

/// Fields about one connection, which HTTP/2 does not have (RFC 9113, section 8.2.2): what of them was meant for another
/// connection, or for nobody, must not come to life on this one.
const OF_ANOTHER_CONNECTION: [HeaderName; 3] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
];

/// Over what a request may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// HTTP/2 only.
    Http2,
    /// Either. It may be lost without harm, since it can be sent again.
    Spared,
    /// Either. Lost, it may not be sent again.
    Nothing,
}

/// What a request needs.
pub(crate) fn need(method: &Method, version: Version, headers: &HeaderMap, extensions: &Extensions) -> Need {
    if needs_http2(method, version, headers, extensions) {
        Need::Http2
    } else if IDEMPOTENT_METHODS.contains(method) {
        Need::Spared
    } else {
        Need::Nothing
    }
}

/// Whether it needs HTTP/2: it says so, it is a gRPC call, or an extended CONNECT (RFC 8441). A plain CONNECT is a tunnel, and
/// stays where it is.
fn needs_http2(method: &Method, version: Version, headers: &HeaderMap, extensions: &Extensions) -> bool {
    version == Version::HTTP_2
        || *method == Method::CONNECT
        || extensions.get::<hyper::ext::Protocol>().is_some()
        || is_grpc(headers)
}

/// Makes the fields fit for HTTP/1.1 (RFC 9110, section 7.6.1). The client sets `Host`.
pub(crate) fn prepare(headers: &mut HeaderMap) {
    for name in OF_ANOTHER_CONNECTION {
        headers.remove(name);
    }
    // `TE: trailers` may stand alone in HTTP/2. In HTTP/1.1 it is said to the next hop only (RFC 9110, section 10.1.4).
    if headers.contains_key(TE) && !lists(headers, TE.as_str()) {
        headers.append(CONNECTION, HeaderValue::from_static("te"));
    }
    join_cookies(headers);
}

/// HTTP/2 may have a field for each cookie, HTTP/1.1 has one for all (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let all: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if all.len() < 2 {
        return;
    }
    let joined = HeaderValue::from_bytes(&all.join(&b"; "[..]));
    let secret = headers.get_all(COOKIE).iter().any(HeaderValue::is_sensitive);
    // Parts of fields make a field.
    if let Ok(mut joined) = joined {
        joined.set_sensitive(secret);
        headers.insert(COOKIE, joined);
    }
}

/// Whether `Connection` has this option.
fn lists(headers: &HeaderMap, option: &str) -> bool {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|known| known.trim().eq_ignore_ascii_case(option))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn needs(request: http::request::Builder) -> bool {
        let (head, ()) = request.body(()).unwrap().into_parts();
        needs_http2(&head.method, head.version, &head.headers, &head.extensions)
    }

    /// X3: what needs HTTP/2 is told by its head.
    #[test]
    fn some_requests_need_http2() {
        assert!(needs(Request::get("/").version(Version::HTTP_2)));
        assert!(needs(Request::post("/").header("content-type", "application/grpc+proto")));
        assert!(needs(Request::connect("/").extension(hyper::ext::Protocol::from_static("websocket"))));
        assert!(needs(Request::connect("example.com:443")));
        assert!(!needs(Request::get("/")));
        for other in ["application/json", "application/grpc-web+proto"] {
            assert!(!needs(Request::post("/").header("content-type", other)), "{other}");
        }
    }

    fn prepared(fields: &[(&'static str, &'static str)]) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        prepare(&mut headers);
        headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
    }

    fn own(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// X5: fields about one connection.
    #[test]
    fn fields_of_a_connection_are_put_right() {
        assert_eq!(
            prepared(&[("te", "trailers"), ("a", "b")]),
            own(&[("te", "trailers"), ("a", "b"), ("connection", "te")])
        );
        let said = [("te", "trailers"), ("connection", "close, TE")];
        assert_eq!(prepared(&said), own(&said));
        assert_eq!(prepared(&[("keep-alive", "5"), ("proxy-connection", "x"), ("http2-settings", "AAMAAABk")]), []);
        assert_eq!(prepared(&[("host", "a"), ("x", "y")]), own(&[("host", "a"), ("x", "y")]));
    }

    /// X5: cookies that HTTP/2 has apart.
    #[test]
    fn cookies_are_joined() {
        assert_eq!(
            prepared(&[("cookie", "a=b"), ("x", "y"), ("cookie", "c=d; e=f"), ("cookie", "g=h")]),
            own(&[("cookie", "a=b; c=d; e=f; g=h"), ("x", "y")])
        );
        for one in [[("cookie", "a=b; c=d")], [("x", "y")]] {
            assert_eq!(prepared(&one), own(&one));
        }
        let mut headers = HeaderMap::new();
        let mut secret = HeaderValue::from_bytes(b"c=\xff").unwrap();
        secret.set_sensitive(true);
        headers.append(COOKIE, HeaderValue::from_static("a=b"));
        headers.append(COOKIE, secret);
        prepare(&mut headers);
        assert_eq!(headers[COOKIE].as_bytes(), b"a=b; c=\xff");
        assert!(headers[COOKIE].is_sensitive(), "as one of them was");
    }
}
