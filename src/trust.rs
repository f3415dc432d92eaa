//! Who may publish what: the only way from an upload to a bundle that may run.
//!
//! [`verify`], in two steps [`examine`] and [`Examination::decide`], is the one
//! constructor of [`VerifiedBundle`] and [`QuarantinedBundle`]. `examination`
//! looks at the bytes, `signatures` at who signed them (`envelope` and
//! `statement` are the format, `foreign` names the formats of others),
//! `key_ring` at whose keys count, and `policy` decides. `report` is what it says
//! to people and machines. `published` looks at signatures that come later, and
//! `attachment` at other files beside a bundle.

mod attachment;
mod envelope;
mod examination;
#[cfg(test)]
mod fixtures;
mod foreign;
mod key_ring;
pub mod keys;
mod pem;
mod policy;
mod published;
mod report;
mod signatures;
pub mod statement;
mod strict_json;
mod trust_bundle;
mod verification;

pub use attachment::{AttachmentProblem, Recognized, recognize};
pub use envelope::MAX_ENVELOPE_BYTES;
pub use policy::{Facts, RegistryFacts};
pub use published::{PublishedSignature, examine_signature};
pub use report::{Check, CheckResult, CheckStatus, Report, ReportedExtension, Verdict};
pub use trust_bundle::{TrustBundle, TrustBundleError, TrustBundleStatus};
pub use verification::{
    Examination, ExaminedBundle, QuarantinedBundle, StagedUpload, Verification, VerifiedBundle,
    examine, verify,
};
