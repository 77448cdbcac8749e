//! Bare hyper-util clients, as people have them before they add this crate.

use super::tls::Trusting as _;
use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body::Body;
use http_body_util::Full;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Builder, Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

use super::{REQUEST_ID, tls::Identity};

/// A TCP connector without Nagle's delay.
pub fn http_connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.enforce_http(false);
    connector
}

/// A client for HTTP/2 with prior knowledge, in the clear.
pub fn h2<B>() -> Client<HttpConnector, B>
where
    B: Body + Send,
    B::Data: Send,
{
    builder().http2_only(true).build(http_connector())
}

/// A client for HTTP/1.1 in the clear.
pub fn h1<B>() -> Client<HttpConnector, B>
where
    B: Body + Send,
    B::Data: Send,
{
    builder().build(http_connector())
}

/// A client for https that trusts `identity` only and takes HTTP/2 or HTTP/1.1, as ALPN has it.
pub fn https<B>(identity: &Identity) -> Client<HttpsConnector<HttpConnector>, B>
where
    B: Body + Send,
    B::Data: Send,
{
    builder().build(identity.connector())
}

/// What these clients are made with.
pub fn builder() -> Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.timer(TokioTimer::new());
    builder
}

/// A GET with an id.
pub fn get(uri: Uri, id: &str) -> Request<Full<Bytes>> {
    request(Method::GET, uri, id, Bytes::new())
}

/// A POST with an id. An empty body is a POST that the GOAWAY race can hit.
pub fn post(uri: Uri, id: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    request(Method::POST, uri, id, body)
}

/// A request with an id.
pub fn request(method: Method, uri: Uri, id: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(uri).header(REQUEST_ID, id);
    request.body(Full::new(body.into())).expect("a method, a uri and an id")
}

/// reqwest, without its own retry, without proxies, whatever the environment says, and with trust in nobody.
pub fn reqwest() -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder().no_proxy().retry(reqwest::retry::never());
    builder.tls_backend_preconfigured(super::tls::trust_nobody())
}
