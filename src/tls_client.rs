//! TLS to servers that this program calls: whom it trusts, and with which algorithms.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, pem, pem::PemObject};
use rustls::{ClientConfig, RootCertStore, crypto::ring};

/// A file of certificates of authorities cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaFileError {
    #[error(transparent)]
    Pem(#[from] pem::Error),
    #[error("it has no PEM certificate")]
    Empty,
    #[error(transparent)]
    Certificate(#[from] rustls::Error),
}

/// The authorities of the system, because an operator who trusts a private one puts it
/// there, and those of `ca_file`; an empty path: none beside them.
pub fn roots(ca_file: &Path) -> Result<RootCertStore, CaFileError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if ca_file.as_os_str().is_empty() {
        return Ok(roots);
    }
    let pem = CertificateDer::pem_file_iter(ca_file)?.collect::<Result<Vec<_>, _>>()?;
    if pem.is_empty() {
        return Err(CaFileError::Empty);
    }
    for certificate in pem {
        roots.add(certificate)?;
    }
    Ok(roots)
}

/// A client that trusts `roots` and nobody else.
pub fn config(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    // The provider is named: two are compiled in, and rustls would not choose.
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
