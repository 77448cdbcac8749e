//! Clients' side of TLS for the certificates of the servers here.

use std::sync::Arc;

use http::{Uri, uri::Scheme};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio_rustls::TlsAcceptor;
use tower::util::MapRequest;

pub use tower_redial::test_util::{H2, HTTP_1_1, Identity};

/// What trusts an [`Identity`] and nobody else.
pub trait Trusting {
    /// The client's side. It names no protocol: connectors set theirs.
    fn client_config(&self) -> ClientConfig;

    /// A connector for https and http, HTTP/2 and HTTP/1.1.
    fn connector(&self) -> HttpsConnector<HttpConnector> {
        self.connector_over(super::clients::http_connector())
    }

    /// The same for clients that speak of `http` to a connector that does TLS, as tonic has to.
    fn connector_for_http_uris(&self) -> MapRequest<HttpsConnector<HttpConnector>, fn(Uri) -> Uri> {
        let https = |uri: Uri| {
            let mut parts = uri.into_parts();
            parts.scheme = Some(Scheme::HTTPS);
            Uri::from_parts(parts).expect("the same with TLS")
        };
        MapRequest::new(self.connector(), https)
    }

    /// The first over a TCP connector of the test's own.
    fn connector_over<C>(&self, tcp: C) -> HttpsConnector<C> {
        let builder = HttpsConnectorBuilder::new().with_tls_config(self.client_config());
        builder.https_or_http().enable_http1().enable_http2().wrap_connector(tcp)
    }

    /// A connector for https and http that offers HTTP/1.1 only.
    fn connector_h1(&self) -> HttpsConnector<HttpConnector> {
        let builder = HttpsConnectorBuilder::new().with_tls_config(self.client_config());
        builder.https_or_http().enable_http1().wrap_connector(super::clients::http_connector())
    }
}

impl Trusting for Identity {
    fn client_config(&self) -> ClientConfig {
        trust([self.certificate()])
    }
}

/// A connector for https and http over HTTP/2 that trusts this certificate, in DER, of another process.
pub fn trusting(certificate: &[u8]) -> HttpsConnector<HttpConnector> {
    let builder = HttpsConnectorBuilder::new().with_tls_config(trust([certificate]));
    builder.https_or_http().enable_http2().wrap_connector(super::clients::http_connector())
}

/// The client's side that trusts no certificate at all.
pub fn trust_nobody() -> ClientConfig {
    trust([])
}

fn trust<const N: usize>(certificates: [&[u8]; N]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(CertificateDer::from(certificate.to_vec())).expect("a certificate");
    }
    // The provider is named, because a process default can be set only once, and is not ours to set.
    let builder = ClientConfig::builder_with_provider(ring::default_provider().into());
    let builder = builder.with_safe_default_protocol_versions().expect("ring knows TLS 1.2 and 1.3");
    builder.with_root_certificates(roots).with_no_client_auth()
}

/// A server's side of the test's own.
pub fn acceptor(identity: &Identity, alpn: &[&[u8]]) -> TlsAcceptor {
    let builder = ServerConfig::builder_with_provider(ring::default_provider().into());
    let builder = builder.with_safe_default_protocol_versions().expect("ring knows TLS 1.2 and 1.3");
    let certificate = CertificateDer::from(identity.certificate().to_vec());
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem().as_bytes()).expect("a key");
    let mut config =
        builder.with_no_client_auth().with_single_cert(vec![certificate], key).expect("a certificate and its own key");
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config).into()
}
