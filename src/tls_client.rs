//! TLS to servers that this program calls: whom it trusts, and with which algorithms.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::pki_types::{CertificateDer, pem, pem::PemObject};
use rustls::{ClientConfig, RootCertStore, crypto::ring};

/// A file of certificates of authorities cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", file.display())]
pub struct CaFileError {
    file: PathBuf,
    fault: CaFileFault,
}

#[derive(Debug, thiserror::Error)]
enum CaFileFault {
    #[error(transparent)]
    Pem(#[from] pem::Error),
    #[error("it has no PEM certificate")]
    Empty,
    #[error(transparent)]
    Certificate(#[from] rustls::Error),
}

/// Makes connections by `tcp`, with encryption or without, as an address says.
///
/// # Panics
///
/// As [`config`].
pub fn connector<R>(
    mut tcp: HttpConnector<R>,
    roots: RootCertStore,
) -> HttpsConnector<HttpConnector<R>> {
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let builder = HttpsConnectorBuilder::new().with_tls_config(config(roots));
    builder.https_or_http().enable_http1().wrap_connector(tcp)
}

/// As [`roots`]; none where nothing `is_encrypted`: nobody's word is needed then, reading all
/// of theirs takes time, and a system without authorities works, too.
pub fn roots_if(is_encrypted: bool, ca_file: &Path) -> Result<RootCertStore, CaFileError> {
    if is_encrypted { roots(ca_file) } else { Ok(RootCertStore::empty()) }
}

/// The authorities of the system, because an operator who trusts a private one puts it
/// there, and those of `ca_file`; an empty path: none beside them.
pub fn roots(ca_file: &Path) -> Result<RootCertStore, CaFileError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if !ca_file.as_os_str().is_empty() {
        add(&mut roots, ca_file)
            .map_err(|fault| CaFileError { file: ca_file.to_owned(), fault })?;
    }
    Ok(roots)
}

fn add(roots: &mut RootCertStore, ca_file: &Path) -> Result<(), CaFileFault> {
    let pem = CertificateDer::pem_file_iter(ca_file)?.collect::<Result<Vec<_>, _>>()?;
    if pem.is_empty() {
        return Err(CaFileFault::Empty);
    }
    for certificate in pem {
        roots.add(certificate)?;
    }
    Ok(())
}

/// A client that trusts `roots` and nobody else.
///
/// # Panics
///
/// If `ring` had no algorithms for TLS 1.2 and 1.3, which it has.
pub fn config(roots: RootCertStore) -> ClientConfig {
    // The provider is named: two are compiled in, and rustls would not choose.
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has algorithms for both versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
