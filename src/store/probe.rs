//! Finds out what a store can do, by doing it below `<prefix>/_probe/`.
//!
//! A header that is accepted is not a promise that is kept: some servers take
//! `If-None-Match: *` and overwrite all the same. So every capability is tried
//! and its effect looked at. `public` does that as senders will.

mod public;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use http::{Method, Request, StatusCode};
use jiff::Timestamp;
use object_store::client::HttpRequestBody;
use object_store::path::Path as Key;
use object_store::signer::{SignedUrlOptions, Signer};
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutMode};
use uuid::Uuid;

use super::error::innermost;
use super::layout::{Layout, join};
use super::presign::{CHECKSUM, checksum};
use super::s3::S3;
use crate::model::{ContentHash, FactState, StoreCapability, StoreFact, StoreFacts};

const FIRST: &[u8] = b"plugboard probe: the first content";
const SECOND: &[u8] = b"plugboard probe: another content!!";
/// How long a signed address of the probe is good for.
const SIGNED_FOR: Duration = Duration::from_mins(1);

/// What came of trying: the effect was seen, or another one, or no answer.
type Tried = Result<bool, String>;

/// One run over one store.
pub(super) struct Probe<'a> {
    objects: Arc<dyn ObjectStore>,
    s3: Option<&'a S3>,
    folder: Key,
    facts: Vec<StoreFact>,
}

impl<'a> Probe<'a> {
    pub(super) fn new(objects: Arc<dyn ObjectStore>, s3: Option<&'a S3>, layout: &Layout) -> Self {
        let folder = join(&layout.probe(), &Uuid::new_v4().to_string());
        Self { objects, s3, folder, facts: Vec::new() }
    }

    /// Tries everything and removes what it made.
    pub(super) async fn run(mut self, now: Timestamp) -> StoreFacts {
        use StoreCapability as Can;
        let reached = self.reach().await;
        let reachable = reached == Ok(true);
        self.note(Can::Reach, reached);
        if reachable {
            let tried = self.create_only().await;
            self.note(Can::CreateOnly, tried);
            let tried = self.ranges().await;
            self.note(Can::Ranges, tried);
            let tried = self.list().await;
            self.note(Can::List, tried);
            if let Some(s3) = self.s3 {
                self.run_s3(s3).await;
            }
            let tried = self.delete().await;
            self.note(Can::Delete, tried);
        }
        self.facts_of_the_rest();
        self.facts.sort_by_key(|fact| Can::ALL.iter().position(|each| *each == fact.capability));
        StoreFacts { checked_at: now, facts: self.facts }
    }

    async fn run_s3(&mut self, s3: &S3) {
        use StoreCapability as Can;
        let tried = self.multipart().await;
        let works = tried == Ok(true);
        self.note(Can::Multipart, tried);
        if works {
            s3.ask_create_only_completion(true);
            let tried = self.create_only_multipart().await;
            s3.ask_create_only_completion(tried == Ok(true));
            self.note(Can::CreateOnlyMultipart, tried);
        }
        let tried = self.copy().await;
        self.note(Can::Copy, tried);
        let tried = self.checksums(s3).await;
        self.note(Can::Checksums, tried);
        let tried = self.presign(s3).await;
        self.note(Can::Presign, tried);
        if let Some(public) = s3.public() {
            let tried = self.public_endpoint(public).await;
            self.note(Can::PublicEndpoint, tried);
        }
    }

    fn note(&mut self, capability: StoreCapability, tried: Tried) {
        let (state, sentence) = match tried {
            Ok(true) => (FactState::Works, works(capability).to_owned()),
            Ok(false) => (FactState::Missing, missing(capability).to_owned()),
            Err(problem) if capability == StoreCapability::Reach => {
                (FactState::Missing, format!("{}: {problem}", missing(capability)))
            }
            // This one is not about what the server says, but about what it should not.
            Err(problem) if capability == StoreCapability::PublicEndpoint => {
                (FactState::Missing, format!("{} The trial: {problem}", missing(capability)))
            }
            Err(problem) => {
                (FactState::Missing, format!("{} It said: {problem}", missing(capability)))
            }
        };
        self.facts.push(StoreFact { capability, state, sentence });
    }

    fn facts_of_the_rest(&mut self) {
        let why = match self.s3 {
            None => "Not needed: bundles are files on this machine.",
            Some(_) => "Not checked: what comes before it does not work.",
        };
        for capability in StoreCapability::ALL {
            // Nobody asked for it: a line about it would only be noise.
            let is_asked_for = capability != StoreCapability::PublicEndpoint
                || self.s3.is_some_and(|s3| s3.public().is_some());
            if is_asked_for && !self.facts.iter().any(|fact| fact.capability == capability) {
                let (state, sentence) = (FactState::NotChecked, why.to_owned());
                self.facts.push(StoreFact { capability, state, sentence });
            }
        }
    }

    fn key(&self, name: &str) -> Key {
        join(&self.folder, name)
    }

    async fn reach(&self) -> Tried {
        let put = self.objects.put(&self.key("reach"), FIRST.into()).await;
        put.map(|_| true).map_err(|error| innermost(&error))
    }

    async fn create_only(&self) -> Tried {
        let key = self.key("create");
        self.objects
            .put_opts(&key, FIRST.into(), PutMode::Create.into())
            .await
            .map_err(|error| innermost(&error))?;
        let second = self.objects.put_opts(&key, SECOND.into(), PutMode::Create.into()).await;
        match second {
            Ok(_) => return Ok(false),
            Err(object_store::Error::AlreadyExists { .. }) => {}
            Err(error) => return Err(innermost(&error)),
        }
        Ok(self.content(&key).await? == FIRST)
    }

    async fn ranges(&self) -> Tried {
        let part = self
            .objects
            .get_range(&self.key("reach"), 10..15)
            .await
            .map_err(|error| innermost(&error))?;
        Ok(part == FIRST[10..15])
    }

    async fn list(&self) -> Tried {
        Ok(self.listed().await?.contains(&self.key("reach")))
    }

    async fn multipart(&self) -> Tried {
        self.send_in_parts("parts", FIRST).await.map_err(|error| innermost(&error))?;
        Ok(self.content(&self.key("parts")).await? == FIRST)
    }

    async fn create_only_multipart(&self) -> Tried {
        match self.send_in_parts("parts", SECOND).await {
            Ok(()) => return Ok(false),
            Err(
                object_store::Error::Precondition { .. }
                | object_store::Error::AlreadyExists { .. },
            ) => {}
            Err(error) => return Err(innermost(&error)),
        }
        Ok(self.content(&self.key("parts")).await? == FIRST)
    }

    async fn send_in_parts(&self, name: &str, content: &'static [u8]) -> object_store::Result<()> {
        let mut upload = self.objects.put_multipart(&self.key(name)).await?;
        upload.put_part(content.into()).await?;
        let Err(error) = upload.complete().await else { return Ok(()) };
        // A refused upload is still there, and would be paid for.
        upload.abort().await.ok();
        Err(error)
    }

    async fn copy(&self) -> Tried {
        self.objects
            .copy(&self.key("reach"), &self.key("copy"))
            .await
            .map_err(|error| innermost(&error))?;
        Ok(self.content(&self.key("copy")).await? == FIRST)
    }

    /// Sends one content with the checksum of another.
    async fn checksums(&self, s3: &S3) -> Tried {
        let wrong = checksum(&ContentHash::of(SECOND));
        let options = SignedUrlOptions::default().with_signed_header(CHECKSUM, wrong.clone());
        let key = self.key("checksum");
        let signed = s3.objects().signed_url_opts(Method::PUT, &key, SIGNED_FOR, &options).await;
        let request = Request::builder()
            .method(Method::PUT)
            .uri(signed.map_err(|error| innermost(&error))?.as_str())
            .header(CHECKSUM, wrong)
            .body(HttpRequestBody::from(Bytes::from_static(FIRST)));
        let answer = s3.execute(request.map_err(|error| innermost(&error))?).await;
        let status = answer.map_err(|error| innermost(&error))?.status();
        Ok(status.is_client_error() && status != StatusCode::FORBIDDEN)
    }

    async fn presign(&self, s3: &S3) -> Tried {
        let key = self.key("reach");
        let signed = s3
            .objects()
            .signed_url(Method::GET, &key, SIGNED_FOR)
            .await
            .map_err(|error| innermost(&error))?;
        let request = Request::get(signed.as_str()).body(HttpRequestBody::empty());
        let answer = s3.execute(request.map_err(|error| innermost(&error))?).await;
        let answer = answer.map_err(|error| innermost(&error))?;
        let succeeded = answer.status().is_success();
        let content = answer.into_body().bytes().await.map_err(|error| innermost(&error))?;
        Ok(succeeded && content == FIRST)
    }

    /// Removes everything the probe made, also when little of it worked.
    async fn delete(&self) -> Tried {
        for key in self.listed().await? {
            match self.objects.delete(&key).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(innermost(&error)),
            }
        }
        Ok(self.listed().await?.is_empty())
    }

    async fn listed(&self) -> Result<Vec<Key>, String> {
        let listed = self.objects.list(Some(&self.folder)).map_ok(|meta| meta.location);
        listed.try_collect().await.map_err(|error| innermost(&error))
    }

    async fn content(&self, key: &Key) -> Result<Bytes, String> {
        let found = self.objects.get(key).await.map_err(|error| innermost(&error))?;
        found.bytes().await.map_err(|error| innermost(&error))
    }
}

const fn works(capability: StoreCapability) -> &'static str {
    use StoreCapability as Can;
    match capability {
        Can::Reach => "The store answers, and objects can be written.",
        Can::CreateOnly => "The store refuses to replace an object that is there.",
        Can::CreateOnlyMultipart => "The same holds for objects that are sent in parts.",
        Can::Multipart => "Large bundles are sent in parts.",
        Can::Ranges => "A read that was cut off goes on where it stopped.",
        Can::List => "Objects are listed.",
        Can::Copy => "Objects are copied inside the store.",
        Can::Delete => "Objects are removed.",
        Can::Checksums => "The store refuses a content that does not have its SHA-256.",
        Can::Presign => "Signed addresses work.",
        Can::PublicEndpoint => "Senders reach the store, and can send there what was agreed only.",
    }
}

const fn missing(capability: StoreCapability) -> &'static str {
    use StoreCapability as Can;
    match capability {
        Can::Reach => "The store cannot be reached or written",
        Can::CreateOnly => {
            "The store replaces an object although it is asked not to. Bundles stay immutable all \
             the same: this appliance looks before it writes, its registry decides what a version \
             is, and every byte is checked when it is read. A bucket policy that denies \
             overwriting and deleting adds what the store lacks."
        }
        Can::CreateOnlyMultipart => {
            "The store replaces an object that is sent in parts although it is asked not to. This \
             appliance looks before it writes, and checks every byte when it is read."
        }
        Can::Multipart => "Bundles over 8 MiB cannot be stored: uploads in parts do not work.",
        Can::Ranges => "A read that was cut off begins again: the store ignores ranges.",
        Can::List => "Leftovers cannot be found: objects are not listed.",
        Can::Copy => "Objects cannot be copied inside the store. Nothing here needs it.",
        Can::Delete => "Objects cannot be removed: what is swept or removed stays in the bucket.",
        Can::Checksums => {
            "The store accepts a content that does not have its SHA-256. What was damaged on its \
             way is found when it is read, and not when it is stored."
        }
        Can::Presign => "Signed addresses do not work: everything goes through this appliance.",
        Can::PublicEndpoint => {
            "Addresses at the public endpoint are not given out: bundles are sent to this appliance."
        }
    }
}
