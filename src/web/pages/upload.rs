//! Choosing a bundle and its signatures: `/admin/upload`.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use jiff::Timestamp;

use super::attachments::title;
use super::show::{chrome, page, publish_command, upload_limits};
use super::upgrade::barred;
use super::{
    ByteSize, CheckMark, CheckRow, Chrome, FormErrors, InstallForm, Moment, NextStep, Outcome,
    OutcomePage, Remedy,
};
use crate::app::App;
use crate::app::attachments::AttachmentError;
use crate::app::publish::{PublishError, Published};
use crate::app::sign_in::csrf_fits;
use crate::model::{AttachmentKind, ExtensionVersion, Upload, UploadId};
use crate::trust::Report;
use crate::web::bundle_form::BundleForm;
use crate::web::error::ApiError;
use crate::web::extract::{Answer, SignedIn};
use crate::web::multipart::MultipartForm;

/// Posts multipart to `/admin/upload`: `csrf_token` first, then `bundle`, any number of
/// `signature`, and perhaps `sbom` and `provenance`. A file field that was left empty arrives
/// as a part without bytes.
#[derive(Debug, Template)]
#[template(path = "pages/upload.html")]
pub struct UploadPage {
    pub chrome: Chrome,
    pub errors: FormErrors,
    /// The command line that publishes to this appliance, ready to copy.
    pub publish_command: String,
    pub limits: UploadLimits,
    /// What this operator has begun to send and not finished.
    pub kept: Vec<KeptUpload>,
}

/// How large the files of the form may be.
#[derive(Clone, Debug)]
pub struct UploadLimits {
    pub bundle: ByteSize,
    /// The same for the script, which refuses a larger one before it is sent.
    pub bundle_bytes: u64,
    /// An SBOM or a provenance.
    pub attachment: ByteSize,
}

/// An upload that can go on once its file is chosen again.
#[derive(Clone, Debug)]
pub struct KeptUpload {
    pub id: UploadId,
    pub filename: String,
    pub received: ByteSize,
    pub length: ByteSize,
    pub expires: Moment,
    /// Whether the sender said which bytes it is: only then is it known which file fits.
    pub is_known: bool,
}

impl KeptUpload {
    fn new(upload: Upload, now: Timestamp) -> Self {
        Self {
            id: upload.id,
            filename: upload.filename,
            received: ByteSize::new(upload.offset),
            length: ByteSize::new(upload.length),
            expires: Moment::new(upload.expires_at, now),
            is_known: upload.declared_hash.is_some(),
        }
    }
}

/// `/admin/upload`
pub(in crate::web) async fn show_upload(State(app): State<Arc<App>>, who: SignedIn) -> Answer {
    page(&upload_page(&app, &who, FormErrors::none()).await?)
}

async fn upload_page(
    app: &App,
    who: &SignedIn,
    errors: FormErrors,
) -> Result<UploadPage, ApiError> {
    let now = app.clock.now();
    let begun = app.list_uploads(&who.principal).await?.into_iter();
    // This page cannot go on with what goes to the store.
    let kept = begun.filter(|row| !row.finished && row.presigned.is_none());
    Ok(UploadPage {
        chrome: chrome(app, who, "upload"),
        errors,
        publish_command: publish_command(app),
        limits: upload_limits(app),
        kept: kept.map(|row| KeptUpload::new(row, now)).collect(),
    })
}

/// Receives, verifies and publishes; shows the report, whatever it says.
pub(in crate::web) async fn submit_upload(
    State(app): State<Arc<App>>,
    who: SignedIn,
    form: MultipartForm,
) -> Answer {
    let mut token_fits = false;
    let token = &who.csrf_token;
    let form = BundleForm::receive(&app, &who.principal, form, |name, value| match name {
        "csrf_token" => {
            token_fits = csrf_fits(token, value);
            Ok(())
        }
        // Before a byte of the bundle is taken: the token's field comes first.
        "bundle" if !token_fits => Err(ApiError::cross_site()),
        _ => Ok(()),
    })
    .await?;
    let BundleForm { staged, signatures, declared, attachments } = form;
    let (size, kinds) = (staged.size, attachments.iter().map(|sent| sent.kind).collect());
    let published = app
        .publish_with_attachments(&who.principal, staged, signatures, declared, attachments)
        .await;
    let (status, outcome, report, next) = match published {
        Ok((Published::Registered { version, created, report }, _)) => {
            let outcome = if created { Outcome::Created } else { Outcome::Unchanged };
            (StatusCode::OK, outcome, report, next_step(&app, &who, &version).await?)
        }
        Ok((Published::Quarantined { report, .. }, _)) => {
            (StatusCode::ACCEPTED, Outcome::Quarantined, report, NextStep::Nothing)
        }
        Err(AttachmentError::Publish(PublishError::Rejected(report))) => {
            (StatusCode::UNPROCESSABLE_ENTITY, Outcome::Rejected, *report, NextStep::Nothing)
        }
        Err(AttachmentError::Publish(PublishError::NotChecked(report))) => {
            (StatusCode::SERVICE_UNAVAILABLE, Outcome::NotChecked, *report, NextStep::Nothing)
        }
        Err(AttachmentError::Invalid { kind, problem }) => {
            let message =
                format!("{} was not accepted: {problem}. Nothing was published.", title(kind));
            let errors = FormErrors::one(kind.as_str(), message);
            let answer = page(&upload_page(&app, &who, errors).await?)?;
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, answer).into_response());
        }
        Err(error) => return Err(error.into()),
    };
    let shown = Shown { outcome, report, next, size, attachments: kinds };
    let answer = page(&shown.page(&app, &who))?;
    Ok((status, answer).into_response())
}

/// An outcome on its way to its page.
struct Shown {
    outcome: Outcome,
    report: Report,
    next: NextStep,
    size: u64,
    attachments: Vec<AttachmentKind>,
}

impl Shown {
    fn page(self, app: &App, who: &SignedIn) -> OutcomePage {
        let Report { content_hash, extension, checks, .. } = &self.report;
        let remedies = match self.outcome {
            Outcome::Quarantined => remedies(&self.report),
            Outcome::Created | Outcome::Unchanged | Outcome::Rejected | Outcome::NotChecked => {
                Vec::new()
            }
        };
        OutcomePage {
            chrome: chrome(app, who, "upload"),
            outcome: self.outcome,
            extension: extension.as_ref().map(|found| (found.name.clone(), found.version.clone())),
            content_hash: (*content_hash).into(),
            size: ByteSize::new(self.size),
            attachments: self.attachments,
            checks: checks.iter().map(CheckRow::from).collect(),
            next: self.next,
            remedies,
        }
    }
}

async fn next_step(
    app: &App,
    who: &SignedIn,
    version: &ExtensionVersion,
) -> Result<NextStep, ApiError> {
    let installs = app.list_installs(&who.principal);
    let own = installs.iter().map(|row| &row.install).find(|own| own.name == version.name);
    if own.is_some_and(|own| own.version == version.version) {
        return Ok(NextStep::Installed);
    }
    if let Some(yank) = app.yank_of(&version.name, &version.version).await? {
        return Ok(NextStep::Barred(barred(&yank)));
    }
    Ok(match own {
        None => NextStep::Install(InstallForm::new(&version.manifest)),
        Some(own) => NextStep::Upgrade { install: own.id, from: own.version.clone() },
    })
}

/// The three ways out of quarantine.
fn remedies(report: &Report) -> Vec<Remedy> {
    let remedy =
        |text: &str, command: String| Remedy { text: text.to_owned(), command: Some(command) };
    let hash = report.content_hash;
    let first = match &report.extension {
        Some(found) if !report.is_unsigned() => remedy(
            "Trust the signer's key for this name, then upload the bundle again:",
            format!("plugboard trust add signer.pub --name \"the signer\" --scope {}", found.name),
        ),
        Some(_) | None => remedy(
            "Sign it with a key that is trusted, then upload the bundle again with its signature:",
            "plugboard sign bundle.tar.zst --key signer.key".to_owned(),
        ),
    };
    vec![
        first,
        remedy(
            "Attach a signature of a trusted key; the content hash stays the same:",
            format!("plugboard quarantine attach {hash} bundle.dsse.json"),
        ),
        remedy(
            "Approve exactly this bundle as a named exception:",
            format!("plugboard quarantine approve {hash} --reason \"why\""),
        ),
    ]
}
