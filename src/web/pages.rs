//! The pages a person sees: plain view data, rendered by Askama.
//!
//! One file per page, with the same name in `templates/pages/`. A page decides
//! nothing: it is built from model values and says them in words. What several
//! pages share: [`Chrome`] (the frame around them), the figures of `figures`,
//! [`FormErrors`], [`CheckRow`] and [`CapabilityChoice`]; their markup is in
//! `templates/partials/`.

pub(super) mod attachments;
pub(super) mod audit;
mod authors;
mod capabilities;
mod checks;
mod chrome;
mod confirm;
pub(super) mod egress;
pub(super) mod extension;
pub(super) mod extensions;
pub(super) mod failure;
mod figures;
mod files;
mod form;
mod install_form;
pub(super) mod installs;
pub(super) mod learning;
pub(super) mod logs;
pub(super) mod open;
mod outcome;
pub(super) mod removal;
mod secret_row;
pub(super) mod secrets;
mod settings;
mod settings_form;
pub(super) mod setup;
mod show;
pub(super) mod sign_in;
pub(super) mod step_up;
pub(super) mod storage;
mod upgrade;
pub(super) mod upload;
mod usage;
mod versions;

pub use attachments::{AttachedText, AttachmentsPage, SignatureLine};
pub use audit::{AuditPage, AuditRow};
use authors::Authors;
pub use capabilities::{CapabilityChoice, CapabilityRow, Standing};
pub use checks::{CheckMark, CheckRow};
pub use chrome::{Chrome, Notice, Tone};
pub use confirm::ConfirmPage;
pub use egress::{EgressPage, RefusedRow};
pub use extension::{ExtensionHead, ExtensionPage};
pub use extensions::{ExtensionRow, ExtensionsPage, QuarantinedRow};
pub use failure::FailurePage;
pub use figures::{ByteSize, Moment, ShortHash, Status, counted};
pub use files::{FileRow, FilesPage, Pager};
pub use form::{FieldError, FormErrors};
pub use install_form::InstallForm;
pub use learning::{LearnedRow, LessonView};
pub use logs::{LogRow, LogsPage};
pub use open::{FrameAddress, OpenPage};
pub use outcome::{NextStep, Outcome, OutcomePage, Remedy};
pub use secret_row::SecretRow;
pub use secrets::SecretsPage;
pub use settings::{SettingChanges, SettingsPage};
pub use settings_form::{SettingField, SettingInput, SettingsForm};
pub use setup::SetupPage;
pub use sign_in::SignInPage;
pub use step_up::StepUpPage;
pub use storage::StoragePage;
pub use upgrade::UpgradePage;
pub use upload::{KeptUpload, UploadLimits, UploadPage};
pub use usage::{Bars, FailingNotice, Graph, UsageRow, UsageSpan, UsageView};
pub use versions::{RemovedRow, VersionRow, VersionStanding, VersionsPage};
