//! The names that existing clients know uploads by: `sha256/_staging/<id>/bundle.tar.zst`.

use crate::model::UploadId;
use crate::web::error::ApiError;

const PREFIX: &str = "sha256/";
const STAGING: &str = "/_staging/";
const ARCHIVE: &str = "/bundle.tar.zst";

/// The key of an upload.
pub(super) fn of(id: UploadId) -> String {
    format!("sha256/_staging/{id}/bundle.tar.zst")
}

/// What a key names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named {
    Upload(UploadId),
    /// Below the staging area, and no upload of ours.
    Nothing,
    /// Something that is stored for good.
    Canonical,
}

/// Reads a key; anything outside `sha256/` is refused.
pub(super) fn read(key: &str) -> Result<Named, ApiError> {
    if !key.starts_with(PREFIX) {
        return Err(ApiError::malformed("`key` must begin with `sha256/`"));
    }
    if !key.contains(STAGING) {
        return Ok(Named::Canonical);
    }
    let id = key.strip_prefix("sha256/_staging/").and_then(|rest| rest.strip_suffix(ARCHIVE));
    let id = id.and_then(|id| id.parse().ok());
    Ok(id.map_or(Named::Nothing, Named::Upload))
}

/// Refuses a key whose shape no staged bundle has.
pub(super) fn check_shape(key: &str) -> Result<(), ApiError> {
    if key.starts_with(PREFIX) && key.contains(STAGING) && key.ends_with(ARCHIVE) {
        Ok(())
    } else {
        Err(ApiError::malformed("`key` must be `sha256/_staging/<id>/bundle.tar.zst`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_the_upload_it_was_made_of() {
        let id = UploadId::random();

        assert_eq!(read(&of(id)).unwrap(), Named::Upload(id));
        assert!(check_shape(&of(id)).is_ok());
    }

    #[test]
    fn other_keys_name_nothing_that_could_be_touched() {
        for key in [
            "sha256/_staging/x/bundle.tar.zst",
            "sha256/_staging/../../registry/bundle.tar.zst",
            "sha256/aa/_staging/5c2a/bundle.tar.zst",
            "sha256/_staging/",
        ] {
            assert_eq!(read(key).unwrap(), Named::Nothing, "{key}");
        }
        assert_eq!(read("sha256/aa/bundle.tar.zst").unwrap(), Named::Canonical);
        for key in ["", "tenants/a/_staging/b/bundle.tar.zst", "SHA256/_staging/a/bundle.tar.zst"] {
            assert!(read(key).is_err(), "{key}");
        }
    }
}
