//! The one secret that an appliance makes for itself and keeps, or is given.

use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use super::tokens::random;
use crate::state::secrets::WrappingKey;

const FILE: &str = "master.key";
/// The key that follows, while secrets go over to it.
const NEXT_FILE: &str = "master.key.next";
const KEY_BYTES: usize = 32;
/// The rights of everybody but the owner.
const OTHERS: u32 = 0o077;
/// What a key that is given may not allow: changes by its group, anything to others. The
/// right of the group to read is how the file of a systemd credential shows the access list
/// that opens it for one user.
const STRANGERS: u32 = 0o027;

/// What the keys of single purposes are derived from. It is in the data folder, where its
/// file is made at the first start, or in a file that is given.
pub struct MasterKey(Zeroizing<[u8; KEY_BYTES]>);

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    #[error("the master key {} cannot be read or made", file.display())]
    Io { file: PathBuf, source: io::Error },
    #[error(
        "the master key {} has {found} bytes; it must have 32. Put it back as it was: what is \
         sealed with it, secrets first of all, opens with no other",
        file.display()
    )]
    Length { file: PathBuf, found: u64 },
    #[error(
        "the master key {} can be read or changed by others: make it a plain file of this user \
         with mode 0600",
        .0.display()
    )]
    NotPrivate(PathBuf),
}

impl MasterKey {
    /// Reads the key of a data folder, or makes one.
    pub fn open(data_dir: &Path) -> Result<Self, MasterKeyError> {
        let path = data_dir.join(FILE);
        loop {
            match Self::read_own(&path) {
                Err(MasterKeyError::Io { source, .. })
                    if source.kind() == io::ErrorKind::NotFound => {}
                read => return read,
            }
            match Self::random().write_new(&path) {
                // Another process was faster: its key is the key.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made.map_err(|source| failed(&path, source))?,
            }
        }
    }

    /// Whether a data folder has its key, as a start could use it. It is not read, so that another
    /// user can ask, too.
    pub fn is_kept(data_dir: &Path) -> Result<bool, MasterKeyError> {
        let path = data_dir.join(FILE);
        let metadata = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            found => found.map_err(|source| failed(&path, source))?,
        };
        check(&path, &metadata, |_, mode| mode & OTHERS == 0).map(|()| true)
    }

    /// Reads a key that somebody else keeps: a systemd credential, a file of the operator.
    pub fn read_given(path: &Path) -> Result<Self, MasterKeyError> {
        let flags = OFlags::NONBLOCK | OFlags::CLOEXEC;
        let me = rustix::process::geteuid().as_raw();
        Self::read(path, flags, |uid, mode| [0, me].contains(&uid) && mode & STRANGERS == 0)
    }

    /// The key of one purpose. Knowing it says nothing about the others.
    ///
    /// `purpose` is a constant of the program, as `blake3::derive_key` asks.
    pub fn derive(&self, purpose: &'static str) -> [u8; 32] {
        blake3::derive_key(purpose, &*self.0)
    }

    /// The key that data keys of secrets are sealed with.
    pub fn wrapping_key(&self) -> WrappingKey {
        WrappingKey::new(Zeroizing::new(self.derive("plugboard secrets v1")))
    }

    /// A new key, in no file.
    fn random() -> Self {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        random(&mut *key);
        Self(key)
    }

    /// Makes the key that is to follow that of a data folder, beside it; `None` where one is.
    pub(super) fn make_next(data_dir: &Path) -> Result<Option<Self>, MasterKeyError> {
        let (path, key) = (data_dir.join(NEXT_FILE), Self::random());
        match key.write_new(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            made => made.map(|()| Some(key)).map_err(|source| failed(&path, source)),
        }
    }

    /// The key that was to follow that of a data folder, if one is left there.
    pub(super) fn read_next(data_dir: &Path) -> Result<Option<Self>, MasterKeyError> {
        match Self::read_own(&data_dir.join(NEXT_FILE)) {
            Err(MasterKeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            read => read.map(Some),
        }
    }

    /// Puts the next key in the place of the one before, which is then nowhere.
    pub(super) fn adopt_next(data_dir: &Path) -> Result<(), MasterKeyError> {
        let (next, path) = (data_dir.join(NEXT_FILE), data_dir.join(FILE));
        let renamed = fs::rename(&next, &path).and_then(|()| File::open(data_dir)?.sync_all());
        renamed.map_err(|source| failed(&path, source))
    }

    /// Removes a next key that nothing is sealed with.
    pub(super) fn remove_next(data_dir: &Path) -> Result<(), MasterKeyError> {
        let path = data_dir.join(NEXT_FILE);
        fs::remove_file(&path).map_err(|source| failed(&path, source))
    }

    fn read_own(path: &Path) -> Result<Self, MasterKeyError> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let me = rustix::process::geteuid().as_raw();
        Self::read(path, flags, |uid, mode| uid == me && mode & OTHERS == 0)
    }

    fn read(
        path: &Path,
        flags: OFlags,
        is_private: impl FnOnce(u32, u32) -> bool,
    ) -> Result<Self, MasterKeyError> {
        let failed = |source| failed(path, source);
        let flags = flags.bits().cast_signed();
        let mut file =
            OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        check(path, &metadata, is_private)?;
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        file.read_exact(&mut *key).map_err(failed)?;
        Ok(Self(key))
    }

    /// Whole or not at all, also when the power goes.
    fn write_new(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(&*self.0)?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path)?;
        File::open(folder)?.sync_all()
    }
}

/// Whether a file can be a key: a plain one, private by its owner and mode, and whole.
fn check(
    path: &Path,
    metadata: &Metadata,
    is_private: impl FnOnce(u32, u32) -> bool,
) -> Result<(), MasterKeyError> {
    if !metadata.is_file() || !is_private(metadata.uid(), metadata.mode()) {
        return Err(MasterKeyError::NotPrivate(path.to_owned()));
    }
    if metadata.len() != KEY_BYTES as u64 {
        return Err(MasterKeyError::Length { file: path.to_owned(), found: metadata.len() });
    }
    Ok(())
}

fn failed(file: &Path, source: io::Error) -> MasterKeyError {
    MasterKeyError::Io { file: file.to_owned(), source }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_keeps_its_key_and_each_has_its_own() {
        let [folder, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let key = |folder: &tempfile::TempDir, purpose| {
            MasterKey::open(folder.path()).unwrap().derive(purpose)
        };

        assert_eq!(key(&folder, "a"), key(&folder, "a"));
        assert_ne!(key(&folder, "a"), key(&folder, "b"));
        assert_ne!(key(&folder, "a"), key(&other, "a"));
        let metadata = fs::metadata(folder.path().join(FILE)).unwrap();
        assert_eq!((metadata.mode() & 0o777, metadata.len()), (0o600, 32));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_cut_off_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        MasterKey::open(folder.path()).unwrap();
        let refused = || MasterKey::open(folder.path()).unwrap_err();
        let kept = || MasterKey::is_kept(folder.path());
        assert!(kept().unwrap());

        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(refused(), MasterKeyError::NotPrivate(_)));
        assert!(matches!(kept(), Err(MasterKeyError::NotPrivate(_))));
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, [1; 31]).unwrap();
        assert!(matches!(refused(), MasterKeyError::Length { found: 31, .. }));
        assert!(matches!(kept(), Err(MasterKeyError::Length { found: 31, .. })));
        assert_eq!(fs::read(&path).unwrap(), [1; 31]);
    }

    #[test]
    fn a_given_key_may_be_a_link_that_a_group_reads_and_nothing_more() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, [7; 32]).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let read = |mode| {
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            MasterKey::read_given(&link)
        };

        for mode in [0o600, 0o400, 0o440] {
            assert_eq!(*read(mode).unwrap().0, [7; 32], "{mode:o}");
        }
        for mode in [0o644, 0o604, 0o620, 0o460] {
            assert!(matches!(read(mode), Err(MasterKeyError::NotPrivate(_))), "{mode:o}");
        }
        assert!(matches!(MasterKey::read_given(folder.path()), Err(MasterKeyError::NotPrivate(_))));
        assert!(MasterKey::read_given(&folder.path().join("none")).is_err());
    }

    #[test]
    fn a_key_follows_only_where_none_is_about_to() {
        let folder = tempfile::tempdir().unwrap();
        let old = MasterKey::open(folder.path()).unwrap();
        assert!(MasterKey::read_next(folder.path()).unwrap().is_none());

        let next = MasterKey::make_next(folder.path()).unwrap().unwrap();

        assert!(MasterKey::make_next(folder.path()).unwrap().is_none());
        assert_eq!(MasterKey::read_next(folder.path()).unwrap().unwrap().0, next.0);
        assert_eq!(MasterKey::open(folder.path()).unwrap().0, old.0);
        MasterKey::adopt_next(folder.path()).unwrap();
        assert_eq!(MasterKey::open(folder.path()).unwrap().0, next.0);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_key_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(format!("{:?}", MasterKey::open(folder.path()).unwrap()), "MasterKey(…)");
    }
}
