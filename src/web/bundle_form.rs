//! A form with a bundle, and with what goes along with it: of the API and of the page.

use super::api::bundles::check_count;
use super::digest::DigestCheck;
use super::error::ApiError;
use super::multipart::{MultipartForm, Part};
use crate::app::App;
use crate::app::attachments::NewAttachment;
use crate::model::{AttachmentKind, ContentHash, Principal};
use crate::store::Staged;

/// Bytes of one envelope.
const MAX_SIGNATURE_BYTES: usize = 64 * 1024;

/// A received bundle form.
pub(super) struct BundleForm {
    pub(super) staged: Staged,
    pub(super) signatures: Vec<Vec<u8>>,
    /// What the headers of the part `bundle` say its hash is.
    pub(super) declared: Option<ContentHash>,
    pub(super) attachments: Vec<NewAttachment>,
}

impl BundleForm {
    /// Receives a form. `other` sees each further field, in order, and `bundle`
    /// before it is received, so that it can refuse in time.
    pub(super) async fn receive(
        app: &App,
        principal: &Principal,
        mut form: MultipartForm,
        mut other: impl FnMut(&str, &str) -> Result<(), ApiError>,
    ) -> Result<Self, ApiError> {
        let length = form.length;
        let (mut staged, mut declared) = (None, None);
        let (mut signatures, mut attachments) = (Vec::new(), Vec::new());
        while let Some(mut part) = form.next_part().await? {
            match part.name().to_owned().as_str() {
                "bundle" if staged.is_some() => {
                    return Err(ApiError::malformed("the form has more than one `bundle`"));
                }
                "bundle" => {
                    other("bundle", "")?;
                    let digests = DigestCheck::of(part.headers())?;
                    // How long the part is shows only at its end; it is no longer than the form.
                    let received = app.receive(principal, length, digests.watch(part)).await?;
                    digests.check(received.content_hash.as_bytes())?;
                    declared = digests.content_hash();
                    staged = Some(received);
                }
                name => {
                    let kind = attachment_kind(name);
                    let limit = match kind {
                        Some(_) => app.config.store.max_attachment_bytes,
                        None => MAX_SIGNATURE_BYTES as u64,
                    };
                    let value = read_part(&mut part, name, limit).await?;
                    match (name, kind) {
                        // A browser sends an empty part for a file that was not chosen.
                        ("signature", _) | (_, Some(_)) if value.is_empty() => {}
                        ("signature", _) => {
                            // Now, and not at the end: until there they take memory.
                            check_count(signatures.len() + 1)?;
                            signatures.push(value);
                        }
                        (_, Some(kind)) if has(&attachments, kind) => {
                            let detail = format!("the form has more than one `{name}`");
                            return Err(ApiError::malformed(detail));
                        }
                        (_, Some(kind)) => {
                            attachments.push(NewAttachment { kind, content: value.into() });
                        }
                        (_, None) => other(name, &String::from_utf8_lossy(&value))?,
                    }
                }
            }
        }
        let staged = staged.ok_or_else(|| ApiError::malformed("the form has no file `bundle`"))?;
        Ok(Self { staged, signatures, declared, attachments })
    }
}

/// A small part, whole.
async fn read_part(part: &mut Part<'_>, name: &str, limit: u64) -> Result<Vec<u8>, ApiError> {
    let mut value = Vec::new();
    while let Some(chunk) = part.chunk().await? {
        if (value.len() + chunk.len()) as u64 > limit {
            let error = ApiError::too_large(&format!("the field `{name}`"), limit, None);
            return Err(match attachment_kind(name) {
                Some(_) => error.hint("an operator can raise `store.max_attachment_bytes`"),
                None => error,
            });
        }
        value.extend_from_slice(&chunk);
    }
    Ok(value)
}

/// The attachment that a field of a form holds.
fn attachment_kind(field: &str) -> Option<AttachmentKind> {
    field.parse::<AttachmentKind>().ok().filter(|kind| !kind.is_of_the_bundle())
}

fn has(attachments: &[NewAttachment], kind: AttachmentKind) -> bool {
    attachments.iter().any(|attachment| attachment.kind == kind)
}
