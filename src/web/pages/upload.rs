//! Choosing a bundle and its signatures: `/admin/upload`.

use super::show::{chrome, page, publish_command, upload_limit};
use super::{CheckMark, CheckRow, InstallForm, NextStep, Outcome, OutcomePage, Remedy};
use crate::app::App;
use crate::app::publish::{PublishError, Published};
use crate::app::sign_in::csrf_fits;
use crate::model::ExtensionVersion;
use crate::trust::Report;
use crate::web::api::bundles::BundleForm;
use crate::web::error::ApiError;
use crate::web::extract::{Answer, MultipartForm, SignedIn};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use std::sync::Arc;

use super::{ByteSize, Chrome, FormErrors};

/// Posts multipart to `/admin/upload`: `csrf_token` first, then `bundle` and any number of
/// `signature`. A file field that was left empty arrives as a part without bytes.
#[derive(Debug, Template)]
#[template(path = "pages/upload.html")]
pub struct UploadPage {
    pub chrome: Chrome,
    pub errors: FormErrors,
    /// The command line that publishes to this appliance, ready to copy.
    pub publish_command: String,
    /// The largest bundle.
    pub upload_limit: ByteSize,
    /// The same for the script, which refuses a larger one before it is sent.
    pub upload_limit_bytes: u64,
}

/// `/admin/upload`
pub(in crate::web) async fn show_upload(State(app): State<Arc<App>>, who: SignedIn) -> Answer {
    page(&UploadPage {
        chrome: chrome(&app, &who, "upload"),
        errors: FormErrors::none(),
        publish_command: publish_command(&app),
        upload_limit: upload_limit(&app),
        upload_limit_bytes: app.config.store.max_bundle_bytes,
    })
}

/// Receives, verifies and publishes; shows the report, whatever it says.
pub(in crate::web) async fn submit_upload(
    State(app): State<Arc<App>>,
    who: SignedIn,
    MultipartForm(form): MultipartForm,
) -> Answer {
    let mut token_fits = false;
    let token = &who.csrf_token;
    let upload = BundleForm::receive(&app, &who.principal, form, |name, value| match name {
        "csrf_token" => {
            token_fits = csrf_fits(token, value);
            Ok(())
        }
        // Before a byte of the bundle is taken: the token's field comes first.
        "bundle" if !token_fits => Err(ApiError::cross_site()),
        _ => Ok(()),
    })
    .await?;
    let size = upload.staged.size;
    let published = app.publish(&who.principal, upload.staged, upload.signatures, None).await;
    let (status, shown) = match published {
        Ok(Published::Registered { version, created, report }) => {
            let outcome = if created { Outcome::Created } else { Outcome::Unchanged };
            let next = next_step(&app, &who, &version);
            (StatusCode::OK, Shown { outcome, report, next })
        }
        Ok(Published::Quarantined { report, .. }) => {
            let next = NextStep::Nothing;
            (StatusCode::ACCEPTED, Shown { outcome: Outcome::Quarantined, report, next })
        }
        Err(PublishError::Rejected(report)) => {
            let (outcome, next) = (Outcome::Rejected, NextStep::Nothing);
            (StatusCode::UNPROCESSABLE_ENTITY, Shown { outcome, report: *report, next })
        }
        Err(PublishError::NotChecked(report)) => {
            let (outcome, next) = (Outcome::NotChecked, NextStep::Nothing);
            (StatusCode::SERVICE_UNAVAILABLE, Shown { outcome, report: *report, next })
        }
        Err(error) => return Err(error.into()),
    };
    let answer = page(&shown.page(&app, &who, size))?;
    Ok((status, answer).into_response())
}

/// An outcome on its way to its page.
struct Shown {
    outcome: Outcome,
    report: Report,
    next: NextStep,
}

impl Shown {
    fn page(self, app: &App, who: &SignedIn, size: u64) -> OutcomePage {
        let Report { content_hash, extension, checks, .. } = &self.report;
        let remedies = match self.outcome {
            Outcome::Quarantined => remedies(&content_hash.to_string()),
            Outcome::Created | Outcome::Unchanged | Outcome::Rejected | Outcome::NotChecked => {
                Vec::new()
            }
        };
        OutcomePage {
            chrome: chrome(app, who, "upload"),
            outcome: self.outcome,
            extension: extension.as_ref().map(|found| (found.name.clone(), found.version.clone())),
            content_hash: (*content_hash).into(),
            size: ByteSize::new(size),
            checks: checks.iter().map(CheckRow::from).collect(),
            next: self.next,
            remedies,
        }
    }
}

fn next_step(app: &App, who: &SignedIn, version: &ExtensionVersion) -> NextStep {
    let installs = app.list_installs(&who.principal);
    match installs.iter().find(|row| row.install.name == version.name) {
        None => NextStep::Install(InstallForm::new(&version.manifest)),
        Some(row) if row.install.version == version.version => NextStep::Installed,
        Some(row) => {
            NextStep::Upgrade { install: row.install.id, from: row.install.version.clone() }
        }
    }
}

/// The three ways out of quarantine.
fn remedies(hash: &str) -> Vec<Remedy> {
    let remedy =
        |text: &str, command: String| Remedy { text: text.to_owned(), command: Some(command) };
    vec![
        remedy(
            "Trust the signer's key for the names it may publish, then upload the bundle again:",
            "plugboard trust add signer.pub --name \"the signer\" --scope com.example.*".to_owned(),
        ),
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
