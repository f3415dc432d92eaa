//! Receiving a bundle in one piece: existing clients cannot go on where they ended.

use std::sync::Arc;

use axum::body::Body;

use crate::app::App;
use crate::app::uploads::UploadError;
use crate::model::{Principal, Upload, UploadId};
use crate::web::error::ApiError;

/// Why a bundle did not arrive.
pub(super) enum Unreceived {
    /// The body is shorter or longer than was said.
    Length {
        said: u64,
        found: u64,
    },
    Broken,
    /// Something has been sent before, or the upload is over.
    Used,
    HashMismatch,
    Other(ApiError),
}

/// Receives all of a body; an upload that gets less is given up.
///
/// A task of its own, so that this holds also when the client goes away.
pub(super) async fn receive(
    app: &Arc<App>,
    principal: &Principal,
    id: UploadId,
    body: Body,
    checksum: Option<[u8; 32]>,
) -> Result<(), Unreceived> {
    let (app, principal) = (Arc::clone(app), principal.clone());
    let received = tokio::spawn(async move {
        let stream = body.into_data_stream();
        let refusal = match app.append_upload(&principal, id, 0, stream, checksum).await {
            Ok(upload) if upload.is_complete() => {
                let waits = app.await_finalize(&principal, id).await;
                return waits.map_err(|error| Unreceived::Other(error.into()));
            }
            Ok(Upload { offset, length, .. }) => Unreceived::Length { said: length, found: offset },
            // These are about another request's bytes, which stay.
            Err(UploadError::OffsetMismatch { .. } | UploadError::Unknown(_)) => {
                return Err(Unreceived::Used);
            }
            Err(error @ UploadError::Busy(_)) => return Err(Unreceived::Other(error.into())),
            Err(UploadError::Overrun { length, received }) => {
                Unreceived::Length { said: length, found: received }
            }
            Err(UploadError::Broken { .. }) => Unreceived::Broken,
            Err(UploadError::ChecksumMismatch) => Unreceived::HashMismatch,
            Err(error) => Unreceived::Other(error.into()),
        };
        if let Err(error) = app.abort_upload(&principal, id).await {
            tracing::warn!(upload.id = %id, "Could not give an upload up: {error}");
        }
        Err(refusal)
    });
    received.await.unwrap_or_else(|error| Err(Unreceived::Other(ApiError::internal(error))))
}
