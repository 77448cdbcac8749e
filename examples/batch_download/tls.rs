//! Whom to trust.

use std::path::Path;

use hyper_rustls::ConfigBuilderExt;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use tower::BoxError;

/// Trusts the certificates in `cacert`, or without one those that browsers trust.
pub(crate) fn config(cacert: Option<&Path>) -> Result<ClientConfig, BoxError> {
    // The provider is named, because rustls can be built with several, and then has no default.
    let builder = ClientConfig::builder_with_provider(ring::default_provider().into());
    let builder = builder.with_safe_default_protocol_versions()?;
    let Some(path) = cacert else {
        return Ok(builder.with_webpki_roots().with_no_client_auth());
    };
    let wrong = |what: &dyn std::fmt::Display| format!("--cacert: {}: {what}", path.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))? {
        roots.add(certificate.map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))?;
    }
    if roots.is_empty() {
        return Err(wrong(&"no certificate in it").into());
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
