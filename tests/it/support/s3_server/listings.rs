//! `ListMultipartUploads`, which `s3s-fs` lacks, and `ListParts`, which it answers
//! without the tags that end an upload.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use hyper::http::Extensions;
use hyper::{HeaderMap, Method, StatusCode, Uri};
use s3s::route::S3Route;
use s3s::{Body, S3Request, S3Response, S3Result};

use super::{Uploads, document};

/// Both of them. All uploads began a second after the epoch.
pub(super) struct Listings {
    pub(super) uploads: Arc<Uploads>,
    /// Where `s3s-fs` keeps the parts.
    pub(super) folder: PathBuf,
}

fn pair<'u>(uri: &'u Uri, name: &str) -> Option<&'u str> {
    let mut pairs = uri.query().unwrap_or_default().split('&');
    pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

fn lists_uploads(uri: &Uri) -> bool {
    uri.query().unwrap_or_default().split('&').any(|pair| pair.starts_with("uploads"))
}

#[async_trait]
impl S3Route for Listings {
    fn is_match(&self, method: &Method, uri: &Uri, _: &HeaderMap, _: &mut Extensions) -> bool {
        method == Method::GET && (lists_uploads(uri) || pair(uri, "uploadId").is_some())
    }

    async fn call(&self, request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        let Some(id) = pair(&request.uri, "uploadId") else {
            return Ok(answer(self.list_uploads()));
        };
        let id = id.replace("%2D", "-");
        if !self.uploads.0.lock().unwrap().contains_key(&id) {
            let (parts, body) = document(404, "NoSuchUpload").into_parts();
            return Ok(S3Response::with_status(body, parts.status));
        }
        Ok(answer(self.list_parts(&id)))
    }
}

fn answer(text: String) -> S3Response<Body> {
    S3Response::with_status(Body::from(text), StatusCode::OK)
}

impl Listings {
    fn list_uploads(&self) -> String {
        let uploads: String =
            self.uploads.0.lock().unwrap().iter().fold(String::new(), |text, (id, key)| {
                text + "<Upload><Key>"
                    + key
                    + "</Key><UploadId>"
                    + id
                    + "</UploadId><Initiated>1970-01-01T00:00:01.000Z</Initiated></Upload>"
            });
        format!("<ListMultipartUploadsResult>{uploads}</ListMultipartUploadsResult>")
    }

    fn list_parts(&self, id: &str) -> String {
        let before = format!(".upload_id-{id}.part-");
        let entries = std::fs::read_dir(&self.folder).unwrap().map(Result::unwrap);
        let parts: String = entries
            .filter_map(|entry| {
                let name = entry.file_name().into_string().unwrap();
                let number = name.strip_prefix(&before)?.to_owned();
                let size = entry.metadata().unwrap().len();
                Some(format!(
                    "<Part><PartNumber>{number}</PartNumber><ETag>&quot;{number}&quot;</ETag>\
                     <Size>{size}</Size></Part>"
                ))
            })
            .collect();
        format!("<ListPartsResult><UploadId>{id}</UploadId>{parts}</ListPartsResult>")
    }
}
