//! `POST /api/ext-bundles/finalize`: publishes an upload.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::envelope::ALREADY_EXISTS;
use super::json_body::JsonObject;
use super::staging_key::{self, Named};
use crate::app::App;
use crate::app::publish::PublishError;
use crate::app::uploads::{FinalizeError, FinalizeRequest, FinishError, UploadError};
use crate::model::{ExtensionName, ExtensionVersion, ManifestProblem, Principal, Quarantined};
use crate::store::{Doing, StoreError};
use crate::trust::{Check, CheckResult, CheckStatus, Report};
use crate::web::error::ApiError;

const BAD_REQUEST: StatusCode = StatusCode::BAD_REQUEST;
const FAILED: StatusCode = StatusCode::INTERNAL_SERVER_ERROR;
const REPEAT: &str = "what was sent is kept for a while: send the same request again";
/// What a signature may be said to be. Which it is, is seen from the text.
const ALGORITHMS: [&str; 3] = ["cosign", "x509", "pgp"];

/// Publishes an upload under the rules of every other way to publish.
pub(in crate::web) async fn finalize_bundle(
    State(app): State<Arc<App>>,
    principal: Principal,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let body = JsonObject::read(body).await?;
    let key = body.required_text("key")?;
    staging_key::check_shape(key)?;
    body.size(app.config.store.max_bundle_bytes)?;
    let declared_hash = body.declared_hash()?;
    let manifest = body.text("manifestJson")?.filter(|text| !text.trim().is_empty());
    let signatures = signatures(&body)?;
    let Named::Upload(upload) = staging_key::read(key)? else { return Err(staging_not_found()) };
    let manifest = manifest.map(|text| text.as_bytes().to_vec());
    let request = FinalizeRequest { upload, declared_hash, manifest, signatures };
    match app.finalize_upload(&principal, request).await {
        Ok(version) => Ok(Json(finalized(&version))),
        Err(error) => Err(refusal(error)),
    }
}

/// A signature in the body is held like every other: none of these formats is
/// one that this appliance trusts, and the report says so.
fn signatures(body: &JsonObject) -> Result<Vec<Vec<u8>>, ApiError> {
    let Some(signature) = body.object("signature")? else { return Ok(Vec::new()) };
    if let Some(algorithm) = signature.text("algorithm")?
        && !ALGORITHMS.contains(&algorithm)
    {
        let known = ALGORITHMS.join(", ");
        return Err(ApiError::malformed(format!("`signature.algorithm` must be one of {known}")));
    }
    let text = signature.text("text")?.filter(|text| !text.trim().is_empty());
    Ok(text.map(|text| text.as_bytes().to_vec()).into_iter().collect())
}

fn finalized(version: &ExtensionVersion) -> Value {
    let ExtensionVersion { name, version, content_hash, manifest, .. } = version;
    let hex = content_hash.hex();
    json!({
        "extension": {
            "id": name,
            "name": name,
            "publisher": manifest.publisher.as_deref().unwrap_or_default(),
        },
        "version": { "id": format!("{name}@{version}"), "version": version },
        "contentHash": hex,
        "canonicalKey": format!("sha256/{hex}/bundle.tar.zst"),
    })
}

fn refusal(error: FinalizeError) -> ApiError {
    match error {
        FinalizeError::Exists(version) => already_exists(&version.name, &version.version),
        FinalizeError::Quarantined(entry, report) => signature_required(&entry, &report),
        FinalizeError::Finish(error) => match error {
            FinishError::Incomplete { .. }
            | FinishError::PartsMissing { .. }
            | FinishError::Gone(_)
            | FinishError::Upload(UploadError::Unknown(_)) => staging_not_found(),
            FinishError::Upload(error @ UploadError::Lost(_)) => {
                let detail = "what was sent under this key is lost";
                ApiError::server(FAILED, "OBJECT_NOT_FOUND", detail, error)
                    .hint("send the bundle again")
            }
            FinishError::Upload(UploadError::Store(error))
            | FinishError::Publish(PublishError::Store(error)) => storage(error),
            FinishError::Upload(error) => error.into(),
            FinishError::Publish(
                PublishError::VersionTaken { name, version }
                | PublishError::VersionRemoved { name, version },
            ) => already_exists(&name, &version),
            FinishError::Publish(PublishError::Rejected(report)) => rejected(&report),
            FinishError::Publish(PublishError::ManifestMismatch) => {
                let detail = "`manifestJson` is not the manifest that is in the bundle";
                ApiError::client(BAD_REQUEST, "MANIFEST_MISMATCH", detail)
                    .hint("pack the bundle again, or leave `manifestJson` out")
            }
            FinishError::Publish(PublishError::ManifestText(problem)) => {
                let ManifestProblem { path, message, .. } = problem;
                invalid_manifest(&[json!({ "path": path, "message": message })])
            }
            FinishError::Publish(PublishError::NotChecked(report)) => not_read(&report),
            FinishError::Publish(error) => error.into(),
        },
    }
}

/// Which step of the storage failed. Those that these clients have no word for, as
/// taking a damaged object away, are `INTERNAL_ERROR`.
fn storage(error: StoreError) -> ApiError {
    let code = match &error {
        StoreError::Unavailable { doing, .. } => match doing {
            Doing::Look => "S3_HEAD_FAILED",
            Doing::Read | Doing::ReadUpload => "S3_GET_FAILED",
            // It was looked for afterward, and is not there.
            Doing::KeepArchive => "CANONICAL_MISSING",
            Doing::KeepManifest => "MANIFEST_STORE_FAILED",
            Doing::ReceiveUpload | Doing::KeepObject | Doing::Other(_) => "INTERNAL_ERROR",
        },
        StoreError::NotFound { .. } => "OBJECT_NOT_FOUND",
        StoreError::Integrity { .. } | StoreError::InvalidBase { .. } => "INTERNAL_ERROR",
        // No fault of the storage: these say what to do about it.
        StoreError::TooLarge { .. }
        | StoreError::StagedFull { .. }
        | StoreError::DiskFull { .. }
        | StoreError::Busy { .. } => return error.into(),
    };
    let detail = "the bundle store did not do what was asked of it";
    ApiError::server(FAILED, code, detail, error).retry_after(5).hint(REPEAT)
}

/// The disk failed while the bundle was read: nothing is known about the bundle.
fn not_read(report: &Report) -> ApiError {
    let detail = "what was sent could not be read to its end";
    let found = report.failures().find_map(|row| row.found.clone()).unwrap_or_default();
    ApiError::server(FAILED, "MANIFEST_EXTRACTION_FAILED", detail, found)
        .retry_after(5)
        .hint(REPEAT)
}

fn staging_not_found() -> ApiError {
    let detail = "no bundle is waiting under this key";
    ApiError::client(BAD_REQUEST, "STAGING_NOT_FOUND", detail).hint(
        "send the bundle again: a key is good for one bundle, for a while, and for its sender",
    )
}

fn already_exists(name: &ExtensionName, version: &semver::Version) -> ApiError {
    let detail = format!("{name} {version} is already published");
    ApiError::client(StatusCode::CONFLICT, ALREADY_EXISTS, detail)
        .hint("raise the version in manifest.json; a published version never changes")
        .extra("details", json!({ "name": name, "version": version }))
}

fn signature_required(entry: &Quarantined, report: &Report) -> ApiError {
    let Quarantined { name, version, content_hash, .. } = entry;
    let detail = format!(
        "{name} {version} is in quarantine, because no trusted signature vouches for {content_hash}"
    );
    let hint = "an operator can trust the signer, attach a signature or approve this hash; \
                then publish the same bundle again";
    ApiError::client(StatusCode::FORBIDDEN, "SIGNATURE_REQUIRED", detail).hint(hint).extra(
        "details",
        json!({ "contentHash": content_hash.hex(), "report": report, "quarantined": true }),
    )
}

/// The first check that failed, in the words of these clients.
fn rejected(report: &Report) -> ApiError {
    let Some(row) = report.failures().next() else { return invalid_bundle(report, "") };
    let found = row.found.as_deref().unwrap_or_default();
    let error = match row.check {
        Check::Transport => {
            let bare = |hash: &Option<String>| {
                hash.as_deref().map(|hash| hash.trim_start_matches("sha256:").to_owned())
            };
            let details = json!({ "declared": bare(&row.expected), "computed": bare(&row.found) });
            let detail = "the bundle that arrived does not have the declared hash";
            ApiError::client(BAD_REQUEST, "HASH_MISMATCH", detail).extra("details", details)
        }
        Check::Archive if row.code == "manifest_missing" => {
            ApiError::client(BAD_REQUEST, "MANIFEST_NOT_FOUND", found)
        }
        Check::Manifest => {
            let failed = report.failures().filter(|row| row.check == Check::Manifest);
            invalid_manifest(&failed.map(issue).collect::<Vec<_>>())
        }
        Check::Signature | Check::Trust => {
            let details = json!({ "contentHash": report.content_hash.hex(), "report": report });
            ApiError::client(StatusCode::FORBIDDEN, "SIGNATURE_INVALID", found)
                .extra("details", details)
        }
        Check::Archive | Check::Integrity | Check::Component | Check::Policy => {
            invalid_bundle(report, found)
        }
    };
    match &row.hint {
        Some(hint) => error.hint(hint.clone()),
        None => error,
    }
}

fn invalid_bundle(report: &Report, found: &str) -> ApiError {
    let detail = format!("the bundle is refused: {found}");
    ApiError::client(BAD_REQUEST, "INVALID_BUNDLE", detail)
        .extra("details", json!({ "report": report }))
}

fn invalid_manifest(issues: &[Value]) -> ApiError {
    let detail = format!("the manifest has {} problem(s)", issues.len());
    ApiError::client(BAD_REQUEST, "INVALID_MANIFEST", detail)
        .extra("details", json!({ "issues": issues }))
}

/// A row of the report taken apart: `path: message`, or a message about all of it.
fn issue(row: &CheckResult) -> Value {
    debug_assert_eq!(row.status, CheckStatus::Fail);
    let found = row.found.as_deref().unwrap_or_default();
    let (path, message) = match found.split_once(": ") {
        Some((path, message)) if !path.contains([' ', '`']) => (path, message),
        _ => ("$", found),
    };
    json!({ "path": path, "message": message })
}

#[cfg(test)]
mod tests;
