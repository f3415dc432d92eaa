//! Multipart uploads that were begun and not ended: a crash leaves them, nobody
//! sees them in a listing, and they are paid for.

use jiff::Timestamp;
use object_store::path::Path as Key;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::super::StoreError;
use super::S3;

#[derive(Debug, Deserialize)]
struct Listing {
    #[serde(rename = "Upload", default)]
    uploads: Vec<Unfinished>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Unfinished {
    key: String,
    upload_id: String,
    initiated: Timestamp,
}

impl S3 {
    /// Aborts multipart uploads below `prefix` that were begun before `older_than`; says how many.
    ///
    /// The server tells of 1,000 at a time; the next call sees the others.
    pub(in crate::store) async fn abort_unfinished(
        &self,
        prefix: &Key,
        older_than: Timestamp,
    ) -> Result<usize, StoreError> {
        let mut aborted = 0;
        for upload in self.unfinished(prefix).await? {
            if upload.initiated >= older_than {
                continue;
            }
            let key = Key::parse(&upload.key)
                .map_err(|error| StoreError::unavailable("list unfinished uploads", error))?;
            // Also when somebody ended it meanwhile.
            self.abort_parts(&key, &upload.upload_id).await?;
            aborted += 1;
        }
        Ok(aborted)
    }

    async fn unfinished(&self, prefix: &Key) -> Result<Vec<Unfinished>, StoreError> {
        const DOING: &str = "list unfinished uploads";
        let prefix = if prefix.as_ref().is_empty() { String::new() } else { format!("{prefix}/") };
        let prefix = utf8_percent_encode(&prefix, NON_ALPHANUMERIC);
        let (status, body) = self.ask(DOING, &format!("?prefix={prefix}&uploads=")).await?;
        if !status.is_success() {
            return Err(StoreError::unavailable(DOING, format!("the server says {status}")));
        }
        let listing: Result<Listing, _> = quick_xml::de::from_reader(&*body);
        Ok(listing.map_err(|error| StoreError::unavailable(DOING, error))?.uploads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_of_unfinished_uploads_is_read() {
        let listing: Listing = quick_xml::de::from_str(
            r#"<?xml version="1.0"?><ListMultipartUploadsResult xmlns="x"><Bucket>b</Bucket>
            <Upload><Key>sha256/a</Key><UploadId>1</UploadId><Initiator><ID>i</ID></Initiator>
            <Initiated>2026-08-21T10:00:00.000Z</Initiated></Upload>
            <Upload><Key>sha256/b</Key><UploadId>2</UploadId>
            <Initiated>2026-08-22T10:00:00.000Z</Initiated></Upload></ListMultipartUploadsResult>"#,
        )
        .unwrap();

        let uploads = listing.uploads.iter();
        let found: Vec<_> = uploads.map(|each| (&*each.key, &*each.upload_id)).collect();
        assert_eq!(found, [("sha256/a", "1"), ("sha256/b", "2")]);
        assert_eq!(listing.uploads[0].initiated, "2026-08-21T10:00:00Z".parse().unwrap());
    }

    #[test]
    fn a_listing_without_uploads_is_empty() {
        let text = "<ListMultipartUploadsResult><Bucket>b</Bucket></ListMultipartUploadsResult>";

        assert!(quick_xml::de::from_str::<Listing>(text).unwrap().uploads.is_empty());
    }
}
