//! A master key that changes, and a start after each step that a crash can leave behind.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::*;
use crate::config::StateConfig;
use crate::model::{InstallId, SystemClock, TenantId};
use crate::state::Owner;
use crate::state::secrets::{Lookup, NewSecret};

/// A data folder with a secret in its state.
struct Folder {
    data: TempDir,
    state: State,
    owner: Owner,
}

impl Folder {
    async fn with_a_secret(config: &ServerConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = State::in_memory(&StateConfig::default(), Arc::new(SystemClock)).unwrap();
        let owner = Owner::new(&TenantId::default_tenant(), InstallId::random());
        let made = Self { data: folder, state, owner };
        let new = NewSecret {
            name: "api_key".parse().unwrap(),
            value: "hunter2".into(),
            set_at: jiff::Timestamp::UNIX_EPOCH,
            set_by: "operator ada".to_owned(),
            expires_at: None,
            binding: crate::model::BindingChange::Keep,
        };
        made.start(config).await.1.set(owner, new).await.unwrap();
        made
    }

    fn path(&self) -> &Path {
        self.data.path()
    }

    async fn start(&self, config: &ServerConfig) -> (MasterKey, Secrets) {
        let (config, path, state) = (config.clone(), self.path().to_owned(), self.state.clone());
        let start = move || open_secrets(&config, &path, &state);
        tokio::task::spawn_blocking(start).await.unwrap().unwrap()
    }

    async fn reads(&self, secrets: &Secrets) -> Option<String> {
        let found = secrets.of(self.owner).get("api_key".parse().unwrap()).await.ok()?;
        let Lookup::Found(value) = found else { return None };
        Some(value.expose_secret().to_owned())
    }

    fn files(&self) -> Vec<String> {
        let names = fs::read_dir(self.path()).unwrap().map(|file| file.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// A key that an operator keeps, with this byte in it.
fn key_file(folder: &Path, byte: u8) -> PathBuf {
    let file = folder.join(format!("key-{byte}"));
    fs::write(&file, [byte; 32]).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o400)).unwrap();
    file
}

#[tokio::test]
async fn a_start_takes_back_a_key_that_nothing_was_sealed_with() {
    let own = ServerConfig::default();
    let folder = Folder::with_a_secret(&own).await;
    let before = fs::read(folder.path().join("master.key")).unwrap();
    MasterKey::make_next(folder.path()).unwrap().unwrap();

    let (_, secrets) = folder.start(&own).await;

    assert_eq!(folder.reads(&secrets).await.as_deref(), Some("hunter2"));
    assert_eq!(folder.files(), ["master.key"]);
    assert_eq!(fs::read(folder.path().join("master.key")).unwrap(), before);
}

#[tokio::test]
async fn a_start_takes_the_key_that_the_secrets_went_over_to() {
    let own = ServerConfig::default();
    let folder = Folder::with_a_secret(&own).await;
    let (_, secrets) = folder.start(&own).await;
    let next = MasterKey::make_next(folder.path()).unwrap().unwrap();
    secrets.rewrap(next.wrapping_key()).await.unwrap();

    let (key, secrets) = folder.start(&own).await;

    assert_eq!(key.derive("x"), next.derive("x"));
    assert_eq!(folder.reads(&secrets).await.as_deref(), Some("hunter2"));
    assert_eq!(folder.files(), ["master.key"]);
    let (again, _) = folder.start(&own).await;
    assert_eq!(again.derive("x"), next.derive("x"));
}

#[tokio::test]
async fn a_given_key_is_followed_by_another_at_a_start() {
    let keys = tempfile::tempdir().unwrap();
    let old = ServerConfig { master_key_file: key_file(keys.path(), 1), ..ServerConfig::default() };
    let folder = Folder::with_a_secret(&old).await;
    let new = ServerConfig { master_key_file: key_file(keys.path(), 2), ..ServerConfig::default() };
    let both =
        ServerConfig { previous_master_key_file: old.master_key_file.clone(), ..new.clone() };

    let (_, without) = folder.start(&new).await;
    assert_eq!(folder.reads(&without).await, None);
    for config in [&both, &both, &new] {
        let (_, secrets) = folder.start(config).await;
        assert_eq!(folder.reads(&secrets).await.as_deref(), Some("hunter2"));
    }
    let (_, forgotten) = folder.start(&old).await;
    assert_eq!(folder.reads(&forgotten).await, None);
    assert_eq!(folder.files(), Vec::<String>::new(), "no key of its own beside a given one");
}

#[tokio::test]
async fn a_given_key_that_is_missing_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let state = State::in_memory(&StateConfig::default(), Arc::new(SystemClock)).unwrap();
    let master_key_file = folder.path().join("none");
    let config = ServerConfig { master_key_file, ..ServerConfig::default() };

    let error = open_secrets(&config, folder.path(), &state).unwrap_err().to_string();

    assert!(error.contains("none cannot be read"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
