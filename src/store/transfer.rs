//! A received file becomes an object by being sent, in parts when it is large.
//!
//! Memory does not grow with the file: two parts are held, one that is read and
//! one that is on its way. The file is hashed once more while it is sent, so
//! that what is stored is what was verified.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::path::Path as Key;
use object_store::{MultipartUpload, ObjectStoreExt};

use super::backend::{Backend, Creation, blocking};
use super::{Doing, StoreError};
use crate::model::{ContentHash, StreamHasher};

/// A file up to this goes in one request, a larger one in parts of this size.
/// S3 wants at least 5 MiB, and at most 10,000 parts.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// A file that is read in parts and hashed on the way.
struct Source {
    file: File,
    hasher: StreamHasher,
}

impl Backend {
    /// Makes the object `key` of a file, never replacing one.
    pub(super) async fn send(
        &self,
        file: &Path,
        key: &Key,
        size: u64,
        hash: ContentHash,
    ) -> Result<Creation, StoreError> {
        let path = file.to_owned();
        let open = move || File::open(path).map_err(StoreError::io(Doing::ReadUpload));
        let file = match blocking(Doing::ReadUpload, open).await {
            Ok(file) => file,
            // As after a retry on disk: the upload is gone because it is kept already.
            Err(error) => return self.kept(key, size, &hash).await?.ok_or(error),
        };
        let source = Source { file, hasher: StreamHasher::new() };
        if size <= PART_BYTES as u64 {
            self.send_whole(source, key, hash).await
        } else {
            self.send_in_parts(source, key, size, hash).await
        }
    }

    async fn send_whole(
        &self,
        source: Source,
        key: &Key,
        hash: ContentHash,
    ) -> Result<Creation, StoreError> {
        let (source, content) = source.next().await?;
        if source.hash() != hash {
            return Ok(Creation::Different);
        }
        self.create(Doing::KeepArchive, key, content.unwrap_or_default()).await
    }

    async fn send_in_parts(
        &self,
        source: Source,
        key: &Key,
        size: u64,
        hash: ContentHash,
    ) -> Result<Creation, StoreError> {
        // Completing may replace what is there: not every store looks first.
        if let Some(creation) = self.kept(key, size, &hash).await? {
            return Ok(creation);
        }
        let object = |error| StoreError::object(Doing::KeepArchive, error);
        let mut upload = self.objects().put_multipart(key).await.map_err(object)?;
        match send_parts(&mut *upload, source).await {
            Ok(sent) if sent == hash => {}
            other => {
                abort(&mut *upload).await;
                return other.map(|_| Creation::Different);
            }
        }
        let Err(error) = upload.complete().await else { return Ok(Creation::Created) };
        // Taken meanwhile, or failed after the object had its name: what is there decides.
        abort(&mut *upload).await;
        self.kept(key, size, &hash)
            .await?
            .ok_or_else(|| StoreError::object(Doing::KeepArchive, error))
    }

    /// What the object `key` is to a content of this size and hash; `None` when there is none.
    async fn kept(
        &self,
        key: &Key,
        size: u64,
        hash: &ContentHash,
    ) -> Result<Option<Creation>, StoreError> {
        let object = |error| StoreError::object(Doing::Read, error);
        let found = match self.objects().get(key).await.map_err(object) {
            Ok(found) => found,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        match self.check_size(key, &found.meta, size).await {
            Ok(()) => {}
            Err(StoreError::Integrity { .. }) => return Ok(Some(Creation::Different)),
            Err(error) => return Err(error),
        }
        let mut stream = found.into_stream();
        let mut hasher = StreamHasher::new();
        while let Some(chunk) = stream.try_next().await.map_err(object)? {
            hasher.update(&chunk);
        }
        let same = hasher.finalize() == *hash.as_bytes();
        Ok(Some(if same { Creation::Same } else { Creation::Different }))
    }
}

/// Sends all of `source`; gives its hash. The next part is read while one is sent.
async fn send_parts(
    upload: &mut dyn MultipartUpload,
    mut source: Source,
) -> Result<ContentHash, StoreError> {
    let mut sending = None;
    loop {
        let sent = async {
            match sending.take() {
                Some(part) => part.await,
                None => Ok(()),
            }
        };
        let (read, sent) = tokio::join!(source.next(), sent);
        sent.map_err(|error| StoreError::object(Doing::KeepArchive, error))?;
        let (rest, part) = read?;
        source = rest;
        match part {
            Some(part) => sending = Some(upload.put_part(part.into())),
            None => return Ok(source.hash()),
        }
    }
}

/// Gives the parts back. What fails here is found by the sweep.
async fn abort(upload: &mut dyn MultipartUpload) {
    if let Err(error) = upload.abort().await {
        tracing::debug!("Could not abort a multipart upload: {error}");
    }
}

impl Source {
    /// The next part; `None` at the end.
    async fn next(mut self) -> Result<(Self, Option<Bytes>), StoreError> {
        blocking(Doing::ReadUpload, move || {
            let part = self.read().map_err(StoreError::io(Doing::ReadUpload))?;
            Ok((self, part))
        })
        .await
    }

    fn read(&mut self) -> io::Result<Option<Bytes>> {
        let mut part = Vec::with_capacity(PART_BYTES);
        self.file.by_ref().take(PART_BYTES as u64).read_to_end(&mut part)?;
        self.hasher.update(&part);
        Ok((!part.is_empty()).then(|| part.into()))
    }

    fn hash(&self) -> ContentHash {
        ContentHash::from(self.hasher.clone().finalize())
    }
}
