//! One immutable release of an extension.

use std::str::FromStr;

use jiff::Timestamp;
use semver::Version;
use serde::{Deserialize, Serialize};

use super::{AssetPath, ContentHash, ExtensionName, FileEntry, KeyId, Manifest, StarVersion};

/// What a component exports, and so which host it runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TargetWorld {
    /// `alga:extension/runner`: one bounded request, one bounded response.
    #[serde(rename = "alga:extension/runner")]
    Extension,
    /// `wasi:http/proxy` 0.2.
    #[serde(rename = "wasi:http/proxy")]
    WasiHttp,
}

impl TargetWorld {
    /// Whether bodies pass while they grow; otherwise each is whole before it is passed on.
    pub fn streams(self) -> bool {
        match self {
            Self::Extension => false,
            Self::WasiHttp => true,
        }
    }
}

/// There is no such world.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no world that components run in")]
pub struct UnknownWorld(String);

/// Who signed a version, as it was when the version was registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signer {
    pub key_id: KeyId,
    /// The name the operator gave the key.
    pub name: String,
}

/// A published version: a fact that never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtensionVersion {
    pub name: ExtensionName,
    pub version: Version,
    /// What the bundle's manifest says in place of the version, if it says `X.Y.*`:
    /// its signatures say the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub star: Option<StarVersion>,
    pub content_hash: ContentHash,
    /// Bytes of the compressed archive.
    pub size: u64,
    pub manifest: Manifest,
    /// `None` for an extension that is only pages.
    pub world: Option<TargetWorld>,
    /// Empty when an operator approved the bundle by its hash.
    pub signers: Vec<Signer>,
    /// Why an unsigned bundle is here: the operator's words.
    pub approved_because: Option<String>,
    pub files: Vec<FileEntry>,
    pub published_at: Timestamp,
    /// Who published, in words for the audit trail.
    pub published_by: String,
}

/// Of versions of one extension, the one that is meant where none is named: the highest that is
/// neither a pre-release nor yanked.
///
/// `facts` are the number of a version, and whether it is yanked.
pub fn offered_version<T>(
    versions: impl IntoIterator<Item = T>,
    facts: impl Fn(&T) -> (&Version, bool),
) -> Option<T> {
    let is_offered = |one: &T| {
        let (version, is_yanked) = facts(one);
        version.pre.is_empty() && !is_yanked
    };
    let offered = versions.into_iter().filter(is_offered);
    offered.max_by(|a, b| facts(a).0.cmp(facts(b).0))
}

impl TargetWorld {
    /// The name people and statements use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Extension => "alga:extension/runner",
            Self::WasiHttp => "wasi:http/proxy",
        }
    }
}

impl FromStr for TargetWorld {
    type Err = UnknownWorld;

    fn from_str(text: &str) -> Result<Self, UnknownWorld> {
        let named = [Self::Extension, Self::WasiHttp].into_iter().find(|one| one.as_str() == text);
        named.ok_or_else(|| UnknownWorld(text.to_owned()))
    }
}

impl ExtensionVersion {
    /// Where the manifest is.
    pub const MANIFEST_PATH: &'static str = "manifest.json";
    /// The only path the runner executes.
    pub const COMPONENT_PATH: &'static str = "dist/main.wasm";

    /// The row of `path` in the file table, which is sorted by path.
    pub fn file(&self, path: &AssetPath) -> Option<&FileEntry> {
        let index = self.files.binary_search_by(|file| file.path.cmp(path)).ok()?;
        self.files.get(index)
    }

    /// The row of the manifest, which every bundle has.
    pub fn manifest_file(&self) -> Option<&FileEntry> {
        self.files.iter().find(|file| file.path.as_str() == Self::MANIFEST_PATH)
    }

    /// The component's row, if the bundle has one.
    pub fn component(&self) -> Option<&FileEntry> {
        self.files.iter().find(|file| file.path.as_str() == Self::COMPONENT_PATH)
    }
}
