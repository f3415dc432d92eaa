//! Choosing a bundle and its signatures: `/admin/upload`.

use askama::Template;

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
}
