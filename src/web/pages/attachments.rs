//! What is beside a version, as data: `/admin/extensions/{name}/versions/{version}/attachments`.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use jiff::Timestamp;
use semver::Version;

use super::show::{chrome, page};
use super::{ByteSize, Chrome, Moment};
use crate::app::App;
use crate::app::attachments::AttachedFile;
use crate::model::{AttachmentKind, ExtensionName, ScopeKind};
use crate::trust::PublishedSignature;
use crate::web::extract::{Answer, Path, SignedIn};

/// The attachments of one version: shown as text, whatever they hold.
#[derive(Debug, Template)]
#[template(path = "pages/attachments.html")]
pub struct AttachmentsPage {
    pub chrome: Chrome,
    pub name: ExtensionName,
    pub version: Version,
    pub signatures: Vec<SignatureLine>,
    pub files: Vec<AttachedText>,
}

/// A signature, as it stands today.
#[derive(Clone, Debug)]
pub struct SignatureLine {
    /// Whole, and short enough for a person.
    pub key_id: String,
    pub short: String,
    pub standing: String,
}

/// An attachment and what is in it.
#[derive(Clone, Debug)]
pub struct AttachedText {
    pub title: &'static str,
    pub address: String,
    pub format: String,
    pub size: ByteSize,
    /// Where in the bundle it is.
    pub path: Option<String>,
    /// When and by whom it was attached.
    pub attached: Option<(Moment, String)>,
    pub text: String,
}

/// Shows them all.
pub(in crate::web) async fn show_attachments(
    State(app): State<Arc<App>>,
    who: SignedIn,
    Path((name, version)): Path<(ExtensionName, Version)>,
) -> Answer {
    let row = app.published(&who.principal, ScopeKind::InstallRead, &name, &version).await?;
    let signatures = app.list_signatures(&row).await?;
    let mut files = Vec::new();
    for file in app.list_attachments(&row).await? {
        let (file, content) = app.open_attachment(&row, file.kind).await?;
        let address = format!("/api/v1/extensions/{name}/versions/{version}/attachments");
        files.push(AttachedText::new(file, &content, &address, app.clock.now()));
    }
    page(&AttachmentsPage {
        chrome: chrome(&app, &who, "extensions"),
        signatures: signatures.into_iter().map(SignatureLine::from).collect(),
        files,
        name,
        version,
    })
}

/// What a person calls it.
pub(super) const fn title(kind: AttachmentKind) -> &'static str {
    match kind {
        AttachmentKind::Sbom => "SBOM",
        AttachmentKind::Provenance => "Provenance",
        AttachmentKind::Readme => "Readme",
        AttachmentKind::Changelog => "Changelog",
    }
}

impl From<PublishedSignature> for SignatureLine {
    fn from(signature: PublishedSignature) -> Self {
        let PublishedSignature { key_id, verified, trusted_as } = signature;
        let standing = match (verified, trusted_as) {
            (true, Some(name)) if name.is_empty() => "verified; the key is trusted".to_owned(),
            (true, Some(name)) => format!("verified; trusted as {name}"),
            (true, None) => "verified; nobody trusts the key for this extension".to_owned(),
            (false, _) => "not verified: its key is not known here".to_owned(),
        };
        Self { short: key_id.short().to_owned(), key_id: key_id.to_string(), standing }
    }
}

impl AttachedText {
    fn new(file: AttachedFile, content: &[u8], address: &str, now: Timestamp) -> Self {
        let attached = file.attached_at.zip(file.attached_by);
        Self {
            title: title(file.kind),
            address: format!("{address}/{}", file.kind),
            format: file.format,
            size: ByteSize::new(file.size),
            path: file.path,
            attached: attached.map(|(at, by)| (Moment::new(at, now), by)),
            text: String::from_utf8_lossy(content).into_owned(),
        }
    }
}
