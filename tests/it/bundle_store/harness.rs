//! A store in a temporary folder, and bundles to put into it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use jiff::Timestamp;
use object_store::PutPayload;
use object_store::multipart::MultipartStore;
use object_store::path::Path as Key;
use plugboard::bundle::BundleLimits;
use plugboard::config::{SigningPolicy, StoreConfig};
use plugboard::model::{ContentHash, ExtensionVersion, FileEntry, KeyStatus, NameGlob, TrustedKey};
use plugboard::store::{AssetFile, BundleStore, Staged, StoreError};
use plugboard::trust::statement::{self, Subject};
use plugboard::trust::{
    self, Facts, QuarantinedBundle, StagedUpload, TrustBundle, Verification, VerifiedBundle,
};
use tempfile::TempDir;

use crate::support::real_server::{RealBucket, RealServer, client};
use crate::support::s3_server::{Manners, S3Server};

/// A store and the folder it is in.
pub(super) struct Bench {
    pub(super) store: BundleStore,
    pub(super) folder: TempDir,
    config: StoreConfig,
    place: Place,
}

/// Where the bundles are.
enum Place {
    Folder,
    Memory,
    /// On a server in this process, whose objects are files.
    Server(S3Server),
    /// On a server that the environment names.
    Real(Box<RealBucket>),
}

/// An object that a test looks at: which writing of it this is, and its content.
pub(super) type Seen = (String, Vec<u8>);

/// Settings that a small test machine satisfies.
pub(super) fn config() -> StoreConfig {
    StoreConfig { min_free_bytes: 0, ..StoreConfig::default() }
}

impl Bench {
    pub(super) fn directory(config: &StoreConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = BundleStore::open(config, folder.path()).unwrap();
        Self { store, folder, config: config.clone(), place: Place::Folder }
    }

    pub(super) fn in_memory(config: &StoreConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = BundleStore::in_memory(config, &folder.path().join("cache")).unwrap();
        Self { store, folder, config: config.clone(), place: Place::Memory }
    }

    /// A store on a server of its own that nobody has probed.
    pub(super) fn on_s3(manners: Manners) -> Self {
        Self::on_server(S3Server::start_with(manners), S3Server::config)
    }

    /// The same with settings for that server.
    pub(super) fn on_server(server: S3Server, config: impl Fn(&S3Server) -> StoreConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&server);
        let store = BundleStore::open(&config, folder.path()).unwrap();
        Self { store, folder, config, place: Place::Server(server) }
    }

    fn on_real_server() -> Option<Self> {
        let bucket = RealServer::from_environment()?.bucket();
        let folder = tempfile::tempdir().unwrap();
        let config = bucket.config.clone();
        let store = BundleStore::open(&config, folder.path()).unwrap();
        Some(Self { store, folder, config, place: Place::Real(Box::new(bucket)) })
    }

    /// One store on each server, which nobody has probed: on one that keeps its word, on
    /// one that does not, and on the one that the environment names, if it names one.
    pub(super) fn each_server() -> Vec<Self> {
        let mut each = Vec::from([Manners::default(), Manners::CARELESS].map(Self::on_s3));
        each.extend(Self::on_real_server());
        each
    }

    /// One store of each kind: what holds for one holds for the others.
    ///
    /// Two on each server: one that has found out what the server is like, and one that
    /// has not.
    pub(super) async fn each() -> Vec<Self> {
        let mut each = Self::each_server();
        for bench in &each {
            bench.store.probe(Timestamp::UNIX_EPOCH).await;
        }
        each.extend(Self::each_server());
        each.extend([Self::directory(&config()), Self::in_memory(&config())]);
        each
    }

    /// One store of each kind whose objects a test can reach.
    pub(super) async fn each_in_reach() -> Vec<Self> {
        let mut each = Self::each().await;
        each.retain(|bench| !matches!(bench.place, Place::Memory));
        each
    }

    /// One store of each kind whose objects are files.
    pub(super) async fn each_of_files() -> Vec<Self> {
        let mut each = Self::each_in_reach().await;
        each.retain(|bench| !matches!(bench.place, Place::Real(_)));
        each
    }

    pub(super) fn server(&self) -> &S3Server {
        let Place::Server(server) = &self.place else { panic!("there is no server") };
        server
    }

    /// Whether the bundles are where others may keep theirs.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self.place, Place::Server(_) | Place::Real(_))
    }

    /// The store as the next start of the appliance finds it.
    pub(super) fn reopened(self) -> Self {
        drop(self.store);
        let store = BundleStore::open(&self.config, self.folder.path()).unwrap();
        Self { store, ..self }
    }

    pub(super) fn has_unpacked(&self, version: &ExtensionVersion) -> bool {
        self.unpacked(&version.content_hash.hex()).exists()
    }

    /// A store of another appliance in the same place, with a folder of its own.
    pub(super) fn beside(&self, folder: &Path) -> BundleStore {
        BundleStore::open(&self.config, folder).unwrap()
    }

    /// The file of the object `below` the prefix.
    pub(super) fn stored(&self, below: &str) -> PathBuf {
        match &self.place {
            Place::Server(server) => server.object("sha256").join(below),
            Place::Folder => self.folder.path().join("store/sha256").join(below),
            Place::Memory | Place::Real(_) => panic!("objects are no files here"),
        }
    }

    /// The key of the object `below` the prefix.
    pub(super) fn key(&self, below: &str) -> String {
        format!("{}{below}", self.config.base)
    }

    /// The content of the object `below` the prefix.
    pub(super) async fn object(&self, below: &str) -> Vec<u8> {
        match &self.place {
            Place::Real(bucket) => bucket.read(below).await,
            _ => fs::read(self.stored(below)).unwrap(),
        }
    }

    /// Puts something in the place of an object, past the appliance.
    pub(super) async fn set_object(&self, below: &str, content: Vec<u8>) {
        match &self.place {
            Place::Real(bucket) => bucket.write(below, content).await,
            _ => fs::write(self.stored(below), content).unwrap(),
        }
    }

    /// Removes an object, past the appliance.
    pub(super) async fn remove_object(&self, below: &str) {
        match &self.place {
            Place::Real(bucket) => bucket.remove(below).await,
            _ => fs::remove_file(self.stored(below)).unwrap(),
        }
    }

    /// Every object below the prefix, in the order of their names.
    pub(super) async fn objects(&self) -> BTreeMap<String, Seen> {
        let mut found = BTreeMap::new();
        if let Place::Real(bucket) = &self.place {
            for meta in bucket.list().await {
                let below = bucket.below(&meta.location);
                let writing = format!("{:?} {}", meta.e_tag, meta.last_modified);
                found.insert(below.clone(), (writing, bucket.read(&below).await));
            }
            return found;
        }
        let root = self.stored("");
        for (path, (inode, second, nanosecond, content)) in snapshot(&root) {
            let below = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            found.insert(below, (format!("{inode} {second}.{nanosecond}"), content));
        }
        found
    }

    /// What is on the server: every key there, or those below the prefix where the rest
    /// of the server is somebody else's.
    pub(super) async fn keys(&self) -> Vec<String> {
        match &self.place {
            Place::Real(bucket) => {
                bucket.list().await.iter().map(|meta| meta.location.to_string()).collect()
            }
            _ => self.server().keys(),
        }
    }

    /// Sends a part of an object, past the appliance, and leaves it at that.
    pub(super) async fn leave_part(&self) {
        let objects = client(&self.config.s3);
        let key = Key::parse(self.key("left/bundle.tar.zst")).unwrap();
        let upload = objects.create_multipart(&key).await.unwrap();
        objects.put_part(&key, &upload, 0, PutPayload::from_static(b"left")).await.unwrap();
    }

    /// How many multipart uploads are neither completed nor aborted. On a server outside
    /// of this process asking ends them, as only their sweep can tell.
    pub(super) async fn unfinished(&self) -> usize {
        match &self.place {
            Place::Real(_) => self.store.sweep_unfinished(Timestamp::MAX).await.unwrap(),
            _ => self.server().unfinished(),
        }
    }

    /// A path below `cache/unpacked`.
    pub(super) fn unpacked(&self, below: &str) -> PathBuf {
        self.folder.path().join("cache/unpacked").join(below)
    }

    pub(super) async fn stage(&self, archive: &[u8]) -> Result<Staged, StoreError> {
        let mut staging = self.store.stage().await?;
        for chunk in archive.chunks(1000) {
            staging.write(Bytes::copy_from_slice(chunk)).await?;
        }
        staging.finish().await
    }

    /// Receives, verifies and puts a bundle, as publishing does.
    pub(super) async fn publish(&self, archive: &[u8]) -> ExtensionVersion {
        let staged = self.stage(archive).await.unwrap();
        let bundle = verified(&staged);
        self.store.put(&bundle).await.unwrap();
        version_of(&bundle)
    }

    /// Receives a bundle nobody vouches for and keeps it.
    pub(super) async fn quarantine(&self, archive: &[u8]) -> ContentHash {
        let mut staged = self.stage(archive).await.unwrap();
        let bundle = quarantined(staged.upload(None, Vec::new()));
        self.store.put_quarantined(&bundle).await.unwrap();
        bundle.content_hash()
    }

    pub(super) async fn read(
        &self,
        version: &ExtensionVersion,
        path: &str,
    ) -> Result<Vec<u8>, StoreError> {
        Ok(content(self.store.asset(version, file(version, path)).await?))
    }
}

pub(super) fn content(asset: AssetFile) -> Vec<u8> {
    let mut bytes = Vec::new();
    { asset.file }.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, asset.size);
    bytes
}

pub(super) fn file<'v>(version: &'v ExtensionVersion, path: &str) -> &'v FileEntry {
    version.file(&path.parse().unwrap()).unwrap()
}

pub(super) fn verified(staged: &Staged) -> Box<VerifiedBundle> {
    accepted(verify(from_file(staged, Vec::new()), SigningPolicy::AllowUnsigned))
}

/// The bundle with a signature by `key`, which is trusted.
pub(super) fn verified_by(key: &SigningKey, staged: &Staged) -> Box<VerifiedBundle> {
    let subject = subject(&verified(staged));
    let public = key.verifying_key();
    let trusted = TrustedKey {
        id: trust::keys::key_id(&public),
        public_key: public.to_bytes(),
        name: "Release".to_owned(),
        scopes: vec![NameGlob::everything()],
        not_before: None,
        not_after: None,
        status: KeyStatus::Active,
        added_at: Timestamp::UNIX_EPOCH,
        added_by: "a test".to_owned(),
    };
    let upload = from_file(staged, vec![statement::sign(key, &subject)]);
    accepted(verify_with(upload, SigningPolicy::Require, vec![trusted]))
}

/// What is staged, to be read from its file, so that it can be verified more than once.
fn from_file(staged: &Staged, signatures: Vec<Vec<u8>>) -> StagedUpload {
    let Staged { file, size, content_hash, .. } = staged;
    let (file, size, content_hash) = (file.clone(), *size, *content_hash);
    let (expected_hash, kept, reading) = (None, Vec::new(), None);
    StagedUpload { file, size, content_hash, expected_hash, signatures, kept, reading }
}

fn accepted(verification: Verification) -> Box<VerifiedBundle> {
    if let Verification::Verified(bundle) = verification {
        return bundle;
    }
    panic!("not verified: {:?}", verification.report())
}

/// What a publisher signs.
pub(super) fn subject(bundle: &VerifiedBundle) -> Subject {
    Subject {
        name: bundle.manifest().name.clone(),
        version: bundle.manifest().version.clone(),
        star: bundle.star(),
        content_hash: bundle.content_hash(),
        size: bundle.size(),
        manifest_sha256: statement::manifest_sha256(bundle.manifest_json()),
        target_world: bundle.world(),
    }
}

pub(super) fn quarantined(upload: StagedUpload) -> Box<QuarantinedBundle> {
    let verification = verify(upload, SigningPolicy::Require);
    if let Verification::Quarantined(bundle) = verification {
        return bundle;
    }
    panic!("not quarantined: {:?}", verification.report())
}

pub(super) fn verify(upload: StagedUpload, policy: SigningPolicy) -> Verification {
    verify_with(upload, policy, Vec::new())
}

fn verify_with(upload: StagedUpload, policy: SigningPolicy, keys: Vec<TrustedKey>) -> Verification {
    let facts = Facts { now: Timestamp::UNIX_EPOCH, policy, keys, registry: None };
    trust::verify(upload, &TrustBundle::none(), &facts, &BundleLimits::default())
}

/// The version that publishing registers.
pub(super) fn version_of(bundle: &VerifiedBundle) -> ExtensionVersion {
    let manifest = bundle.manifest().clone();
    ExtensionVersion {
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        star: None,
        content_hash: bundle.content_hash(),
        size: bundle.size(),
        manifest,
        world: bundle.world(),
        signers: bundle.signers().to_vec(),
        approved_because: None,
        files: bundle.files().to_vec(),
        published_at: Timestamp::UNIX_EPOCH,
        published_by: "a test".to_owned(),
    }
}

/// A bundle with pages only. `name` makes it differ from others.
pub(super) fn bundle_of_pages(name: &str, files: &[(&str, &[u8])]) -> Vec<u8> {
    let manifest = format!(
        r#"{{"name":"com.example.{name}","publisher":"Example","version":"1.0.0","runtime":"wasm-js@1","ui":{{"type":"iframe","entry":"ui/index.html","routes":[]}}}}"#
    );
    let mut all = vec![("manifest.json", manifest.as_bytes())];
    all.extend_from_slice(files);
    archive(&all)
}

/// The component of the `hello` example.
pub(super) fn component() -> Vec<u8> {
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/hello/bundle");
    fs::read(bundle.join("dist/main.wasm")).unwrap()
}

/// A bundle with a component.
pub(super) fn bundle_with_component() -> Vec<u8> {
    bundle_of_pages("c", &[("dist/main.wasm", &component()), ("ui/index.html", b"hello")])
}

/// A bundle with one page.
pub(super) fn small_bundle(name: &str) -> Vec<u8> {
    let page = format!("<!doctype html><title>{name}</title>");
    bundle_of_pages(name, &[("ui/index.html", page.as_bytes()), ("ui/a/b.js", b"let b;")])
}

pub(super) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, *content).unwrap();
    }
    zstd::encode_all(tar.into_inner().unwrap().as_slice(), 3).unwrap()
}

/// Every file below `folder`: its path, what it is (inode and time of change) and its content.
pub(super) fn snapshot(folder: &Path) -> BTreeMap<PathBuf, (u64, i64, i64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(snapshot(&path));
        } else {
            let metadata = fs::metadata(&path).unwrap();
            let content = fs::read(&path).unwrap();
            found.insert(path, (metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), content));
        }
    }
    found
}

/// The names in a folder.
pub(super) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
