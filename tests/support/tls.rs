//! A throw-away certificate for the loopback addresses, and both sides' configuration for it.

use std::sync::Arc;

use http::{Uri, uri::Scheme};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio_rustls::TlsAcceptor;
use tower::util::MapRequest;

/// ALPN's name for HTTP/2.
pub const H2: &[u8] = b"h2";

/// ALPN's name for HTTP/1.1.
pub const HTTP_1_1: &[u8] = b"http/1.1";

/// A self-signed certificate for `localhost` and 127.0.0.1 to 127.0.0.8. Made anew by each call of
/// [`Identity::new`], so that nothing secret lies in the repository and nothing expires.
#[derive(Clone, Debug)]
pub struct Identity(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    certificate: CertificateDer<'static>,
    pem: String,
    key_pem: String,
    key: PrivateKeyDer<'static>,
}

impl Default for Identity {
    fn default() -> Self {
        Self::new()
    }
}

impl Identity {
    /// Makes a new key and certificate.
    pub fn new() -> Self {
        let addresses = (1..=8).map(|last| format!("127.0.0.{last}"));
        let names: Vec<String> = addresses.chain(["localhost".to_owned()]).collect();
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate for fixed names");
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let (pem, key_pem) = (made.cert.pem(), made.signing_key.serialize_pem());
        Self(Arc::new(Inner { certificate: made.cert.der().clone(), pem, key_pem, key }))
    }

    /// The certificate, in DER.
    pub fn certificate(&self) -> &[u8] {
        &self.0.certificate
    }

    /// The certificate as a PEM file holds it, for programs that take one.
    pub fn pem(&self) -> &str {
        &self.0.pem
    }

    /// The key likewise.
    pub fn key_pem(&self) -> &str {
        &self.0.key_pem
    }

    /// The server's side, offering these protocols ([`H2`], [`HTTP_1_1`]).
    pub fn server_config(&self, alpn: &[&[u8]]) -> ServerConfig {
        let builder = ServerConfig::builder_with_provider(ring::default_provider().into());
        let builder = builder.with_safe_default_protocol_versions().expect("ring knows TLS 1.2 and 1.3");
        let mut config = builder
            .with_no_client_auth()
            .with_single_cert(vec![self.0.certificate.clone()], self.0.key.clone_key())
            .expect("a certificate and its own key");
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        config
    }

    /// The server's side, ready to accept.
    pub fn acceptor(&self, alpn: &[&[u8]]) -> TlsAcceptor {
        Arc::new(self.server_config(alpn)).into()
    }

    /// The client's side, which trusts this certificate and no other. It names no protocol: connectors set theirs.
    pub fn client_config(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.certificate.clone()).expect("a certificate of our own");
        trust(roots)
    }

    /// A connector for https and http, HTTP/2 and HTTP/1.1.
    pub fn connector(&self) -> HttpsConnector<HttpConnector> {
        self.connector_over(super::clients::http_connector())
    }

    /// The same for clients that speak of `http` to a connector that does TLS, as tonic has to.
    pub fn connector_for_http_uris(&self) -> MapRequest<HttpsConnector<HttpConnector>, fn(Uri) -> Uri> {
        let https = |uri: Uri| {
            let mut parts = uri.into_parts();
            parts.scheme = Some(Scheme::HTTPS);
            Uri::from_parts(parts).expect("the same with TLS")
        };
        MapRequest::new(self.connector(), https)
    }

    /// The first over a TCP connector of the test's own.
    pub fn connector_over<C>(&self, tcp: C) -> HttpsConnector<C> {
        let builder = HttpsConnectorBuilder::new().with_tls_config(self.client_config());
        builder.https_or_http().enable_http1().enable_http2().wrap_connector(tcp)
    }

    /// A connector for https and http that offers HTTP/1.1 only.
    pub fn connector_h1(&self) -> HttpsConnector<HttpConnector> {
        let builder = HttpsConnectorBuilder::new().with_tls_config(self.client_config());
        builder.https_or_http().enable_http1().wrap_connector(super::clients::http_connector())
    }
}

/// A connector for https and http over HTTP/2 that trusts this certificate, in DER, of another process.
pub fn trusting(certificate: &[u8]) -> HttpsConnector<HttpConnector> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(certificate.to_vec())).expect("a certificate");
    let builder = HttpsConnectorBuilder::new().with_tls_config(trust(roots));
    builder.https_or_http().enable_http2().wrap_connector(super::clients::http_connector())
}

/// The client's side that trusts no certificate at all.
pub fn trust_nobody() -> ClientConfig {
    trust(RootCertStore::empty())
}

fn trust(roots: RootCertStore) -> ClientConfig {
    // The provider is named, because a process default can be set only once, and is not ours to set.
    let builder = ClientConfig::builder_with_provider(ring::default_provider().into());
    let builder = builder.with_safe_default_protocol_versions().expect("ring knows TLS 1.2 and 1.3");
    builder.with_root_certificates(roots).with_no_client_auth()
}
