//! Uploads in parts that others send: begun and ended here, so that nobody else
//! names an upload, a part that counts, or the end.

use http::StatusCode;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path as Key;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::super::StoreError;
use super::S3;
use super::answers::error_code;

/// Parts in one answer. Those of one bundle are fewer by far.
const MAX_LISTED: u32 = 1000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listing {
    #[serde(rename = "Part", default)]
    parts: Vec<SentPart>,
}

/// A part that has arrived.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SentPart {
    #[serde(rename = "PartNumber")]
    pub number: u32,
    pub size: u64,
    #[serde(rename = "ETag", default)]
    pub(in crate::store) e_tag: String,
}

impl S3 {
    /// Begins an upload in parts; gives its id, which no sender chooses.
    pub(in crate::store) async fn begin_parts(&self, key: &Key) -> Result<String, StoreError> {
        let begun = self.plain.create_multipart(key).await;
        begun.map_err(|error| StoreError::object("begin an upload", error))
    }

    /// The parts that are there, in order; `None` when the upload is over.
    pub(in crate::store) async fn list_parts(
        &self,
        key: &Key,
        upload_id: &str,
    ) -> Result<Option<Vec<SentPart>>, StoreError> {
        const DOING: &str = "list the parts of an upload";
        let id = utf8_percent_encode(upload_id, NON_ALPHANUMERIC);
        let target = format!("/{key}?max-parts={MAX_LISTED}&uploadId={id}");
        let (status, body) = self.ask(DOING, &target).await?;
        if status == StatusCode::NOT_FOUND
            && error_code(&body).is_some_and(|code| code == "NoSuchUpload")
        {
            return Ok(None);
        }
        if !status.is_success() {
            return Err(StoreError::unavailable(DOING, format!("the server says {status}")));
        }
        let listing: Result<Listing, _> = quick_xml::de::from_reader(&*body);
        let mut parts = listing.map_err(|error| StoreError::unavailable(DOING, error))?.parts;
        parts.sort_by_key(|part| part.number);
        Ok(Some(parts))
    }

    /// Makes the object of its parts.
    pub(in crate::store) async fn complete_parts(
        &self,
        key: &Key,
        upload_id: &str,
        parts: &[SentPart],
    ) -> Result<(), StoreError> {
        let ids = parts.iter().map(|part| PartId { content_id: part.e_tag.clone() }).collect();
        let done = self.plain.complete_multipart(key, &upload_id.to_owned(), ids).await;
        done.map(drop).map_err(|error| StoreError::object("complete an upload", error))
    }

    /// Gives the parts back. None there is no error.
    pub(in crate::store) async fn abort_parts(
        &self,
        key: &Key,
        upload_id: &str,
    ) -> Result<(), StoreError> {
        match self.plain.abort_multipart(key, &upload_id.to_owned()).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(StoreError::object("abort an upload", error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_of_parts_is_read() {
        let listing: Listing = quick_xml::de::from_str(
            r#"<?xml version="1.0"?><ListPartsResult xmlns="x"><Bucket>b</Bucket><Key>k</Key>
            <UploadId>1</UploadId><Initiator><ID>i</ID></Initiator><IsTruncated>false</IsTruncated>
            <Part><PartNumber>2</PartNumber><LastModified>2026-08-21T10:00:00.000Z</LastModified>
            <ETag>&quot;b&quot;</ETag><Size>7</Size></Part>
            <Part><PartNumber>1</PartNumber><ETag>&quot;a&quot;</ETag><Size>5</Size></Part>
            </ListPartsResult>"#,
        )
        .unwrap();

        let part =
            |number, size, e_tag: &str| SentPart { number, size, e_tag: format!("\"{e_tag}\"") };
        assert_eq!(listing.parts, [part(2, 7, "b"), part(1, 5, "a")]);
    }

    #[test]
    fn a_listing_without_parts_is_empty() {
        let text = "<ListPartsResult><Bucket>b</Bucket><Key>k</Key></ListPartsResult>";

        assert!(quick_xml::de::from_str::<Listing>(text).unwrap().parts.is_empty());
    }
}
