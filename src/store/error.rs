//! Why the store could not do what was asked.

use std::error::Error;
use std::{fmt, io};

/// What the store was at when it failed: the steps that a caller tells apart, and the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Asking whether an object is there, and how large it is.
    Look,
    Read,
    ReceiveUpload,
    ReadUpload,
    KeepArchive,
    KeepManifest,
    /// Keeping what lies beside those two.
    KeepObject,
    Other(&'static str),
}

/// A failure of the bundle store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("`{key}` is not in the bundle store")]
    NotFound { key: String },
    /// What is stored is not what the registry or the caller knows. Nothing of it was handed out.
    #[error("`{key}` in the bundle store is damaged: {problem}")]
    Integrity { key: String, problem: String },
    #[error("the bundle has more than {limit} bytes: {received} arrived")]
    TooLarge { limit: u64, received: u64 },
    /// The room for uploads and quarantined bundles together is used up.
    #[error("uploads and quarantined bundles hold {in_use} bytes; {limit} are allowed")]
    StagedFull { limit: u64, in_use: u64 },
    #[error("the disk is full: {free} bytes are free, {floor} are kept free")]
    DiskFull { free: u64, floor: u64 },
    /// One more waited for the end of another, and none came.
    #[error("{limit} uploads are being received, which is as many as there can be")]
    Busy { limit: usize },
    #[error("`store.base` is no key prefix: {problem}")]
    InvalidBase { problem: String },
    /// The disk or the object store did not answer, or the process is stopping.
    #[error("the bundle store cannot {doing}")]
    Unavailable {
        doing: Doing,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl From<&'static str> for Doing {
    fn from(step: &'static str) -> Self {
        Self::Other(step)
    }
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Look => "look for an object",
            Self::Read => "read an object",
            Self::ReceiveUpload => "receive an upload",
            Self::ReadUpload => "read an upload",
            Self::KeepArchive => "keep a bundle",
            Self::KeepManifest => "keep a manifest",
            Self::KeepObject => "keep an object",
            Self::Other(step) => step,
        })
    }
}

impl StoreError {
    pub(super) fn unavailable(
        doing: impl Into<Doing>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Unavailable { doing: doing.into(), source: source.into() }
    }

    /// For `map_err`: an I/O error met while doing something.
    pub(super) fn io(doing: impl Into<Doing>) -> impl Fn(io::Error) -> Self {
        let doing = doing.into();
        move |error| {
            if is_no_space(&error) {
                return Self::DiskFull { free: 0, floor: 0 };
            }
            Self::unavailable(doing, error)
        }
    }

    /// Whether the object is at fault and not the way to it: then there may be another way.
    pub(super) fn is_about_the_object(&self) -> bool {
        matches!(self, Self::NotFound { .. } | Self::Integrity { .. })
    }

    pub(super) fn integrity(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Integrity { key: key.into(), problem: problem.into() }
    }

    /// An error of the object store.
    pub(super) fn object(doing: impl Into<Doing>, error: object_store::Error) -> Self {
        if let object_store::Error::NotFound { path, source } = &error
            // A bucket that is gone says nothing about the object.
            && !source.to_string().contains("NoSuchBucket")
        {
            return Self::NotFound { key: path.clone() };
        }
        if is_disk_full(&error) {
            return Self::DiskFull { free: 0, floor: 0 };
        }
        Self::unavailable(doing, error)
    }
}

/// What an S3 server said, or what stopped the way to it: the innermost cause.
///
/// Of an error document only its code: the rest can hold the access key.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    loop {
        if let Some(problem) = certificate_problem(innermost) {
            return problem.to_owned();
        }
        let Some(cause) = innermost.source() else { break };
        innermost = cause;
    }
    let text = innermost.to_string();
    let Some((before, document)) = text.split_once('<') else { return text };
    let code = document.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    let code =
        code.map(|(code, _)| code).filter(|code| code.bytes().all(|b| b.is_ascii_alphanumeric()));
    format!(
        "{}{}",
        before.trim_end_matches([' ', ':']),
        code.map_or_else(String::new, |code| format!(": {code}"))
    )
}

/// What is wrong with a server's certificate, where there is something to do about it.
fn certificate_problem(error: &(dyn Error + 'static)) -> Option<&'static str> {
    use rustls::CertificateError as Wrong;
    let problem = certificate_error(error)?;
    if matches!(problem, Wrong::UnknownIssuer) {
        return Some(
            "the server's certificate is by an authority that is not trusted here: put the \
             authority's certificate into `store.s3.ca_file`",
        );
    }
    if matches!(problem, Wrong::NotValidForName | Wrong::NotValidForNameContext { .. }) {
        return Some("the server's certificate is for another host than the endpoint names");
    }
    matches!(problem, Wrong::Expired | Wrong::ExpiredContext { .. })
        .then_some("the server's certificate has expired")
}

/// I/O errors, of which there can be several around it, show what they wrap as their own
/// text and not as their cause.
fn certificate_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::CertificateError> {
    if let Some(rustls::Error::InvalidCertificate(problem)) = error.downcast_ref() {
        return Some(problem);
    }
    certificate_error(error.downcast_ref::<io::Error>()?.get_ref()?)
}

/// The object store wraps the operating system's word for a full disk in causes of its own.
fn is_disk_full(error: &object_store::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(is_no_space) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_a_server_said_only_the_code_is_told() {
        let said = "Server returned non-2xx status code: 403 Forbidden: <?xml version=\"1.0\"?>\
                    <Error><Code>InvalidAccessKeyId</Code><AWSAccessKeyId>KEY</AWSAccessKeyId></Error>";
        let error = StoreError::unavailable("keep an object", said);

        let told = innermost(&error);

        assert_eq!(told, "Server returned non-2xx status code: 403 Forbidden: InvalidAccessKeyId");
    }

    #[test]
    fn what_is_wrong_with_a_certificate_is_found_however_deep_it_is() {
        use rustls::CertificateError::{Expired, Revoked, UnknownIssuer};
        let wrapped = |problem| {
            let error = rustls::Error::InvalidCertificate(problem);
            StoreError::unavailable("x", io::Error::other(io::Error::other(error)))
        };

        let told = innermost(&wrapped(UnknownIssuer));
        assert!(
            told.ends_with("put the authority's certificate into `store.s3.ca_file`"),
            "{told}"
        );
        assert_eq!(innermost(&wrapped(Expired)), "the server's certificate has expired");
        assert_eq!(innermost(&wrapped(Revoked)), "invalid peer certificate: Revoked");
    }

    #[test]
    fn an_error_without_a_document_is_told_whole() {
        let error = StoreError::unavailable("keep an object", "Connection refused (os error 111)");

        assert_eq!(innermost(&error), "Connection refused (os error 111)");
    }
}
