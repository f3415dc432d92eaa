//! What lies in the data folder before and after the registry is opened.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::redb_file::FileError;
use crate::registry::samples::{at, operator};
use crate::registry::{Examined, Registry, RegistryError, operators};

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn open(&self) -> Result<Registry, RegistryError> {
        Registry::open(&self.file("registry.redb"), 1 << 20, at(0))
    }

    /// What a look at it comes to; the file is as it was.
    fn examine(&self) -> Result<Examined, RegistryError> {
        let file = self.file("registry.redb");
        let before = fs::read(&file).unwrap();
        let examined = Registry::examine(&file, 1 << 20, at(0));
        assert!(fs::read(&file).unwrap() == before, "it was changed");
        examined
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_new_registry_is_one_file_that_only_its_owner_reads() {
    let folder = Folder::new();

    let registry = folder.open().unwrap();

    assert!(!registry.live().is_set_up());
    assert_eq!(folder.names(), ["registry.redb"]);
    assert_eq!(mode(&folder.file("registry.redb")), 0o600);
}

#[test]
fn a_restored_file_is_made_private_again() {
    let folder = Folder::new();
    drop(folder.open().unwrap());
    let file = folder.file("registry.redb");
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();

    drop(folder.open().unwrap());

    assert_eq!(mode(&file), 0o600);
}

#[test]
fn a_registry_whose_making_was_cut_short_is_made_anew() {
    let folder = Folder::new();
    fs::write(folder.file("registry.redb.new"), [0; 4096]).unwrap();

    drop(folder.open().unwrap());

    assert_eq!(folder.names(), ["registry.redb"]);
}

#[test]
fn an_unfinished_file_beside_a_registry_is_removed_and_the_rows_stay() {
    let folder = Folder::new();
    let registry = folder.open().unwrap();
    registry.write_blocking(|txn| operators::insert(txn, &operator("ada"))).unwrap();
    drop(registry);
    fs::write(folder.file("registry.redb.new"), "half").unwrap();

    let registry = folder.open().unwrap();

    assert!(registry.live().is_set_up());
    assert_eq!(folder.names(), ["registry.redb"]);
}

#[test]
fn an_unfinished_file_that_is_a_link_is_not_followed() {
    let folder = Folder::new();
    fs::write(folder.file("precious"), "text").unwrap();
    symlink(folder.file("precious"), folder.file("registry.redb.new")).unwrap();

    drop(folder.open().unwrap());

    assert_eq!(fs::read(folder.file("precious")).unwrap(), b"text");
}

#[test]
fn a_link_to_a_registry_that_is_not_there_is_refused() {
    let folder = Folder::new();
    symlink(folder.file("unmounted"), folder.file("registry.redb")).unwrap();

    let error = folder.open().err().unwrap();

    assert!(matches!(error, RegistryError::File(FileError::File { .. })), "{error}");
    assert_eq!(folder.names(), ["registry.redb"]);
}

#[test]
fn a_registry_in_use_is_refused_with_a_way_out() {
    let folder = Folder::new();
    let _running = folder.open().unwrap();

    let error = folder.open().err().unwrap();

    assert!(matches!(error, RegistryError::File(FileError::InUse { .. })), "{error}");
    assert!(error.to_string().contains("admin socket"));
}

#[test]
fn a_registry_is_looked_at_whether_it_was_closed_or_not_and_left_alone_in_use() {
    let folder = Folder::new();
    let registry = folder.open().unwrap();
    registry.write_blocking(|txn| operators::insert(txn, &operator("ada"))).unwrap();
    assert_eq!(folder.examine().unwrap(), Examined::InUse);
    let killed = Folder::new();
    fs::copy(folder.file("registry.redb"), killed.file("registry.redb")).unwrap();
    drop(registry);

    assert_eq!(folder.examine().unwrap(), Examined::Sound);
    assert_eq!(killed.examine().unwrap(), Examined::Sound);
    assert_eq!(killed.names(), ["registry.redb"]);
}

#[test]
fn a_damaged_file_is_refused_and_left_as_it_is() {
    for damage in [vec![], b"not a registry".to_vec(), vec![0; 100_000]] {
        let folder = Folder::new();
        let file = folder.file("registry.redb");
        fs::write(&file, &damage).unwrap();

        let seen = folder.examine().unwrap_err();
        let error = folder.open().err().unwrap();

        assert!(matches!(seen, RegistryError::File(FileError::Damaged { .. })), "{seen}");
        assert!(matches!(error, RegistryError::File(FileError::Damaged { .. })), "{error}");
        assert!(error.is_lasting() && error.to_string().contains("backup"), "{error}");
        assert_eq!(fs::read(&file).unwrap(), damage);
    }
}

#[test]
fn a_file_that_was_cut_short_is_refused_and_left_as_it_is() {
    let folder = Folder::new();
    drop(folder.open().unwrap());
    let file = folder.file("registry.redb");
    let whole = fs::read(&file).unwrap();
    for length in [1, 100, 4096, 8192, whole.len() / 2] {
        fs::write(&file, &whole[..length]).unwrap();

        let seen = folder.examine().unwrap_err();
        let error = folder.open().err().unwrap();

        assert!(matches!(seen, RegistryError::File(FileError::Damaged { .. })), "{seen}");

        assert!(
            matches!(error, RegistryError::File(FileError::Damaged { .. })),
            "{length}: {error}"
        );
        assert!(file.exists());
    }
}

#[test]
fn a_folder_that_is_not_there_is_named_in_the_error() {
    let error = Registry::open(Path::new("missing/registry.redb"), 1 << 20, at(0)).err().unwrap();

    assert!(error.to_string().contains("missing/registry.redb"), "{error}");
}

#[test]
fn a_file_that_is_gone_when_it_is_opened_again_is_not_made_anew() {
    let folder = Folder::new();
    let registry = folder.open().unwrap();
    fs::remove_file(folder.file("registry.redb")).unwrap();
    let failed = FileError::storage("registry", redb::Error::PreviousIo);
    registry.0.storage.note_failure(&Err::<(), _>(failed.into()));

    let read = registry.read_blocking(operators::list);
    let written = registry.write_blocking(|txn| operators::insert(txn, &operator("ada")));

    for error in [read.unwrap_err(), written.unwrap_err()] {
        assert!(matches!(error, RegistryError::File(FileError::File { .. })), "{error}");
    }
    assert!(folder.names().is_empty(), "{:?}", folder.names());
}

#[test]
fn two_who_make_the_registry_at_once_make_one() {
    let folder = Folder::new();

    let opened: Vec<_> = std::thread::scope(|scope| {
        let both = [(), ()].map(|()| scope.spawn(|| folder.open()));
        both.into_iter().map(|thread| thread.join().unwrap()).collect()
    });

    assert!(opened.iter().any(Result::is_ok));
    let refused = opened.iter().filter_map(|result| result.as_ref().err());
    assert!(
        refused
            .into_iter()
            .all(|error| matches!(error, RegistryError::File(FileError::InUse { .. })))
    );
    assert_eq!(folder.names(), ["registry.redb"]);
}
