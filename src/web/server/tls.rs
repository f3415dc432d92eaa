//! HTTPS from a certificate and a key in files.

use std::{io, path::PathBuf, sync::Arc};

use jiff::Timestamp;
use rustls::{
    ServerConfig as RustlsConfig,
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};
use tokio_rustls::TlsAcceptor;
use x509_parser::parse_x509_certificate;

use crate::config::TlsConfig;

/// Why the certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{} cannot be read", file.display())]
    Read { file: PathBuf, source: io::Error },
    #[error("{} holds no PEM {what}", file.display())]
    Pem { file: PathBuf, what: &'static str, source: pem::Error },
    #[error("{} and {} do not make a working pair", cert_file.display(), key_file.display())]
    Pair { cert_file: PathBuf, key_file: PathBuf, source: rustls::Error },
}

/// What is answered by HTTPS with.
pub(super) struct Tls {
    pub(super) acceptor: TlsAcceptor,
    /// When the certificate ends. `None` where that is not said, or in the year 9999, which
    /// stands for never.
    pub(super) ends_at: Option<Timestamp>,
}

/// Reads both files.
pub(super) fn read(config: &TlsConfig) -> Result<Tls, TlsError> {
    let TlsConfig { cert_file, key_file } = config.clone();
    let chain = CertificateDer::pem_file_iter(&cert_file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .and_then(|chain| if chain.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(chain) })
        .map_err(|error| broken(&cert_file, "certificate", error))?;
    let key = PrivateKeyDer::from_pem_file(&key_file)
        .map_err(|error| broken(&key_file, "private key", error))?;

    // The first one is the server's own.
    let ends_at = chain.first().and_then(ends_at);
    let pair = |source| TlsError::Pair { cert_file, key_file, source };
    // The provider is named: two are compiled in, and rustls would not choose.
    let mut server = RustlsConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(pair)?;
    // A client that offers only h2 is refused in the handshake.
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Tls { acceptor: TlsAcceptor::from(Arc::new(server)), ends_at })
}

fn ends_at(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let (_, certificate) = parse_x509_certificate(certificate).ok()?;
    Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
}

fn broken(file: &std::path::Path, what: &'static str, error: pem::Error) -> TlsError {
    let file = file.to_owned();
    if let pem::Error::Io(source) = error {
        TlsError::Read { file, source }
    } else {
        TlsError::Pem { file, what, source: error }
    }
}
