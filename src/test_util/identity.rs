//! A throw-away certificate for the loopback addresses.

use std::{fmt, sync::Arc};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
};

/// ALPN's name for HTTP/2 (RFC 9113, section 3.2).
pub const H2: &[u8] = b"h2";

/// ALPN's name for HTTP/1.1 (RFC 7301, section 6).
pub const HTTP_1_1: &[u8] = b"http/1.1";

/// A self-signed certificate for `localhost` and 127.0.0.1 to 127.0.0.8, and its key. Made anew by each call of
/// [`Identity::new`], so that nothing secret lies in a repository and nothing expires.
///
/// `Debug` does not show the key.
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

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
    #[must_use]
    pub fn new() -> Self {
        let addresses = (1..=8).map(|last| format!("127.0.0.{last}"));
        let names: Vec<String> = addresses.chain(["localhost".to_owned()]).collect();
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate for fixed names");
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let (pem, key_pem) = (made.cert.pem(), made.signing_key.serialize_pem());
        Self(Arc::new(Inner { certificate: made.cert.der().clone(), pem, key_pem, key }))
    }

    /// The certificate, in DER: what the client has to trust.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.0.certificate
    }

    /// The certificate as a PEM file holds it, for clients and programs that take one.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.0.pem
    }

    /// The key likewise.
    #[must_use]
    pub fn key_pem(&self) -> &str {
        &self.0.key_pem
    }

    /// The server's side, ready to accept, which offers these protocols by ALPN.
    pub(super) fn acceptor(&self, alpn: &[&[u8]]) -> TlsAcceptor {
        // The provider is named, because a process default can be set only once, and is not ours to set.
        let builder = ServerConfig::builder_with_provider(ring::default_provider().into());
        let builder = builder.with_safe_default_protocol_versions().expect("ring knows TLS 1.2 and 1.3");
        let mut config = builder
            .with_no_client_auth()
            .with_single_cert(vec![self.0.certificate.clone()], self.0.key.clone_key())
            .expect("a certificate and its own key");
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(config).into()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("pem", &self.0.pem).finish_non_exhaustive()
    }
}
